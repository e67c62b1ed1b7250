/* What `nrmflow evaluate` prints. */
#ifndef NRMFLOW_PIPELINE_COMMAND_EVALUATE_PRINT_H
#define NRMFLOW_PIPELINE_COMMAND_EVALUATE_PRINT_H

#include "pipeline/evaluate/evaluate.h"

void evaluate_print(const struct evaluation *evaluation, const char *output);
void evaluate_print_json(const struct evaluation *evaluation, const char *output);
void evaluate_print_cost(const struct evaluation *evaluation, const struct evaluate_cost *cost, const char *output);
void evaluate_print_cost_json(const struct evaluation *evaluation, const struct evaluate_cost *cost,
                              const char *output);

#endif
