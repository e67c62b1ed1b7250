/* Whether a file is a store as the table of fields says (store.h): what is in it, what is missing, types, axes, units,
 * descriptions, scales, and the NeXus attributes that viewers go by. Nothing here looks at numbers.
 *
 * Works on files of any origin, as reading does. Of attributes that HDF5 keeps in heaps without checksums, labels of axes
 * and a dataset's list of scales, type and shape are looked at; the scales' own lists of datasets are read.
 */
#ifndef NRMFLOW_IO_STORE_CHECK_H
#define NRMFLOW_IO_STORE_CHECK_H

#include "io/store/store.h"

/* One thing that is wrong. */
struct store_problem {
    char *place; /* "/layers/conv1_1/mean" */
    char *what;  /* "has the type float32, not float64" */
};

enum { STORE_MOST_PROBLEMS = 1000 };

struct store_problems {
    size_t count, capacity;
    struct store_problem *items; /* [count] at most STORE_MOST_PROBLEMS */
    size_t left_out;             /* found, but not kept */
    size_t datasets;             /* looked at */
    bool unreadable;             /* something is missing or has another type or shape, so that readers would fail */
    bool no_memory;
};

/* Keep a problem. A lack of memory is remembered in `problems`.
 *
 *   path    in  without the first slash; "" for the root
 *   format  in  goes on after the path */
void store_problem_add(struct store_problems *problems, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void store_problems_free(struct store_problems *problems);
/* Compare a store with the table.
 *
 *   problems  in/out  gets what is wrong; caller frees, also after a failure
 * Errors: FAIL_RESOURCE without memory; FAIL_FORMAT if HDF5 ends over the file. What is wrong otherwise is no error. */
enum status store_check(struct store_problems *problems, const struct store_reader *reader, struct error *err);

#endif
