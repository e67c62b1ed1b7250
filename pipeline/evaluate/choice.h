/* Options that are lists of names of a table: "relevance,gradient". */
#ifndef NRMFLOW_PIPELINE_EVALUATE_CHOICE_H
#define NRMFLOW_PIPELINE_EVALUATE_CHOICE_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHOICE_NAME = 64 };

/* Name i of a list; false after the last. `name` gets at most CHOICE_NAME - 1 bytes. */
bool choice_name(char name[CHOICE_NAME], const char *list, size_t i);

/* FAIL_CONFIG: `option` has no such name; says the nearest of the names [n], or all of them. NULL entries are left out.
 */
enum status choice_unknown(const char *option, const char *name, const char *const *names, size_t n, struct error *err);

#endif
