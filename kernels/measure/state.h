/* What is known of one variable and of one link while a group of images is measured.
 *
 * A state is of the whole group or, with its pointers moved to a slot, of that slot and those after it. An array has
 * its slots one after the other, or only one slot that the images use in turn: then its stride is zero. Only the
 * placement of the memory (plan.c) knows which, and when a later variable takes the array of an earlier one.
 */
#ifndef NRMFLOW_KERNELS_MEASURE_STATE_H
#define NRMFLOW_KERNELS_MEASURE_STATE_H

#include "kernels/layer/channels.h"

#include <stddef.h>

/* One variable. Floats in its layout, summaries of its channels [C]. Borrowed.
 *
 *   a          activations; of a variable that feeds a pool only until the pool is evaluated
 *   r          the plain measure R
 *   m          M of the condition; r itself where no set is at or above the variable
 *   h          h of the condition; NULL meaning one
 *   summaries  of r; NULL: not kept
 *   weighted   of r h; NULL if that is not M h */
struct variable_state {
    float *a, *r, *m, *h;
    struct channels_summary *summaries, *weighted;

    struct variable_stride {
        size_t a, r, h, channels; /* elements from slot to slot; r also of m, channels of both summaries */
    } stride;
};

/* One link. Borrowed.
 *
 *   c         coefficients and shares, as in link.h; of a dense link with the terms of a slot a group apart
 *   c_alone   of a dense link: memory for those of one image; NULL: not kept
 *   to_bias, absorbed  [K] of the last backward pass */
struct link_state {
    float *c, *c_alone;
    double *to_bias, *absorbed;

    struct link_stride {
        size_t c, channels; /* elements from slot to slot; channels of to_bias and absorbed */
    } stride;
};

/* One edge: its flow, as in link.h; of dense links at the end as many as fit; NULL: not wanted. */
struct edge_state {
    float *joint;
    size_t stride; /* floats from slot to slot */
};

/* The state from a slot on. */
struct variable_state state_variable(const struct variable_state *group, size_t slot);
struct link_state state_link(const struct link_state *group, size_t slot);
float *state_joint(const struct edge_state *group, size_t slot);

#endif
