/* `nrmflow bench`: its measurements and their results. All ranks measure at the same time. A time is the median over
 * repeats, of the slowest rank. Ratios are of times that were measured one after the other: on a machine with
 * neighbours, speed changes within a minute. All functions are collective over the node's world.
 */
#ifndef NRMFLOW_PIPELINE_BENCH_BENCH_H
#define NRMFLOW_PIPELINE_BENCH_BENCH_H

#include "pipeline/bench/timing.h"
#include "pipeline/run/work.h"
#include "pipeline/stats/flows.h"
#include "pipeline/util/option.h"

enum { BENCH_MAX_REPEATS = 101, BENCH_MAX_PEAKS = 4, BENCH_NAME = 64 };

/* Variants of whole images; the others are compared with the first. */
enum bench_variant { BENCH_PLAIN, BENCH_FLOWS, BENCH_INPUT, BENCH_INPUT_FLOWS, BENCH_VARIANTS };

/* Rounds of the first variant: one more than of each of the others. */
enum { BENCH_MAX_ROUNDS = (BENCH_VARIANTS - 1) * (BENCH_MAX_REPEATS + 1) };

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
    double peak; /* of the instruction set that counts */
    size_t nproducts;
    struct bench_product products[NETWORK_MAX_LINKS];
    double product; /* a second, over all products */
};

/*   isa  in  the instruction set whose peak counts */
enum status bench_machine(struct bench_machine *out, const struct network *net, const char *isa, size_t repeats,
                          const struct node *node, struct error *err);

/* Floating-point operations a second in multiply-adds of an instruction set, now; 0 if there is none of this name. It
 * takes about 0.05 s. */
double bench_peak(const char *isa, const struct node *node);

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

struct bench_variant_settings {
    const char *name, *given, *flows;
};

extern const struct bench_variant_settings bench_variants[BENCH_VARIANTS];

/* Seconds for one image of a block, all stages included. */
struct bench_round {
    double total, stages[BLOCK_STAGES];
    double load;  /* reading and decoding, in either thread; STAGE_DECODE is only the time that the rank waits for it */
    double cpu;   /* processor time of all threads; less than the total if other programs had the core */
    double peak;  /* operations a second: mean of before and after, by the instruction set in force */
    double ratio; /* total over that of the first variant: mean of the rounds before and after; 0 for itself */
};

struct bench_image {
    size_t nrounds;
    struct bench_round rounds[BENCH_MAX_ROUNDS];
    struct bench_round median; /* of each member */
    struct bench_spread more;  /* ratio - 1; zero for the first variant */
    size_t rank_bytes, shared_bytes;
};

/* The end of an epoch. */
struct bench_store {
    double seconds;
    double bytes;
};

/* Compute one block, so that memory and caches are as in a run. */
enum status bench_warm(struct run_work *work, struct error *err);

/* Append rounds of the first variant and of another one, alternately: first, other, first, ..., other, first, with
 * `repeats` of the other, or fewer if they take long. Without another one (NULL): `repeats` of the first. */
enum status bench_alternate(struct bench_image *first, struct run_work *first_work, struct bench_image *other,
                            struct run_work *other_work, size_t repeats, struct error *err);

/* Set medians and spread from the rounds. */
void bench_image_finish(struct bench_image *image);

/* Spread of floor over own time, each round at its own peak.
 *
 *   floor  in  floating-point operations of one image by direct convolution */
struct bench_spread bench_floor_ratio(const struct bench_image *image, double floor);

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
/* Whether the network has both; FAIL_CONFIG names what is missing. */
enum status bench_far_check(const struct network *net, struct error *err);
enum status bench_far(struct bench_far *out, struct run_work *work, struct error *err);

/* ---- all of it ------------------------------------------------------------------------------------------------- */

struct bench_results {
    struct network net;
    char composite[BENCH_NAME];
    double floor; /* floating-point operations of one image by direct convolution */
    size_t ranks, block;
    const char *blas_core, *isa, *peak_isa; /* peak_isa: whose peak the floor is at */
    struct bench_machine machine;
    struct bench_layer layers[NETWORK_MAX_LINKS];
    size_t variants; /* the first of enum bench_variant */
    struct bench_image images[BENCH_VARIANTS];
    struct bench_spread floor_ratio; /* 1: the time that direct convolution would take at the peak */
    struct bench_store store;        /* with all variants only */
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
