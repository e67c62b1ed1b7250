/* The description of the model that Keras' save() puts into the attribute `model_config`; private to keras*.c. */
#ifndef NRMFLOW_IO_WEIGHTS_KERAS_CONFIG_H
#define NRMFLOW_IO_WEIGHTS_KERAS_CONFIG_H

#include "io/weights/internal.h"

struct weights_keras_config;

/* Parse a description.
 *
 *   out   out  caller frees it with weights_keras_config_free
 *   text  in   JSON
 *   path  in   the file, for messages
 * Errors: FAIL_FORMAT if it is not a description of a model; FAIL_UNSUPPORTED if the model is not what weights_load
 * makes of the weights: layers of other classes than a VGG's, other paddings, activations or orders. */
enum status weights_keras_config_parse(struct weights_keras_config **out, const char *text, const char *path,
                                       struct error *err);

/* The epsilon of the BatchNorm whose layer's name is a part of this tensor's name; 0 if there is none. */
double weights_keras_config_epsilon(const struct weights_keras_config *config, const char *tensor);

/* NULL is fine. */
void weights_keras_config_free(struct weights_keras_config *config);

#endif
