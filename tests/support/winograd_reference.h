/* 3x3 convolutions and their flows in plain double loops, with bounds of what rounding in the Winograd domain may
 * do. */
#ifndef NRMFLOW_TESTS_SUPPORT_WINOGRAD_REFERENCE_H
#define NRMFLOW_TESTS_SUPPORT_WINOGRAD_REFERENCE_H

#include "kernels/layer/winograd.h"

/* One image: everything planar, x and lower with their factors multiplied in. */
struct planes {
    const float *x, *lower; /* [inputs][H][W], [outputs][H][W] */
    const float *w;         /* [outputs][inputs][9], or [inputs][outputs][9] of an adjoint */
};

/* What one set of weights gives, planar, with bounds of the rounding errors. */
struct expected {
    double *t, *t_bound;         /* [outputs][H][W] */
    double *joint, *joint_bound; /* [inputs][outputs] */
};

/* To be freed by the caller. */
struct expected expected_of(struct planes p, struct winograd s);
void expected_free(struct expected *e);

#endif
