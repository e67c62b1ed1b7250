/* The sums of one block of images in double precision, added in the order of the images. At the end of the block they
 * go into the exact sums of the node.
 *
 * Not collective; each rank has its own.
 */
#ifndef NRMFLOW_PIPELINE_STATS_BLOCK_SUMS_H
#define NRMFLOW_PIPELINE_STATS_BLOCK_SUMS_H

#include "io/base/error.h"
#include "kernels/base/arena.h"
#include "kernels/measure/measure.h"
#include "pipeline/stats/statistics.h"
#include "pipeline/stats/sums.h"

/* Sums of an exact far pair. */
struct block_sums_far {
    double *flow, *square, *product; /* [C_upper][C_lower] */
    double *lost, *left_out, *draws; /* [C_upper] */
};

/* Values added to the sums by class at a time. */
enum { BLOCK_SUMS_CHUNK = 4096 };

/* Arrays are placed in an arena and named as the sections of statistics.h. */
struct block_sums {
    const struct statistics *statistics; /* borrowed */
    double images, given, given_square;
    double *x, *square, *product, *positive, *negative; /* [channels] */
    double *highest, *lowest;                           /* [channels] */
    double *map[NETWORK_MAX_VARIABLES];
    double *flow[NETWORK_MAX_LINKS], *flow_square[NETWORK_MAX_LINKS], *flow_product[NETWORK_MAX_LINKS];
    double *to_bias[NETWORK_MAX_LINKS], *absorbed[NETWORK_MAX_LINKS];
    struct block_sums_far far[FLOWS_MAX];
    struct toplist_entry *entries;    /* [channels] scratch */
    double *top_least, *active_least; /* [channels] sums_top's; kept between blocks */
    size_t *bins;                     /* [channels] scratch: an image's bins of the histogram */
    double *products;                 /* [BLOCK_SUMS_CHUNK] scratch */
    float *pending;                   /* [group][pending_floats] neurons of images without a status yet */
    size_t pending_floats;
    size_t pending_at[NETWORK_MAX_VARIABLES];
};

/* Place the arrays; with an arena over NULL, only compute their size. */
void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena);

/* Empty it before a block. */
void block_sums_reset(struct block_sums *block_sums);

/* Keep the neurons r h of an image until block_sums_image, which knows the image's status. Both arrays are in the
 * variable's layout; h may be NULL, which means one. */
void block_sums_neurons(struct block_sums *block_sums, size_t slot, size_t variable, const float *r, const float *h);

/* Add a link's flow of an image that is OK. */
void block_sums_flow(struct block_sums *block_sums, size_t link, const float *joint, const double *to_bias,
                     const double *absorbed, double given_mass);

/* Add the flow of far pair `pair`, an exact one, of an image that is OK. */
void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, double given_mass);

/* Add the same flows to the sums by class. These are in `sums` at once, not at the end of the block. `class` is
 * SIZE_MAX if the image has none. Errors: FAIL_LIMIT as sums_add. */
enum status block_sums_class_flow(struct block_sums *block_sums, size_t link, const float *joint, double given_mass,
                                  size_t class, struct sums *sums, struct error *err);
enum status block_sums_class_far(struct block_sums *block_sums, size_t pair, const float *joint, double given_mass,
                                 size_t class, struct sums *sums, struct error *err);

/* Add an image that is OK: its channels, and the neurons that block_sums_neurons kept. `class` is SIZE_MAX if it has
 * none. Sums by class, histogram and top lists are in `sums` at once. Errors: FAIL_LIMIT as sums_add. */
enum status block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result,
                             size_t row, size_t class, struct sums *sums, struct error *err);

/* Add the whole block to the node's sums. Errors: FAIL_LIMIT as sums_add. */
enum status block_sums_commit(const struct block_sums *block_sums, struct sums *sums, struct error *err);

#endif
