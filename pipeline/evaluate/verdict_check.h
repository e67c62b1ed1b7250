/* Checks what an evaluation's file says in sentences against its figures. Not collective. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_VERDICT_CHECK_H
#define NRMFLOW_PIPELINE_EVALUATE_VERDICT_CHECK_H

#include "io/base/error.h"
#include "io/store/check.h"

/* Add a problem if the verdicts of the file are not those of its figures, which check_store compares with the images.
 * Files without verdicts of tests are fine. Errors: as store_open_read, store_list and store_read_real. */
enum status verdict_check(struct store_problems *problems, const char *path, struct error *err);

#endif
