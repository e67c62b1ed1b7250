/* Compare a store with the table of fields (store.h): unknown and missing datasets, types, axes, units, descriptions,
 * scales, and the NeXus attributes that viewers use. Values are not checked.
 *
 * Works on files of any origin, as reading does. Two attributes are in heaps without checksums: the labels of axes and
 * a dataset's list of scales. Only their type and shape are checked, and the scales' own lists of datasets are read.
 * The scales of stores of version 1 are not checked.
 */
#ifndef NRMFLOW_IO_STORE_CHECK_H
#define NRMFLOW_IO_STORE_CHECK_H

#include "io/store/store.h"

/* One difference from the table. */
struct store_problem {
    char *place; /* "/layers/conv1_1/mean" */
    char *what;  /* "has the type float32, not float64" */
};

enum { STORE_MOST_PROBLEMS = 1000 };

struct store_problems {
    size_t count, capacity;
    struct store_problem *items; /* [count] at most STORE_MOST_PROBLEMS */
    size_t left_out;             /* found, but not kept */
    size_t datasets;             /* checked */
    bool unreadable;             /* readers would fail: something is missing or has another type or shape */
    bool no_memory;
};

/* Add a problem. Running out of memory sets problems->no_memory.
 *
 *   path    in  without the first slash; "" for the root
 *   format  in  continues the sentence that begins with the path */
void store_problem_add(struct store_problems *problems, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void store_problems_free(struct store_problems *problems);

/* Compare a store with the table.
 *
 *   problems  in/out  the problems found are added; caller frees, also after a failure
 * Errors: FAIL_RESOURCE without memory; FAIL_FORMAT if HDF5 crashes on the file. A problem is not an error. */
enum status store_check(struct store_problems *problems, const struct store_reader *reader, struct error *err);

#endif
