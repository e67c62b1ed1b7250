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
 * Almost all are moments (moments.h). The table in statistics.c has a row for each kind: what it is of, its entries,
 * which sums are kept, and the datasets of the store that are computed from them. Planning, adding, committing and
 * writing follow from the rows. Besides, channels have extremes, a histogram and top lists.
 *
 * Kinds of the first scopes are added through the sums of a block, those from STATISTICS_AT_ONCE on image by image. The
 * sections of a pair exist only if the run computes the pair.
 */
#ifndef NRMFLOW_PIPELINE_STATS_STATISTICS_H
#define NRMFLOW_PIPELINE_STATS_STATISTICS_H

#include "io/base/error.h"
#include "kernels/measure/measure.h"
#include "pipeline/stats/columns.h"
#include "pipeline/stats/flows.h"
#include "pipeline/stats/moments.h"
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
    bool left_out[NETWORK_MAX_VARIABLES];               /* variables without statistics of their channels */
    bool maps[NETWORK_MAX_VARIABLES];                   /* variables with a mean map of neurons */
    const struct flows *flows;                          /* borrowed; NULL: no flows */
    size_t most_in_block; /* entries of adjacent flows that have sums of a block; if there are more, all are added by
                             rows and image by image, as a rank would need too much memory for their sums */
};

/* What a kind of statistics is of: it has one for every variable, link or pair, or only one. */
enum statistics_scope {
    OF_RUN,
    OF_CHANNELS,   /* of all variables, in order */
    OF_FUNCTION,   /* of their relevance: one for every row of store_functions */
    OF_ACTIVATION, /* of the channels, too */
    OF_VARIABLE,   /* one with a mean map */
    OF_ADJACENT,   /* an adjacent pair */
    OF_PAIR,       /* an exact far pair */
    /* added to the node's sums at once, since sums of a block would be too large: */
    OF_CLASSES,
    STATISTICS_AT_ONCE = OF_CLASSES,
    OF_CLASS_ADJACENT,
    OF_CLASS_PAIR,
    OF_SAMPLED, /* a sampled far pair */
    STATISTICS_SCOPES
};

/* Everything that is kept as moments: rows of the table in statistics.c, in the order of their scopes. A new one has a
 * line here and a row there. */
enum statistics_id {
    STATISTICS_IMAGES, /* n */
    STATISTICS_GIVEN,  /* y itself */
    STATISTICS_RELEVANCE,
    STATISTICS_FUNCTION,
    STATISTICS_ACTIVATION, /* the channel's mean activation, of all images alike: without y */
    STATISTICS_MAP,
    STATISTICS_FLOW,
    STATISTICS_TO_BIAS,
    STATISTICS_ABSORBED,
    STATISTICS_FAR,
    STATISTICS_LOST,
    STATISTICS_LEFT_OUT, /* only with the top rows alone, as the next */
    STATISTICS_DRAWS,    /* rows computed */
    STATISTICS_AROUND,   /* only where walks go around the upper variable */
    STATISTICS_CLASS_IMAGES,
    STATISTICS_CLASS_GIVEN,
    STATISTICS_CLASS_RELEVANCE,
    STATISTICS_CLASS_FLOW,
    STATISTICS_CLASS_FAR,
    STATISTICS_SAMPLED,       /* J / pi where drawn, nothing elsewhere */
    STATISTICS_SAMPLED_ERROR, /* J^2 (1 - pi) / pi^2 */
    STATISTICS_SAMPLED_DRAWS, /* rows computed */
    STATISTICS_CHANCES,       /* those with pi < 1 */
    STATISTICS_KINDS
};

/* Entries of a statistic. */
enum statistics_shape {
    SHAPE_ONE,
    SHAPE_CLASS,         /* [classes of the network] */
    SHAPE_CHANNEL,       /* [channels of all variables with statistics] */
    SHAPE_CLASS_CHANNEL, /* [classes with means][channels of all variables with statistics] */
    SHAPE_NEURON,        /* [neurons of the variable] */
    SHAPE_UPPER,         /* [C_upper] */
    SHAPE_LOWER,         /* [C_lower] */
    SHAPE_FLOW,          /* [C_upper][C_lower], or [C_upper] of a diagonal pair */
    SHAPE_CLASS_FLOW     /* [classes with flows] of these */
};

