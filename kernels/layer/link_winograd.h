/* The maps of a link between blocked variables by winograd.h, where the rule never divides by a sum that can be exactly zero
 * while relevance arrives. For link.c, link_plan.c and measure.c only. */
#ifndef NRMFLOW_KERNELS_LAYER_LINK_WINOGRAD_H
#define NRMFLOW_KERNELS_LAYER_LINK_WINOGRAD_H

#include "kernels/layer/link.h"
#include "kernels/layer/winograd.h"

/* The rule's only denominator is at least z, up to its stabilizer, wherever relevance arrives. */
bool link_winograd_fits(const struct link_plan *plan, const struct link_setting *setting);

/* Tiles of 2 x 2 need fewer multiplications than those of 4 x 4. */
bool link_winograd_small(const struct link *link);

/* How a link goes down. */
struct winograd link_winograd_down(const struct link_plan *plan);

/* Weights W and W' for the same input, and W' as adjoint: link_winograd_floats each. */
struct link_winograd_forms {
    float *up[2], *down;
};

size_t link_winograd_floats(const struct link_plan *plan);

/* Fill them from the link's own weights and those of its part. */
void link_winograd_pack(const struct link_winograd_forms *forms, const struct link_plan *plan, const float *part);

struct link_scratch_floats link_winograd_scratch(const struct link_plan *plan, size_t n);

/* Relevance or weights of n images, with their own coefficients and activations, or those of one that all share. */
struct link_winograd_images {
    size_t n;
    bool share;
};

/* As link.h. */
void link_winograd_forward(float *upper, float *c, struct channels_summary *summaries, const struct link_plan *plan,
                           const float *a, size_t n, const struct link_scratch *scratch);
void link_winograd_backward(float *r_lower, const struct link_ledger *ledger, const struct link_plan *plan,
                            const float *r_upper, const float *c, const float *a, struct link_winograd_images images,
                            const struct link_scratch *scratch);
void link_winograd_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c,
                        const float *a, struct link_winograd_images images, const struct link_scratch *scratch);

/* Flows, and unless NULL relevance and ledger. The ledger's sums are left in scratch->sums, [n][K]. */
void link_winograd_flow(float *joint, float *r_lower, const struct link_ledger *ledger, const struct link_plan *plan,
                        const float *r_upper, const float *c, const float *a, const float *h, size_t n,
                        const struct link_scratch *scratch);

#endif
