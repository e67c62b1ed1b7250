/* Ranges of numbers, as users write them: "0:100", "500:" or ":100". */
#ifndef NRMFLOW_PIPELINE_UTIL_RANGE_H
#define NRMFLOW_PIPELINE_UTIL_RANGE_H

#include "io/base/error.h"

#include <stddef.h>

/* first <= i < end; end is SIZE_MAX if the range is open, and 0 only where no range is given. */
struct range {
    size_t first, end;
};

/* Read a range; "" is that of all numbers. Errors: FAIL_CONFIG if it is none, or empty. */
enum status range_parse(struct range *out, const char *text, struct error *err);

#endif
