#include "tests/support/model_file.h"

#include "io/weights/weights.h"
#include "kernels/base/network_vgg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void require(bool good, const char *message)
{
    if (!good) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
}

void model_file_read(struct model_file *model, const char *path)
{
    struct network_layer layers[WEIGHTS_MAX_LAYERS];
    struct weights *w;
    struct error err = {0};
    char message[256] = "";

    require(weights_open(&w, path, &err) == OK, err.message);
    for (size_t i = 0; i < weights_nlayers(w); i++) {
        const struct weights_layer *l = &weights_layers(w)[i];
        layers[i] = (struct network_layer){l->convolution, l->out, l->in, l->weight, l->bias};
    }
    require(network_vgg_init(&model->net, message, sizeof message, layers, weights_nlayers(w)), message);
    model->weights = calloc(weights_floats(w), sizeof *model->weights);
    require(weights_load(model->weights, w, &err) == OK, err.message);
    weights_close(w);
}

void model_file_free(struct model_file *model)
{
    free(model->weights);
    model->weights = NULL;
}
