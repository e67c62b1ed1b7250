/* Evaluate ONNX files for the tests: evaluate MODEL IMAGES OUTPUTS [HEIGHT WIDTH]
 *
 * IMAGES and OUTPUTS are doubles, [images][values]. Exit status 0; 3, with the message, for a file that is refused; 1
 * for anything else. The graph is printed, a line for every variable: name, kind, activation, shape, what it reads. */
#include "tests/support/onnx_evaluate.h"

#include <stdio.h>
#include <stdlib.h>

enum { REFUSED = 3 };

static size_t neurons(struct onnx_shape s)
{
    return s.channels * s.height * s.width;
}

static void print_graph(const struct onnx_graph *g)
{
    struct onnx_shape s = g->input;

    printf("input %zux%zux%zu softmax=%d batch=%zu\n", s.channels, s.height, s.width, g->softmax, g->batch);
    for (size_t k = 0; k < g->nlayers; k++) {
        const struct onnx_layer *l = &g->layers[k];
        printf("%s %s %s %zux%zux%zu", l->name, onnx_graph_kind_name(l->kind),
               onnx_graph_activation_name(l->activation.kind), l->upper.channels, l->upper.height, l->upper.width);
        for (size_t i = 0; i < l->ninputs; i++)
            printf(" %s", onnx_graph_variable(g, g->inputs[l->first_input + i].variable));
        printf("%s%s\n", l->kind == ONNX_GATE ? " *" : "", l->kind == ONNX_GATE ? onnx_graph_variable(g, l->gate) : "");
    }
}

/* Evaluate images until there are no more of them. */
static enum status evaluate(const struct onnx_graph *g, FILE *images, FILE *outputs, struct error *err)
{
    size_t n = neurons(g->input), last = neurons(onnx_graph_shape(g, g->nlayers));
    double **variables = calloc(g->nlayers + 1, sizeof *variables), *image = malloc(n * sizeof *image);
    enum status rc = variables && image ? OK : error_system(err, "image");

    while (rc == OK && fread(image, sizeof *image, n, images) == n) {
        rc = onnx_evaluate(variables, g, image, err);
        if (rc == OK && fwrite(variables[g->nlayers], sizeof *image, last, outputs) != last)
            rc = error_system(err, "output");
        for (size_t v = 0; v <= g->nlayers; v++) {
            free(variables[v]);
            variables[v] = NULL;
        }
    }
    free(image);
    free(variables);
    return rc;
}

int main(int argc, char **argv)
{
    struct onnx_graph *g = NULL;
    struct error err = {0};

    if (argc != 4 && argc != 6) {
        fprintf(stderr, "usage: evaluate MODEL IMAGES OUTPUTS [HEIGHT WIDTH]\n");
        return 2;
    }
    size_t height = argc == 6 ? strtoul(argv[4], NULL, 10) : 0, width = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
    enum status rc = onnx_graph_open(&g, argv[1], height, width, &err);
    if (rc == OK) {
        FILE *images = fopen(argv[2], "rb"), *outputs = fopen(argv[3], "wb");
        print_graph(g);
        rc = images && outputs ? evaluate(g, images, outputs, &err) : error_system(&err, "%s", argv[2]);
        if (images)
            fclose(images);
        if (outputs && fclose(outputs) != 0)
            rc = error_system(&err, "%s", argv[3]);
    }
    onnx_graph_close(g);
    if (rc == OK)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return rc == FAIL_UNSUPPORTED ? REFUSED : 1;
}
