/* `nrmflow bench`: its measurements and their results. All ranks measure at the same time. A time is the median over
 * repeats, of the slowest rank. All functions are collective over the node's world.
 */
#ifndef NRMFLOW_PIPELINE_BENCH_BENCH_H
#define NRMFLOW_PIPELINE_BENCH_BENCH_H

#include "pipeline/run/work.h"
#include "pipeline/stats/flows.h"
#include "pipeline/util/option.h"

enum { BENCH_MAX_REPEATS = 101, BENCH_MAX_PEAKS = 4, BENCH_NAME = 64 };

/* What to measure. */
struct bench_options {
    const char *config;         /* path of a configuration, or NULL: random images */
    const char *model;          /* without a configuration: path of a model, or NULL: random weights */
    struct model_random random; /* without both */
    const char *const *sets;    /* [nsets] "key=value" */
    size_t nsets;
    size_t repeats;
    bool accuracy; /* compare every link with the double reference */
    bool flows;    /* measure a far pair */
    bool tune;     /* measure every backend of every link */
    bool plain;    /* whole images only without condition and flows */
};

/* ---- the machine ----------------------------------------------------------------------------------------------- */

struct bench_peak {
    const char *isa;
    double flops; /* a second */
};

/* OpenBLAS' product [m][k] x [k][n] in the shape of a layer. */
struct bench_product {
    const char *layer;
    size_t m, n, k;
    double flops; /* a second */
};

struct bench_machine {
    size_t npeaks;
    struct bench_peak peaks[BENCH_MAX_PEAKS];
    double peak; /* the fastest of them */
    size_t nproducts;
    struct bench_product products[NETWORK_MAX_LINKS];
    double product; /* a second, over all products */
};

enum status bench_machine(struct bench_machine *out, const struct network *net, size_t repeats, const struct node *node,
                          struct error *err);

/* ---- the links ------------------------------------------------------------------------------------------------- */

enum bench_operation { BENCH_FORWARD, BENCH_BACKWARD, BENCH_FLOW, BENCH_LIFT, BENCH_OPERATIONS };

extern const char *const bench_operation_names[BENCH_OPERATIONS];

/* One link's times for one image, in seconds. */
struct bench_layer {
    double seconds[BENCH_OPERATIONS];
    double flops; /* of forward and backward, by direct convolution */
    double share; /* of these two in the network's */
    bool compared;
    double errors[BENCH_OPERATIONS]; /* bench_accuracy; where compared */
    const char *way;                 /* name of the backend that runs use; NULL: a pool */
    bool tuned;
    double ways[LINK_BACKENDS]; /* if tuned: seconds of forward and backward; 0: it does not suit the link */
};

enum status bench_layers(struct bench_layer layers[NETWORK_MAX_LINKS], const struct model *model, const float *input,
                         const struct bench_options *options, const struct node *node, struct error *err);

/* ---- whole images ---------------------------------------------------------------------------------------------- */

enum bench_variant { BENCH_PLAIN, BENCH_FLOWS, BENCH_INPUT, BENCH_INPUT_FLOWS, BENCH_VARIANTS };

struct bench_variant_settings {
    const char *name, *given, *flows;
};

extern const struct bench_variant_settings bench_variants[BENCH_VARIANTS];

/* Seconds for one image on one rank, all stages included. */
struct bench_image {
    double total, stages[BLOCK_STAGES];
    double load; /* reading and decoding, in either thread; STAGE_DECODE is only the time that the rank waits for it */
    size_t rank_bytes, shared_bytes;
};

/* The end of an epoch. */
struct bench_store {
    double seconds;
    double bytes;
};

/* Median of `repeats` blocks, or fewer if they take long, after one that is not counted. */
enum status bench_image(struct bench_image *out, struct run_work *work, size_t repeats, struct error *err);

/* Write the run's results to an unfinished store, as at the end of an epoch. */
enum status bench_store(struct bench_store *out, struct run_work *work, const char *path, struct error *err);

/* A far pair, conv4_2 with the last convolution, of one image: by far_compute, and by one masked sweep for every upper
 * channel. Only `swept` of these are computed; their time is scaled to all channels. */
struct bench_far {
    char name[FLOWS_NAME];
    size_t sweeps, channels, swept;
    double seconds, single_seconds;
    double error; /* largest difference of the two, divided by the largest |value| of the row */
};

/* The run's measure must keep images, and its first block must have an image that is OK. */
enum status bench_far(struct bench_far *out, struct run_work *work, struct error *err);

/* ---- all of it ------------------------------------------------------------------------------------------------- */

struct bench_results {
    struct network net;
    char composite[BENCH_NAME];
    double floor; /* floating-point operations of one image by direct convolution */
    size_t ranks, block;
    const char *blas_core, *isa;
    struct bench_machine machine;
    struct bench_layer layers[NETWORK_MAX_LINKS];
    size_t variants; /* the first of enum bench_variant */
    struct bench_image images[BENCH_VARIANTS];
    struct bench_store store; /* with all variants only */
    bool has_far;
    struct bench_far far;
    double epoch; /* seconds between two stores */
};

enum status bench_measure(struct bench_results *out, const struct bench_options *options, const struct node *node,
                          struct log *log, struct error *err);

void bench_print(const struct bench_results *results);

/* Returns false if standard output cannot be written. */
bool bench_print_json(const struct bench_results *results);

#endif
