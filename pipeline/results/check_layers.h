/* Checks the statistics of a store's layers. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CHECK_LAYERS_H
#define NRMFLOW_PIPELINE_RESULTS_CHECK_LAYERS_H

#include "pipeline/results/check_context.h"

/* Errors as check_context.h. The rows of images have been checked. Sets the layer's mean. */
enum status check_layer(struct check *c, struct check_layer *layer);

#endif
