/* Does relevance see what the network has learnt? Relevance of the trained network against that of the network whose
 * links are permuted one after the other, from the logits down (cascading randomisation; Adebayo et al. 2018).
 *
 * A stage is a link with weights, permuted together with all above it (kernels/ablation/permutation.h). A view is a
 * variable: its channels, or all neurons of the input. The target stays that of the trained network. Permuting keeps
 * the scale of activations, and rules that change little are not worse by that (Binder et al. 2023): this ranks no
 * methods.
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_RANDOMISED_H
#define NRMFLOW_PIPELINE_EVALUATE_RANDOMISED_H

#include "io/base/error.h"
#include "kernels/ablation/similarity.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/plan.h"
#include "pipeline/util/log.h"

#include <stdint.h>

enum { RANDOMISED_MEASURES = 2 };

struct randomised_options {
    size_t images;       /* the first ones of the run, at most all */
    const size_t *views; /* [nviews] variables */
    size_t nviews;
    const struct measure_options *measures[RANDOMISED_MEASURES]; /* [nmeasures] */
    size_t nmeasures;
    uint64_t seed;
};

/* Links that are permuted, in the order of the stages: those with weights that relevance passes, from the top down.
 * Returns their number.
 *
 *   links  out  [NETWORK_MAX_LINKS] */
size_t randomised_stages(size_t links[NETWORK_MAX_LINKS], const struct network *net);

/* Where the similarity of an image is among all, [stages][views][measures][images]. */
size_t randomised_place(const struct randomised_options *options, size_t stage, size_t view, size_t measure,
                        size_t image);

/* Measure the images.
 *
 *   out  out  [stages x views x measures x images] on rank 0, NaN for images that cannot be read or measured; NULL
 *             elsewhere
 * Errors, the same on all ranks: FAIL_SYSTEM without memory; FAIL_RESOURCE if the dataset can no longer be read; as
 * dataset_open. Collective. */
enum status randomised_measure(struct similarity *out, const struct randomised_options *options,
                               const struct run_plan *plan, const struct node *node, struct log *log,
                               struct error *err);

#endif
