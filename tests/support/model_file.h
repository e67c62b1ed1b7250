/* A model for tests: network, weights and one image's worth of helpers, read through the program's own reader. */
#ifndef NRMFLOW_TESTS_SUPPORT_MODEL_FILE_H
#define NRMFLOW_TESTS_SUPPORT_MODEL_FILE_H

#include "kernels/base/network.h"

struct model_file {
    struct network net;
    float *weights;
};

/* Read a weights file; ends the program if it cannot. */
void model_file_read(struct model_file *model, const char *path);

void model_file_free(struct model_file *model);

#endif
