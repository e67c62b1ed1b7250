/* Trials: what the network says if some units of an image are replaced, several at once.
 *
 * Usage: place once; begin an image; for each set of units that can be replaced, enter it, add trials, and finish. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_TRIALS_H
#define NRMFLOW_PIPELINE_EVALUATE_TRIALS_H

#include "kernels/ablation/ablation.h"
#include "kernels/ablation/curve.h"
#include "kernels/ablation/cut.h"

#include <stdbool.h>

enum { TRIALS_AT_ONCE = 8 };

/* Units: channels of some variables, squares of the input, or edges of a link. Borrowed. */
struct trials_units {
    size_t count;
    size_t from;          /* the variable where copies begin, its own spot; channels of it are replaced first */
    const size_t *first;  /* [variables] number of the variable's first channel; SIZE_MAX: none of it; read where the
                                  channels are replaced, at the variable's spot */
    const size_t *source; /* [variables] the variable whose channels are replaced there */
    const float *value;   /* [all channels of the network] by which they are replaced; NULL: zero */
    size_t patch;         /* of squares; 0: channels or edges */
    bool edges;           /* edges of `link`, which are cut; copies begin at the variable that it reads */
    size_t link;
};

struct trials {
    struct ablation ablation;
    struct cut_work cut;
    const struct measure_image *image;
    size_t target;
    struct trials_units units;
    size_t n;    /* trials that wait */
    float *keep; /* [TRIALS_AT_ONCE][most units] 0 for units that are replaced */
    size_t most;
    float *out[TRIALS_AT_ONCE];
};

/* Place memory for sets of at most `most` units; `edges`: also of edges. */
void trials_place(struct trials *trials, const struct measure_plan *plan, size_t most, bool edges, struct arena *arena);

/* Begin an image, of which the target's outcome is of interest. Both borrowed until the last trial. */
void trials_begin(struct trials *trials, const struct measure_image *image, size_t target);

/* Say what the units are. */
void trials_enter(struct trials *trials, struct trials_units units);

/* Add a trial: returns the units' weights for the caller to fill, 0 for those that are replaced and 1 for the others.
 * When it is computed, at the latest by trials_finish, its outcome goes to out [CURVE_OUTCOMES]. */
float *trials_add(struct trials *trials, float *out);

/* Compute what waits. */
void trials_finish(struct trials *trials);

#endif
