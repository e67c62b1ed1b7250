/* Statistics over images: which sums a run keeps, how an image adds to them, what they mean in the end.
 *
 * Let x be a channel's relevance (or a flow's entry) of one image and y the mass of its condition (1 without one). Kept are
 * the sums of x, x^2, x y, y and y^2; the mean of the population is the ratio r = sum x / sum y, with
 *
 *     se^2 = (s_x^2 - 2 r s_xy + r^2 s_y^2) / (n mean(y)^2)
 *
 * Images add to them through the sums of their block (stats/block_sums.h). Images that failed, exploded or are undefined add nothing.
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
    size_t blocks, block; /* of the whole run, and images in one: the ranges of the exact sums */
    size_t classes;       /* of the network; 0: no sums by class */
    struct statistics_classes class_means, class_flows; /* which have means, and flows, of their own */
    size_t top;                                         /* length of the RelMax and ActMax lists */
    size_t bins;                                        /* of the histograms, even; 0: none */
    bool maps[NETWORK_MAX_VARIABLES];                   /* variables with a mean map of neurons */
    const struct flows *flows;                          /* borrowed; NULL: no far pairs */
};

/* Sections of one far pair. Rows of sampled pairs add J / pi where drawn, nothing elsewhere. */
struct statistics_far {
    size_t flow, square, product; /* per entry; product only under a condition */
    size_t error;                 /* per entry of a sampled pair: J^2 (1 - pi) / pi^2 */
    size_t lost, left_out;        /* per upper channel of an exact pair; left_out only with chosen rows */
    size_t draws;                 /* per upper channel: rows computed; not of exact pairs with all rows */
    size_t chances;               /* per upper channel of a sampled pair: draws with pi < 1 */
    size_t class_flow, class_square, class_product; /* per row of class_flows and entry of an exact pair */
};

/* Numbers of the sections in the plan of sums. Per channel sections hold the channels of all variables, in order. */
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

/* Plan the sums of a run. Errors: FAIL_LIMIT if images x limit^2 exceeds the range of the exact sums, or memory. The plan
 * borrows `measure`; caller frees with statistics_free, also after a failure. */
enum status statistics_init(struct statistics *s, const struct measure_plan *measure,
                            const struct statistics_options *options, struct error *err);

void statistics_free(struct statistics *s);

/* Number of channels of all variables together; entries of link k's flow matrix, and of a far pair's; number of far pairs;
 * whether means are conditioned. */
size_t statistics_channels(const struct statistics *s);
size_t statistics_flow_entries(const struct statistics *s, size_t k);
size_t statistics_far_entries(const struct statistics *s, struct far_pair pair);
size_t statistics_far_pairs(const struct statistics *s);
bool statistics_conditioned(const struct statistics *s);

/* Place of a class among those, their count if it is none of them; and the class at a place. */
size_t statistics_class_row(const struct statistics_classes *classes, size_t class);
size_t statistics_class_at(const struct statistics_classes *classes, size_t row);

/* The histogram's bin of a value. */
size_t statistics_bin(double x, size_t bins);

/* The edges of the histograms, [bins + 1], zero in the middle: 0, 1e-6, ..., 10 growing by a constant factor, and their
 * negatives. Values beyond the outer edges count in the outermost bins. */
void statistics_edges(double *edges, size_t bins);

#endif
