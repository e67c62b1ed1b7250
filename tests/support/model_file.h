/* A model for tests: network, weights and one image's worth of helpers, read through the program's own reader. */
#ifndef NRMFLOW_TESTS_SUPPORT_MODEL_FILE_H
#define NRMFLOW_TESTS_SUPPORT_MODEL_FILE_H

#include "kernels/base/network.h"

struct loaded_model {
    struct network net;
    float *weights;
};

/* Read a file of weights or an ONNX graph; ends the program if it cannot. */
void model_file_read(struct loaded_model *model, const char *path);

void model_file_free(struct loaded_model *model);

#endif
