/* The classes of a store, and how two of them differ. Not collective; reads on the calling rank. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CLASSES_H
#define NRMFLOW_PIPELINE_RESULTS_CLASSES_H

#include "io/base/error.h"
#include "io/store/store.h"

#include <stdbool.h>
#include <stddef.h>

/* All classes of the network. Everything is owned; end with classes_free. */
struct classes {
    size_t count;
    char **names;                /* [count] */
    int64_t *images;             /* [count] number of images in the sums */
    double *given, *given_error; /* [count] mean mass of the condition and its standard error; NaN without images */
    bool conditioned;            /* the run has a condition, as far as the store says; if not, `given` is one */
};

/* Read the table of classes. Caller frees with classes_free, also after a failure.
 * Errors: FAIL_CONFIG if the store has no sums by class, else as store_read_*. */
enum status classes_read(struct classes *out, const struct store_reader *reader, const char *path, struct error *err);

void classes_free(struct classes *classes);

/* Find a class by "#number", by "name" in quotes, or by either as it is. Errors: FAIL_CONFIG suggesting the nearest
 * name; or if the text is the number of one class and the name of another, or the name of several, saying what to
 * write. */
enum status classes_find(size_t *class, const struct classes *classes, const char *text, struct error *err);

/* Whether the condition's mean mass in a class is within three standard errors of zero: its means are then
 * statistically unreliable. */
bool classes_weak(const struct classes *classes, size_t class);

/* Mean relevance of a channel (upper is unused), or of a pair of channels of a flow, in two classes, each relative to
 * the class's own condition. The classes have different images, so the variances of the two means add up. */
struct classes_difference {
    size_t upper, channel;
    double a, a_error, b, b_error;
    double difference, std_error; /* a - b; sqrt(a_error^2 + b_error^2) */
};

struct classes_differences {
    size_t count;
    struct classes_difference *items; /* [count] owned: free */
};

/* Compare all channels of a layer, or all pairs of a flow "conv4_3-conv5_1". Sorted by |difference|, largest first and
 * NaN last, then by channel. The caller frees out->items.
 * Errors: FAIL_CONFIG (the store has no such layer or flow, or it was not computed for one of the classes), else as
 * store_read_*. */
enum status classes_compare_layer(struct classes_differences *out, const struct store_reader *reader, const char *layer,
                                  size_t a, size_t b, struct error *err);
enum status classes_compare_flow(struct classes_differences *out, const struct store_reader *reader, const char *pair,
                                 size_t a, size_t b, struct error *err);

/* Row of a class in the flows by class. Errors: FAIL_CONFIG if it has none, naming the classes that have. */
enum status classes_flow_row(size_t *row, const struct store_reader *reader, size_t class, struct error *err);

#endif
