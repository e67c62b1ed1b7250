/* Checks the rows of a store's images: status, prediction, ledger, condition. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_IMAGES_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_IMAGES_H

#include "pipeline/results/check_context.h"

/* Errors as check_context.h. Sets images, status, class, ok, given and given_mean, and the layers' mass and variation. */
enum status check_images(struct check *c);

#endif
