/* A report: one self-contained HTML page that shows a store. One rank; `node` and `log` are only needed for images. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_H

#include "pipeline/analysis/report_images.h"

#include <stddef.h>

struct report_options {
    const char *store;           /* path */
    const char *output;          /* path of the page; replaced if it is there */
    struct config_source images; /* of the configuration of the images; without a path: no images */
    const char *evaluation;      /* path of an evaluation of the store's model; NULL: none */
};

/* Write a report.
 *
 *   nbytes  out  size of the page
 * Errors: FAIL_UNSUPPORTED if the program was built without the page; as store_open_read, store_read_*,
 * html_page_create, report_images_add,
 * report_evaluation_add. */
enum status report_write(size_t *nbytes, const struct report_options *options, const struct node *node, struct log *log,
                         struct error *err);

#endif
