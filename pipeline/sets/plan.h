/* The plan to compute the measure of an expression: the steps of a decision (kernels/measure/decision.h). */
#ifndef NRMFLOW_PIPELINE_SETS_PLAN_H
#define NRMFLOW_PIPELINE_SETS_PLAN_H

#include "io/base/error.h"
#include "kernels/measure/decision.h"
#include "pipeline/sets/sets.h"

#include <stdio.h>

/* No map. */
#define SETS_NO_MAP SIZE_MAX

struct sets_plan {
    struct decision decision; /* its arrays are owned */
    bool everything;          /* there is nothing to compute: the measure of all walks is one */
    struct decision_step *steps;
};

/* Plan the measure of an expression's value or condition.
 *
 *   plan     out  to be freed with sets_plan_free, also after a failure; borrows nothing of `sets`
 *   clauses  in   sets->value or sets->given
 *   map      in   variable of a map, or SETS_NO_MAP
 * Errors: FAIL_CONFIG if there are too many sweeps or pieces of a layer, or a map of an expression with a bias;
 * FAIL_SYSTEM without memory. */
enum status sets_plan_init(struct sets_plan *plan, const struct sets *sets, const struct dnf *clauses, size_t map,
                           struct error *err);

/* All zero is fine. */
void sets_plan_free(struct sets_plan *plan);

/* Print the plan, a line for every step. */
void sets_plan_print(FILE *out, const struct sets_plan *plan, const struct network *net);

#endif
