/* The names of the network's classes, which are its outputs, and whether the dataset's labels are these classes. Not
 * collective. */
#ifndef NRMFLOW_PIPELINE_RUN_CLASS_NAMES_H
#define NRMFLOW_PIPELINE_RUN_CLASS_NAMES_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "pipeline/config/config.h"
#include "pipeline/util/log.h"

#include <stddef.h>

/* Load the names from the user's file (model.classes), which must have one for every class; without a file take the
 * names of the dataset's folders if there are as many as classes, and say so, else the classes' numbers.
 *
 *   names  out  [classes]; caller frees with class_names_free, also after a failure
 * Errors: FAIL_CONFIG (another number of names), FAIL_FORMAT (see class_list_read), FAIL_SYSTEM. */
enum status class_names_load(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct log *log, struct error *err);

/* Warn, with numbers, if the dataset's labels cannot be the network's classes: labels beyond the last class, another
 * number of class folders than classes, or folders in another order than the names. */
void class_names_check_labels(char *const *names, size_t classes, const struct dataset_listing *listing,
                              struct log *log);

/* NULL is fine. */
void class_names_free(char **names, size_t classes);

#endif