/* A number of the store that is computed from moments. */
enum statistics_number {
    NUMBER_RATIO,   /* sum x / sum y, the ratio of the means */
    NUMBER_FLOAT,   /* the same in single precision */
    NUMBER_COUNT,   /* sum x, a whole number */
    NUMBER_AVERAGE, /* sum x / n, whatever the condition */
    NUMBER_MEAN,    /* of moments_ratio, as the next two */
    NUMBER_STD,
    NUMBER_STD_ERROR
};

struct statistics_dataset {
    const char *name; /* in the group of the layer or flow; NULL: none */
    enum statistics_number number;
};

enum { STATISTICS_DATASETS = 3 };

/* A row of the table. */
struct statistics_kind {
    enum statistics_scope scope;
    enum statistics_shape shape;
    const char *section; /* its name in messages; NULL: that of its function */
    enum moments_kept kept;
    int bits;         /* of sum x */
    bool conditional; /* no products without a condition, when they would be the sums */
    bool chosen;      /* only of pairs with the top rows alone */
    bool of_link;     /* only of the first of a link's pairs, for all of them */
    bool goes_around; /* only of pairs whose upper variable is no cut */
    struct statistics_dataset datasets[STATISTICS_DATASETS];
};

/* Plan of the sums. Sections lie in the order of the scopes, within one in that of its variables or pairs, and
 * then in that of the table's rows. */
struct statistics {
    const struct measure_plan *measure; /* borrowed */
    struct statistics_options options;
    struct sums_plan plan;
    size_t channel[NETWORK_MAX_VARIABLES + 1]; /* first channel of variable k; the last is their number */
    bool by_rows;                              /* adjacent flows have no sums of a block */
    struct columns *columns;                   /* [adjacent pairs] owned */
    struct moments *moments;                   /* owned */
    size_t first[STATISTICS_KINDS];            /* of a kind in it */
    size_t histogram;                          /* section, per channel and bin */
    size_t highest, lowest;                    /* sections, per channel; the maximum of x and of -x */
    size_t top, active;                        /* sections: lists per channel */
};

/* Plan the sums of a run. Errors: FAIL_LIMIT if images x limit^2 exceeds the range of the exact sums, or memory. The
 * plan borrows `measure`; caller frees with statistics_free, also after a failure. */
enum status statistics_init(struct statistics *s, const struct measure_plan *measure,
                            const struct statistics_options *options, struct error *err);

void statistics_free(struct statistics *s);

const struct statistics_kind *statistics_kind(enum statistics_id id);

/* Moments i of a kind: of variable or pair i; 0 for a kind that has only one. MOMENTS_NONE is kept of what the run does
 * not compute. */
const struct moments *statistics_moments(const struct statistics *s, enum statistics_id id, size_t i);

/* Keep nothing of a kind that has only one, as if the run did not compute it: its sums are not those of all images. */
void statistics_forget(struct statistics *s, enum statistics_id id);

/* Whether moments `at` of all have sums of a block; the others are added at once. */
bool statistics_in_block(const struct statistics *s, size_t at);

/* Number of all moments. */
size_t statistics_count(const struct statistics *s);

/* Channels of all variables with statistics together; entries of a far pair's flow matrix; numbers of adjacent and of
 * far pairs; the first of the adjacent pairs with pair i's link; whether the run has a condition. */
size_t statistics_channels(const struct statistics *s);
size_t statistics_far_entries(const struct statistics *s, struct far_pair pair);
size_t statistics_adjacent_pairs(const struct statistics *s);
size_t statistics_far_pairs(const struct statistics *s);
size_t statistics_first_of_link(const struct statistics *s, size_t i);
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
