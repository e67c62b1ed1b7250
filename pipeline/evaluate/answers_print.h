/* Answers of networks as tables and as JSON: a row for every share of edges or channels, a column for every order. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_PRINT_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_PRINT_H

#include "pipeline/evaluate/answers_table.h"

#include <stdio.h>

#include <jansson.h>

/* Print accuracy (agreement with the whole network where there are no labels), p and the differences of accuracy. */
void answers_print(FILE *out, const struct answers_table *table);

/* Add the columns of the table to an object. */
void answers_json(json_t *object, const struct answers_table *table);

#endif
