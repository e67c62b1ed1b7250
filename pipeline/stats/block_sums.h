/* Adding the images of a block to the statistics. Most go into sums of the block in double precision, in the order of
 * the images, and at its end into the exact sums of the node; the others go there at once (moments.h).
 *
 * Not collective; each rank has its own.
 */
#ifndef NRMFLOW_PIPELINE_STATS_BLOCK_SUMS_H
#define NRMFLOW_PIPELINE_STATS_BLOCK_SUMS_H

#include "io/base/error.h"
#include "kernels/base/arena.h"
#include "kernels/measure/far.h"
#include "kernels/measure/measure.h"
#include "pipeline/stats/moments.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/stats/sums.h"

/* Of the channels with statistics. */
struct block_sums_channels {
    double *relevance, *activation_mean;
    float *activation;
    uint32_t *relevance_position, *activation_position;
};

/* Arrays are placed in an arena. */
struct block_sums {
    const struct statistics *statistics; /* borrowed */
    struct moments_book book;
    double *values;                         /* [channels] scratch */
    double *row;                            /* [widest row of an adjacent flow] scratch */
    const float *joints[NETWORK_MAX_EDGES]; /* of the link whose flows arrive, by edge */
    struct block_sums_channels kept;        /* copies, if variables are left out */
    struct toplist_entry *entries;          /* [channels] scratch */
    double *top_least, *active_least;       /* [channels] sums_top's; kept between blocks */
    size_t *bins;                           /* [channels] scratch: an image's bins of the histogram */
    float *pending;                         /* [group][pending_floats] neurons of images without a status yet */
    size_t pending_floats;
    size_t pending_at[NETWORK_MAX_VARIABLES];
};

/* The condition and the class of an image. */
struct block_sums_case {
    double given_mass; /* complete */
    size_t class;      /* SIZE_MAX if it has none */
};

/* Place the arrays; with an arena over NULL, only compute their size. */
void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena);

/* Begin a block. `sums` are the node's, borrowed until block_sums_commit. */
void block_sums_reset(struct block_sums *block_sums, struct sums *sums);

/* Keep the neurons r h of an image until block_sums_image, which knows the image's status. Both arrays are in the
 * variable's layout; h may be NULL, which means one. */
void block_sums_neurons(struct block_sums *block_sums, size_t slot, size_t variable, const float *r, const float *h);

/* Take an edge's flow of an image that is OK. With the last of a link's edges its pairs are added: until then the flows
 * of the others must stay. Parameters as those of measure_sink. */
void block_sums_flow(struct block_sums *block_sums, size_t edge, const float *joint, const double *to_bias,
                     const double *absorbed, struct block_sums_case of);

/* Add the flow of far pair `pair`, an exact one, of an image that is OK. */
void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, struct block_sums_case of);

/* Add row `channel`, [C_lower], of far pair `pair`, a sampled one, of an image that is OK. It was drawn with
 * probability pi and is not divided by it. */
void block_sums_sampled(struct block_sums *block_sums, size_t pair, size_t channel, double pi, const double *row,
                        double given_mass);

/* Add an image that is OK: its channels, and the neurons that block_sums_neurons kept. */
void block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result, size_t row,
                      size_t class);

/* End the block: add it to the node's sums. Errors: FAIL_LIMIT as sums_add, for everything added since the reset. */
enum status block_sums_commit(struct block_sums *block_sums, struct error *err);

#endif
