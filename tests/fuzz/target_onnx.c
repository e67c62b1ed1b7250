/* ONNX files: an error that names the file, or a graph that holds together and finite weights. */
#include "io/onnx/graph.h"
#include "tests/fuzz/targets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FLOATS = 1 << 22, SIDE = 16 };

/* Layers read only variables below them, and channels that are there. */
static void check_layer(const struct onnx_graph *g, size_t layer)
{
    const struct onnx_layer *l = &g->layers[layer];

    if (l->upper.channels == 0 || l->upper.height == 0 || l->upper.width == 0)
        fuzz_fail("an empty variable");
    if (l->ninputs == 0 || l->first_input + l->ninputs > g->ninputs || l->gate > layer)
        fuzz_fail("a layer that reads what is not there");
    for (size_t i = 0; i < l->ninputs; i++) {
        const struct onnx_input *input = &g->inputs[l->first_input + i];
        if (input->variable > layer)
            fuzz_fail("a layer that reads a variable above it");
        if (l->kind == ONNX_CHANNELS && input->lower + input->count > onnx_graph_shape(g, input->variable).channels)
            fuzz_fail("channels that are not there");
    }
}

static void load(const struct onnx_graph *g, size_t layer)
{
    size_t K = g->layers[layer].upper.channels, n = onnx_graph_weight_floats(g, layer);
    struct error err = {0};

    if (n == 0 || n > MAX_FLOATS)
        return;
    float *weight = malloc(n * sizeof *weight), *bias = malloc(K * sizeof *bias);
    if (weight && bias) {
        enum status rc = onnx_graph_load(weight, bias, g, layer, &err);
        fuzz_check(rc, &err);
        for (size_t i = 0; rc == OK && i < n; i++)
            if (!isfinite(weight[i]) || !isfinite(bias[i % K]))
                fuzz_fail("a weight that is not finite");
    }
    free(weight);
    free(bias);
}

void fuzz_onnx(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct onnx_graph *g = NULL;
    struct error err = {0};

    (void)bytes, (void)nbytes;
    enum status rc = onnx_graph_open(&g, path, SIDE, SIDE, &err);
    fuzz_check(rc, &err);
    if (rc != OK && !strstr(err.message, path))
        fuzz_fail("an error that does not name the file");
    for (size_t k = 0; rc == OK && k < g->nlayers; k++) {
        check_layer(g, k);
        load(g, k);
    }
    onnx_graph_close(g);
}
