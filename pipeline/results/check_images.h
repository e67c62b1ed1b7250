/* Checks the rows of a store's images: status, prediction, ledger, condition. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_IMAGES_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_IMAGES_H

#include "pipeline/results/check_context.h"

/* Sets images, status, class, ok, given, given_mean, and the layers' mass and variation. Errors as check_context.h. */
enum status check_images(struct check *c);

#endif
