/* Where the arrays of one slot lie in the working memory of measure.h. Only for the files that compute a measure. */
#ifndef NRMFLOW_KERNELS_MEASURE_SLOT_H
#define NRMFLOW_KERNELS_MEASURE_SLOT_H

#include "kernels/measure/measure.h"

/* Coefficients of a link below the dense layers. */
float *measure_coefficients(const struct measure_plan *plan, size_t link, size_t slot,
                            const struct measure_workspace *work);

/* Activations; NULL for a variable that feeds a pool. */
float *measure_activations(const struct measure_plan *plan, size_t variable, size_t slot,
                           const struct measure_workspace *work);

/* Whether h of a variable is an array, that is, not one everywhere; and that array, NULL if it is not. */
bool measure_has_h(const struct measure_plan *plan, size_t variable);
float *measure_h(const struct measure_plan *plan, size_t variable, size_t slot, const struct measure_workspace *work);

/* R and M of the variables that are swept for the whole group, from plan->grouped up. */
const float *measure_relevance(const struct measure_plan *plan, size_t variable, size_t slot,
                               const struct measure_workspace *work);
const float *measure_masked(const struct measure_plan *plan, size_t variable, size_t slot,
                            const struct measure_workspace *work);

#endif
