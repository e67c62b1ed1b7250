/* What of a store goes into a report: the numbers of layers and flows, as arrays of a page. Not collective.
 *
 * Arrays have the store's own names, "layers/conv5_3/mean". Columns of a channel are kept as float32. Matrices, which
 * take the room, keep 11 bits of fraction (2.4e-4), their standard errors 7, and of more than REPORT_MOST_CHANNELS
 * channels along an axis only those of largest absolute relevance; then the array says which.
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_ARRAYS_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_ARRAYS_H

#include "io/export/html_page.h"
#include "io/store/store.h"
#include "pipeline/results/summary.h"

#include <jansson.h>

enum { REPORT_MOST_CHANNELS = 512 };

struct report_arrays {
    struct html_page *page;            /* borrowed */
    const struct store_reader *reader; /* borrowed */
    const char *path;                  /* of the store; borrowed */
    json_t *json;                      /* borrowed: gets {name: {offset, type, shape}} */
};

/* Statistics of all layers. Errors: as store_read_* and page_add_*. */
enum status report_arrays_layers(const struct report_arrays *arrays, const struct summary *summary, struct error *err);

/* Matrices of all pairs, and those of the first *nclasses classes, which becomes less where they would take too much
 * room. Errors: as above. */
enum status report_arrays_flows(const struct report_arrays *arrays, const struct summary *summary, size_t *nclasses,
                                struct error *err);

/* Add an array that is in no store: bytes, or numbers [dims[0]]...[dims[ndim-1]]. */
enum status report_arrays_bytes(const struct report_arrays *arrays, const char *name, const unsigned char *bytes,
                                size_t count, struct error *err);
enum status report_arrays_real(const struct report_arrays *arrays, const char *name, const double *values, size_t ndim,
                               const size_t *dims, struct error *err);

#endif
