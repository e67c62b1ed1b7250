/* The numbers of layers and flows in a report, as arrays of the page. Not collective.
 *
 * Arrays have the store's names, such as "layers/conv5_3/mean". Numbers per channel are float32. Matrices are the
 * largest arrays, so they keep 11 bits of fraction (2.4e-4), and their standard errors 7. Along an axis with more than
 * REPORT_MOST_CHANNELS channels only those of largest absolute relevance are kept; the array's entry lists them.
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

/* Statistics of all layers. Errors: as store_read_* and html_page_add_*. */
enum status report_arrays_layers(const struct report_arrays *arrays, const struct summary *summary, struct error *err);

/* Matrices of all pairs, and those of the first *nclasses classes. Sets *nclasses to fewer if all would be too large
 * for a page. Errors: as above. */
enum status report_arrays_flows(const struct report_arrays *arrays, const struct summary *summary, size_t *nclasses,
                                struct error *err);

/* Add an array that is not in the store: bytes, or numbers [dims[0]]...[dims[ndim-1]]. */
enum status report_arrays_bytes(const struct report_arrays *arrays, const char *name, const unsigned char *bytes,
                                size_t count, struct error *err);
enum status report_arrays_real(const struct report_arrays *arrays, const char *name, const double *values, size_t ndim,
                               const size_t *dims, struct error *err);

#endif
