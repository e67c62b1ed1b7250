/* A user's file of class names. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_CLASS_LIST_H
#define NRMFLOW_PIPELINE_RUN_CLASS_LIST_H

#include "io/base/error.h"

#include <stddef.h>

/* The names in a file: names[i] is that of class i. All zero is an empty list; end with class_list_free. */
struct class_list {
    char **names; /* [count] "" for a class without a name */
    size_t count;
};

/* Read a file of class names in UTF-8.
 *
 *   text  one name on each line; a byte-order mark, carriage returns, blanks at the end of a line and blank lines at
 *         the end of the file are no part of the names
 *   JSON  a list of names, of lists whose last item is the name, or of objects with `name` (and `index`); an object
 *         from numbers to such names, as Keras' class index, or from names to numbers, as torchvision's class_to_idx
 *
 * Caller frees with class_list_free, also after a failure. Errors: FAIL_FORMAT with the line, FAIL_LIMIT,
 * FAIL_SYSTEM. */
enum status class_list_read(struct class_list *out, const char *path, struct error *err);

void class_list_free(struct class_list *list);

#endif
