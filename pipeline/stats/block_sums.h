/* The sums of one block of images, in double precision and in their order, before they go into the exact sums of the node.
 *
 * Not collective; one for each rank.
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

/* Values that go into the sums by class at a time. */
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
    double *top_least, *active_least; /* [channels] sums_top's; kept from block to block */
    size_t *bins;                     /* [channels] scratch: bins of an image in the histogram */
    double *products;                 /* [BLOCK_SUMS_CHUNK] scratch */
    float *pending;                   /* [group][pending_floats] neurons of images whose status is not known yet */
    size_t pending_floats;
    size_t pending_at[NETWORK_MAX_VARIABLES];
};

/* Place the arrays; with a measuring arena only its size comes out. */
void block_sums_place(struct block_sums *block_sums, const struct statistics *s, struct arena *arena);

/* Empty it for a block. */
void block_sums_reset(struct block_sums *block_sums);

/* Neurons of an image in work, r h with h NULL meaning one, in their layout; kept until block_sums_image. */
void block_sums_neurons(struct block_sums *block_sums, size_t slot, size_t variable, const float *r, const float *h);

/* Flow of an image that is OK. */
void block_sums_flow(struct block_sums *block_sums, size_t link, const float *joint, const double *to_bias,
                     const double *absorbed, double given_mass);

/* Flow of far pair number `pair`, an exact one, of an image that is OK. */
void block_sums_far(struct block_sums *block_sums, size_t pair, const struct far_flow *flow, double given_mass);

/* The same flows for the sums by class, at once; `class` is SIZE_MAX if the image has none. Errors: FAIL_LIMIT as
 * sums_add. */
enum status block_sums_class_flow(struct block_sums *block_sums, size_t link, const float *joint, double given_mass,
                                  size_t class, struct sums *sums, struct error *err);
enum status block_sums_class_far(struct block_sums *block_sums, size_t pair, const float *joint, double given_mass,
                                 size_t class, struct sums *sums, struct error *err);

/* An image that is OK: its channels, and its neurons handed in before. `class` is SIZE_MAX if it has none. By-class sums,
 * histogram and top lists go into `sums` at once. Not collective. Errors: FAIL_LIMIT as sums_add. */
enum status block_sums_image(struct block_sums *block_sums, size_t slot, const struct measure_result *result,
                             size_t row, size_t class, struct sums *sums, struct error *err);

/* Add the block to the node's sums. Errors: FAIL_LIMIT as sums_add. */
enum status block_sums_commit(const struct block_sums *block_sums, struct sums *sums, struct error *err);

#endif
