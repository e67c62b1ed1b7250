/* Patterns of glob(7) with braces, as WebDataset and shells write them: t-{000..146}.tar, {train,val}/t-?.tar. */
#ifndef NRMFLOW_IO_DATASET_BRACES_H
#define NRMFLOW_IO_DATASET_BRACES_H

#include "io/base/error.h"

#include <glob.h>

/* The files that a pattern names.
 *
 *   found    out  caller calls globfree, also after a failure; in the order of the braces
 *   pattern  in   {A..B} is every number from A to B, with as many digits as the longer one if one begins with 0;
 *                 {X,Y} is each of the words; `\{` is a brace
 * Errors: FAIL_CONFIG for braces within braces, FAIL_SYSTEM if there is no file, or none for one of the numbers or
 * words: the message names it; FAIL_LIMIT. */
enum status dataset_braces_glob(glob_t *found, const char *pattern, struct error *err);

/* The pattern of a folder's tar files, with special characters of its name escaped.
 *
 *   out  out  [DATASET_PATH]
 * Errors: FAIL_LIMIT. */
enum status dataset_braces_tars(char *out, const char *folder, struct error *err);

#endif
