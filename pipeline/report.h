/* A report: one HTML page that shows what is in a store, and needs nothing else. Not collective. */
#ifndef NRMFLOW_REPORT_H
#define NRMFLOW_REPORT_H

#include "error.h"

#include <stddef.h>

struct report_options {
    const char *store;  /* path */
    const char *output; /* path of the page; replaced if it is there */
};

/* Write a report.
 *
 *   nbytes  out  size of the page
 * Errors: FAIL_UNSUPPORTED if the program was built without the page; as store_open_read, store_read_*, page_create. */
enum status report_write(size_t *nbytes, const struct report_options *options, struct error *err);

#endif
