/* Answers of networks as tables and as JSON: a row for every share of edges or channels, a column for every order. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_PRINT_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_PRINT_H

#include "pipeline/evaluate/answers.h"

#include <stdio.h>

#include <jansson.h>

/* An order. Both [shares]; the second is what the first order exceeds this one by. */
struct answers_line {
    const char *name;
    const struct answers_summary *at, *excess;
};

struct answers_table {
    const char *share_title; /* "edges kept" */
    const double *shares;    /* [nshares] */
    size_t nshares;
    struct answers_summary whole;     /* of the network as it is */
    const struct answers_line *lines; /* [nlines] at most TABLE_MAX_COLUMNS - 1 */
    size_t nlines;
};

/* Print accuracy (agreement with the whole network where there are no labels), p and the differences of accuracy. */
void answers_print(FILE *out, const struct answers_table *table);

/* Add the columns of the table to an object. */
void answers_json(json_t *object, const struct answers_table *table);

#endif
