/* The names of the network's classes. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_CLASS_NAMES_H
#define NRMFLOW_PIPELINE_RUN_CLASS_NAMES_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "pipeline/config/config.h"

#include <stddef.h>

/* Load the names from the user's file (model.classes); without one take the dataset's names if it has as many classes
 * as the network, else the classes' numbers.
 *
 *   names  out  [classes]; caller frees with class_names_free, also after a failure
 * Errors: FAIL_FORMAT (a line that is no name), FAIL_SYSTEM. */
enum status class_names_load(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct error *err);

/* NULL is fine. */
void class_names_free(char **names, size_t classes);

#endif
