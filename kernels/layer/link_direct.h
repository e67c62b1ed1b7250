/* The maps of a link between the network's input and the first blocked variable, for any rule, by direct.h. One
 * convolution computes all parts of a term, from the planes x of its parts, [parts][C][H][W]; the first part needs no
 * planes if its weights are the sum of the others'. For link.c and link_plan.c only. */
#ifndef NRMFLOW_KERNELS_LAYER_LINK_DIRECT_H
#define NRMFLOW_KERNELS_LAYER_LINK_DIRECT_H

#include "kernels/layer/link.h"

/* Most input channels. */
enum { LINK_DIRECT_CHANNELS = 4 };

/* The weights of each term, and those of the link itself; NULL or their places in memory. */
struct link_direct_forms {
    float *joined[RULE_MAX_TERMS]; /* [K][planes][3][3], of the parts that are computed */
    /* What parts with constant x and b' add to the denominator, for each set of sides of the map that a position can be
     * at. Only for terms whose denominator is this plus the link's own z - b. */
    float *constant[RULE_MAX_TERMS];
    float *up[RULE_MAX_TERMS], *down[RULE_MAX_TERMS], *own;
};

/* Floats of a term's arrays above. */
size_t link_direct_joined_floats(const struct link_plan *plan, size_t term);
size_t link_direct_packed_floats(const struct link_plan *plan, size_t term, bool adjoint);
size_t link_direct_constant_floats(const struct link_plan *plan, size_t term);
size_t link_direct_own_floats(const struct link_plan *plan);

/* Fill them from the derived weights of the parts, plan->forms. */
void link_direct_pack(const struct link_direct_forms *forms, const struct link_plan *plan);

struct link_scratch_floats link_direct_scratch(const struct link_plan *plan);

/* z = W a + own_bias of one image. */
void link_direct_preactivation(float *z, const struct link_plan *plan, const float *a,
                               const struct link_scratch *scratch);

/* Whether link_direct_forward can compute z, the coefficients and the activation together; and that function. */
bool link_direct_is_fused(const struct link_plan *plan);
void link_direct_forward(float *upper, float *c, const struct link_plan *plan, const float *a,
                         const struct link_scratch *scratch);

/* The denominator of a term: the sum over its parts, and b'. */
void link_direct_denominator(float *out, const struct link_plan *plan, size_t term, const float *a,
                             const struct link_scratch *scratch);

/* As in link.h, for one image; c has the terms of this image, `stride` floats apart. */
void link_direct_backward(float *r_lower, const struct link_plan *plan, const float *r_upper, const float *c,
                          size_t stride, const float *a, const struct link_scratch *scratch);
void link_direct_lift(float *v_upper, const struct link_plan *plan, const float *v_lower, const float *c, size_t stride,
                      const float *a, const struct link_scratch *scratch);
void link_direct_flow(float *joint, const struct link_plan *plan, const float *r_upper, const float *c, size_t stride,
                      const float *a, const float *h, const struct link_scratch *scratch);

#endif
