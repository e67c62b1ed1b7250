/* Answers of networks as a table: a row for every share of edges or channels, a column for every order. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_TABLE_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_TABLE_H

#include "pipeline/evaluate/answers.h"

#include <stdbool.h>

/* An order. Both [shares]; the second, NULL where it is not known, is what the first order exceeds this one by. */
struct answers_line {
    const char *name;
    const struct answers_summary *at, *excess;
};

struct answers_table {
    const char *test;        /* "circuit" */
    const char *share_title; /* "edges kept" */
    bool kept;               /* shares are of what is kept, not of what is replaced */
    const double *shares;    /* [nshares] */
    size_t nshares;
    struct answers_summary whole;     /* of the network as it is */
    const struct answers_line *lines; /* [nlines] at most TABLE_MAX_COLUMNS - 1 */
    size_t nlines;
};

enum { ANSWERS_VERDICT = 512 };

/* Accuracy, or agreement with the whole network where there are no labels. */
struct answers_mean answers_right(const struct answers_summary *summary);

/* Sentence i about the first order and another one, at the share where they differ most, if that is by more than three
 * errors; false after the last. */
bool answers_verdict(char text[ANSWERS_VERDICT], const struct answers_table *table, size_t i);

#endif
