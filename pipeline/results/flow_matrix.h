/* The flow of a store's pair of layers as a matrix [upper][lower], also where it is stored as a vector: of a diagonal
 * flow, such as that of an add's branch, every upper channel has at most one lower channel. Not collective; reads on
 * the calling rank. */
#ifndef NRMFLOW_PIPELINE_RESULTS_FLOW_MATRIX_H
#define NRMFLOW_PIPELINE_RESULTS_FLOW_MATRIX_H

#include "io/base/error.h"
#include "io/store/store.h"

#include <stdbool.h>
#include <stddef.h>

enum { FLOW_MATRIX_GROUP = 320, FLOW_MATRIX_MOST = 1 << 20 /* channels */ };

struct flow_matrix {
    const struct store_reader *reader; /* borrowed */
    char group[FLOW_MATRIX_GROUP];     /* "flows/conv1_1-conv1_2" */
    size_t upper, lower;               /* channels */
    int64_t *diagonal;                 /* [upper] the lower channel of each, -1 for none; owned; NULL: a matrix */
};

/* Find the form of a pair's flow, which is in the store. Caller frees with flow_matrix_free, also after a failure.
 * Errors: FAIL_FORMAT if its shape is none of a flow, else as store_shape and store_read_int. */
enum status flow_matrix_open(struct flow_matrix *flow, const struct store_reader *reader, const char *pair,
                             struct error *err);

void flow_matrix_free(struct flow_matrix *flow);

/* Whether the store has numbers of this name: mean, std_error, class_mean, class_std_error, sampling_error. */
bool flow_matrix_has(const struct flow_matrix *flow, const char *name);

/* Rows first .. first + n - 1 of mean, std_error or sampling_error.
 *
 *   out  out  [n][lower] zero where a diagonal flow has nothing */
enum status flow_matrix_rows(double *out, const struct flow_matrix *flow, const char *name, size_t first, size_t n,
                             struct error *err);

/* The whole matrix of a class, by its row in the flows by class: class_mean or class_std_error.
 *
 *   out  out  [upper][lower] */
enum status flow_matrix_class(double *out, const struct flow_matrix *flow, const char *name, size_t row,
                              struct error *err);

#endif
