/* What an evaluation says, in sentences: only where a difference exceeds three standard errors. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_VERDICT_H
#define NRMFLOW_PIPELINE_EVALUATE_VERDICT_H

#include "pipeline/evaluate/gains.h"

enum { VERDICT_TEXT = 512 };

/* Sentence i; false after the last. */
bool verdict_sentence(char text[VERDICT_TEXT], const struct design *design, const struct gains *gains, size_t i);

/* All of them in lines, for the caller to free; NULL without memory. */
char *verdict_text(const struct design *design, const struct gains *gains);

/* The value of a result that verdicts are about: the gain of p, |cosine| of targets, Pearson's of damage. */
size_t verdict_value(const struct design_result *result);

/* "gain of p", "|cosine|", "Pearson's r" */
const char *verdict_value_name(enum test test);

#endif
