/* Statistics over images: which sums a run keeps.
 *
 * Let x be a channel's relevance (or a flow's entry) of one image and y the mass of its condition (1 without one). A
 * run keeps the sums of x, x^2, x y, y and y^2. The mean over the images is the ratio r = sum x / sum y, with the
 * standard error
 *
 *     se^2 = (s_x^2 - 2 r s_xy + r^2 s_y^2) / (n mean(y)^2)
 *
 * Images that failed, exploded or are undefined add nothing. docs/explanation/reading-results.md explains the numbers,
 * docs/explanation/exact-sums.md how they are added.
 *
 * The sums are sections of one plan (sums.h):
 *
 *     sections                            one sum for each                       kind          added
 *     images, given, given_square         run                                    n, y, y^2     by block
 *     x, square, product                  channel                                x, x^2, x y   by block
 *     positive, negative                  channel                                x > 0, x < 0  by block
 *     highest, lowest                     channel                                maxima        by block
 *     map                                 neuron of a variable in store.maps     x             by block
 *     flow, flow_square, flow_product     entry of an adjacent pair's matrix     x, x^2, x y   by block
 *     to_bias, absorbed                   upper channel of an adjacent pair      x             by block
 *     far.flow, .square, .product         entry of an exact far pair's matrix    x, x^2, x y   by block
 *     far.lost, .left_out, .draws         upper channel of an exact far pair     x, x, n       by block
 *     far.flow, .square, .product, .error entry of a sampled far pair's matrix   x, x^2, x y   by image
 *     far.draws, .chances                 upper channel of a sampled far pair    n             by image
 *     histogram                           channel and bin                        n             by image
 *     top, active                         channel: a list                        top list      by image
 *     class_images, _given, _given_square class of the network                   n, y, y^2     by image
 *     class_x, _square, _product          class with means, and channel          x, x^2, x y   by image
 *     class_flow, _flow_square, ...       class with flows, and entry of a pair  x, x^2, x y   by image
 *
 * "By block" means through block_sums.h at the end of a block, "by image" directly. Sums of x y are there only under a
 * condition, except those of channels. The sections of a pair exist only if the run computes the pair.
 */
#ifndef NRMFLOW_PIPELINE_STATS_STATISTICS_H
#define NRMFLOW_PIPELINE_STATS_STATISTICS_H

#include "io/base/error.h"
#include "kernels/measure/measure.h"
#include "pipeline/stats/flows.h"
#include "pipeline/stats/sums.h"

/* Classes of the network, ascending. */
struct statistics_classes {
    size_t count;
    const size_t *items; /* [count] borrowed; NULL: 0 .. count - 1 */
};

struct statistics_options {
    size_t blocks, block; /* of the whole run, and images of one; the range of the exact sums follows from them */
    size_t classes;       /* of the network; 0: no sums by class */
    struct statistics_classes class_means, class_flows; /* classes with means, and with flows, of their own */
    size_t top;                                         /* length of the RelMax and ActMax lists */
    size_t bins;                                        /* of the histograms, even; 0: none */
    bool maps[NETWORK_MAX_VARIABLES];                   /* variables with a mean map of neurons */
    const struct flows *flows;                          /* borrowed; NULL: no far pairs */
};

/* Sections of one far pair. A drawn row of a sampled pair adds J / pi, any other row nothing. */
struct statistics_far {
    size_t flow, square, product; /* per entry */
    size_t error;                 /* per entry of a sampled pair: J^2 (1 - pi) / pi^2 */
    size_t lost, left_out;        /* per upper channel of an exact pair; left_out only with the top rows alone */
    size_t draws;                 /* per upper channel: rows computed; not for exact pairs with all rows */
    size_t chances;               /* per upper channel of a sampled pair: draws with pi < 1 */
    size_t class_flow, class_square, class_product; /* per row of class_flows and entry of an exact pair */
};

/* Each member without another comment is the number of a section of `plan`. Sections per channel hold the channels of
 * all variables, in order. */
struct statistics {
    const struct measure_plan *measure; /* borrowed */
    struct statistics_options options;
    struct sums_plan plan;
    size_t images, given, given_square;                   /* n, sum y, sum y^2: one each */
    size_t x, square, product, positive, negative;        /* per channel */
    size_t histogram;                                     /* per channel and bin */
    size_t highest, lowest;                               /* per channel; the maximum of x and of -x */
    size_t top, active;                                   /* top lists per channel */
    size_t class_images, class_given, class_given_square; /* per class of the network */
    size_t class_x, class_square, class_product;          /* per class with means and channel */
    size_t map[NETWORK_MAX_VARIABLES];                    /* per neuron */
    size_t flow[NETWORK_MAX_LINKS], flow_square[NETWORK_MAX_LINKS], flow_product[NETWORK_MAX_LINKS]; /* per entry */
    /* per class with flows and entry */
    size_t class_flow[NETWORK_MAX_LINKS], class_flow_square[NETWORK_MAX_LINKS], class_flow_product[NETWORK_MAX_LINKS];
    size_t to_bias[NETWORK_MAX_LINKS], absorbed[NETWORK_MAX_LINKS]; /* per upper channel */
    struct statistics_far far[FLOWS_MAX];                           /* of options.flows */
};

/* Plan the sums of a run. Errors: FAIL_LIMIT if images x limit^2 exceeds the range of the exact sums, or memory. The
 * plan borrows `measure`; caller frees with statistics_free, also after a failure. */
enum status statistics_init(struct statistics *s, const struct measure_plan *measure,
                            const struct statistics_options *options, struct error *err);

void statistics_free(struct statistics *s);

/* Channels of all variables together; entries of link k's flow matrix, and of a far pair's; number of far pairs;
 * whether the run has a condition. */
size_t statistics_channels(const struct statistics *s);
size_t statistics_flow_entries(const struct statistics *s, size_t k);
size_t statistics_far_entries(const struct statistics *s, struct far_pair pair);
size_t statistics_far_pairs(const struct statistics *s);
bool statistics_conditioned(const struct statistics *s);

/* A class's row among these classes, their count if it is none of them; and the class of a row. */
size_t statistics_class_row(const struct statistics_classes *classes, size_t class);
size_t statistics_class_at(const struct statistics_classes *classes, size_t row);

/* The histogram's bin of a value. */
size_t statistics_bin(double x, size_t bins);

/* The edges of the histograms, [bins + 1], zero in the middle: 0, 1e-6, ..., 10 growing by a constant factor, and their
 * negatives. Values beyond the outer edges count in the outermost bins. */
void statistics_edges(double *edges, size_t bins);

#endif
