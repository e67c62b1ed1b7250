/* The maps of a link between blocked variables by winograd.h, for rules that never divide by a sum that can be exactly
 * zero where relevance arrives. For link.c, link_plan.c and measure/plan.c only. */
#ifndef NRMFLOW_KERNELS_LAYER_LINK_WINOGRAD_H
#define NRMFLOW_KERNELS_LAYER_LINK_WINOGRAD_H

#include "kernels/layer/link.h"
#include "kernels/layer/winograd.h"

/* Whether the rule's only denominator is at least z, up to its stabilizer, wherever relevance arrives. */
bool link_winograd_fits(const struct link_plan *plan, const struct link_setting *setting);

/* Whether tiles of 2 x 2 need fewer multiplications than tiles of 4 x 4. */
bool link_winograd_small(const struct link *link);

/* Shape of the convolution of the backward pass. */
struct winograd link_winograd_down(const struct link_plan *plan);

/* Packed weights, link_winograd_floats each: W and W' upwards, W' as adjoint downwards. */
struct link_winograd_forms {
    float *up[2], *down;
};

size_t link_winograd_floats(const struct link_plan *plan);

/* Pack them from the link's own weights and the weights `part` of the rule's only part. */
void link_winograd_pack(const struct link_winograd_forms *forms, const struct link_plan *plan, const float *part);

struct link_scratch_floats link_winograd_scratch(const struct link_plan *plan, size_t n);

/* How many images the arrays are of; or `one`: n sweeps of one image, whose c and a all of them share. */
struct link_winograd_images {
    size_t n;
    bool one;
};

/* As in link.h. */
void link_winograd_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                           const float *a, size_t n, const struct link_scratch *scratch);
void link_winograd_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                        const float *a, struct link_winograd_images images, const struct link_scratch *scratch);

/* Relevance, summaries and flows of a call; its r_lower may be NULL. For a ledger the sums of channels_ledger are left
 * in scratch->sums, [n][K]; to_bias and absorbed stay as they are. With `one`, no ledger and no flows: see above. */
void link_winograd_backward(const struct link_call *call, bool one);

#endif
