#include "pipeline/command/weights_graph.h"

#include "io/onnx/graph.h"
#include "pipeline/command/command.h"
#include "pipeline/run/model_file.h"
#include "pipeline/util/table.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Of images whose size the file leaves open: that of ImageNet's networks. */
enum { USUAL_SIDE = 224 };

struct report {
    const char *path;
    struct model_file file;
    const struct onnx_graph *graph;
    struct model_description description; /* of `run`; without refusal */
    struct error refusal;                 /* what `run` says against the network; else OK */
    char sha256[SHA256_HEX];
    double parameters, products;
};

static bool is_cut(const struct report *r, size_t variable)
{
    return r->refusal.status == OK && r->description.net.cut[variable];
}

static double parameters(const struct onnx_graph *g, size_t layer)
{
    const struct onnx_layer *l = &g->layers[layer];

    return l->weighted ? (double)onnx_graph_weight_floats(g, layer) + (double)l->upper.channels : 0.0;
}

/* Open the file as `run` does; a graph that it cannot use is shown nevertheless. */
static enum status inspect(struct report *r, struct error *err)
{
    enum status rc = model_file_open(&r->file, &r->description, r->path, USUAL_SIDE, err);

    r->graph = r->file.onnx;
    if (rc == FAIL_UNSUPPORTED && r->graph) {
        r->refusal = *err;
        *err = (struct error){OK, ""};
        rc = OK;
    }
    TRY(rc);
    TRY(onnx_graph_sha256(r->sha256, r->graph, err));
    for (size_t k = 0; k < r->graph->nlayers; k++) {
        r->parameters += parameters(r->graph, k);
        r->products += onnx_graph_products(r->graph, k);
    }
done:
    return rc;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

enum column { VARIABLE, KIND, ACTIVATION, SHAPE, PARAMETERS, WORK, CUT, READS, COLUMNS };

static const struct table_column columns[COLUMNS] = {
    {"variable", true},    {"kind", true},   {"activation", true}, {"shape", true},
    {"parameters", false}, {"MFLOP", false}, {"cut", true},        {"reads", true},
};

/* "convolution 3x3/2 in 32 groups" */
static void write_kind(char out[TABLE_CELL], const struct onnx_layer *l)
{
    const struct onnx_window *w = &l->window;
    int n = snprintf(out, TABLE_CELL, "%s", onnx_graph_kind_name(l->kind));

    if (w->height > 0)
        n += snprintf(out + n, TABLE_CELL - (size_t)n, " %zux%zu", w->height, w->width);
    if (w->down > 1 || w->across > 1)
        n += w->down == w->across ? snprintf(out + n, TABLE_CELL - (size_t)n, "/%zu", w->down)
                                  : snprintf(out + n, TABLE_CELL - (size_t)n, "/%zux%zu", w->down, w->across);
    if (l->groups > 1)
        snprintf(out + n, TABLE_CELL - (size_t)n, ", %zu groups", l->groups);
}

/* The variables that a layer reads, and after `*` its gate; nothing if it is the one above. */
static void write_reads(char out[TABLE_CELL], const struct onnx_graph *g, size_t layer)
{
    const struct onnx_layer *l = &g->layers[layer];
    size_t used = 0;

    if (l->ninputs == 1 && g->inputs[l->first_input].variable == layer && l->kind != ONNX_GATE)
        return;
    for (size_t i = 0; i < l->ninputs && used + ONNX_NAME + 8 < TABLE_CELL; i++)
        used += (size_t)snprintf(out + used, TABLE_CELL - used, "%s%s", i ? " " : "",
                                 onnx_graph_variable(g, g->inputs[l->first_input + i].variable));
    if (l->kind == ONNX_GATE)
        snprintf(out + used, TABLE_CELL - used, " * %s", onnx_graph_variable(g, l->gate));
}

static void write_layer(char out[TABLE_CELL], const struct onnx_graph *g, size_t layer, size_t column)
{
    const struct onnx_layer *l = &g->layers[layer];

    switch (column) {
    case KIND:
        write_kind(out, l);
        break;
    case ACTIVATION:
        if (l->activation.kind != ONNX_NONE)
            snprintf(out, TABLE_CELL, "%s", onnx_graph_activation_name(l->activation.kind));
        break;
    case PARAMETERS:
        if (l->weighted)
            snprintf(out, TABLE_CELL, "%.0f", parameters(g, layer));
        break;
    case WORK:
        if (l->weighted)
            snprintf(out, TABLE_CELL, "%.1f", 2e-6 * onnx_graph_products(g, layer));
        break;
    case READS:
        write_reads(out, g, layer);
        break;
    default:
        break;
    }
}

static void cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct report *r = data;
    struct onnx_shape s = onnx_graph_shape(r->graph, row);

    if (column == VARIABLE)
        snprintf(out, TABLE_CELL, "%s", onnx_graph_variable(r->graph, row));
    else if (column == SHAPE)
        snprintf(out, TABLE_CELL, "%zu x %zu x %zu", s.channels, s.height, s.width);
    else if (column == CUT)
        snprintf(out, TABLE_CELL, "%s", is_cut(r, row) ? "cut" : "");
    else if (row > 0)
        write_layer(out, r->graph, row - 1, column);
}

static void print_text(const struct report *r)
{
    const struct onnx_graph *g = r->graph;
    struct onnx_shape out = onnx_graph_shape(g, g->nlayers);

    table_text(stdout, r->path);
    printf("\n  format   onnx");
    if (g->producer[0]) {
        printf(" of ");
        table_text(stdout, g->producer);
    }
    printf(", operations of version %llu\n  sha256   %s\n", g->opset, r->sha256);
    printf("  network  input %zu x %zu x %zu (channels, height, width), %zu classes, %zu layers, %.0f parameters, "
           "%.2f GFLOP for an image\n",
           g->input.channels, g->input.height, g->input.width, out.channels * out.height * out.width, g->nlayers,
           r->parameters, 2e-9 * r->products);
    if (g->free_height || g->free_width)
        printf("  input    the file leaves its size open; shown for %zu x %zu\n", g->input.height, g->input.width);
    printf("  pixels   %s\n", g->input.channels == 3
                                  ? "prepared as for torchvision; data.preprocessing chooses another way"
                                  : "the file does not say how they are prepared; give data.mean and data.std");
    if (g->softmax)
        printf("  output   the logits; a Softmax after them is taken off\n");
    table_print(stdout, &(struct table){columns, COLUMNS, g->nlayers + 1, r, cell, NULL}, paint_wanted(stdout));
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *json_shape(struct onnx_shape s)
{
    return json_pack("[I, I, I]", (json_int_t)s.channels, (json_int_t)s.height, (json_int_t)s.width);
}

/* Text from a file, which need not be UTF-8. */
static json_t *json_text(const char *text)
{
    json_t *exact = json_string(text);
    char *plain = exact ? NULL : strdup(text);

    for (char *c = plain; c && *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    if (plain)
        exact = json_string(plain);
    free(plain);
    return exact;
}

static json_t *json_layer(const struct report *r, size_t layer)
{
    const struct onnx_graph *g = r->graph;
    const struct onnx_layer *l = &g->layers[layer];
    json_t *reads = json_array();

    for (size_t i = 0; i < l->ninputs; i++)
        json_array_append_new(reads, json_string(onnx_graph_variable(g, g->inputs[l->first_input + i].variable)));
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:b, s:I, s:f}", "name", l->name, "node", json_text(l->node),
                     "kind", onnx_graph_kind_name(l->kind), "activation",
                     onnx_graph_activation_name(l->activation.kind), "shape", json_shape(l->upper), "reads", reads,
                     "gate", l->kind == ONNX_GATE ? json_string(onnx_graph_variable(g, l->gate)) : json_null(), "cut",
                     (int)is_cut(r, layer + 1), "parameters", (json_int_t)parameters(g, layer), "flop",
                     2.0 * onnx_graph_products(g, layer));
}

static bool print_json(const struct report *r)
{
    const struct onnx_graph *g = r->graph;
    struct onnx_shape out = onnx_graph_shape(g, g->nlayers);
    json_t *layers = json_array();

    for (size_t k = 0; k < g->nlayers; k++)
        json_array_append_new(layers, json_layer(r, k));
    json_t *network = json_pack("{s:o, s:b, s:I, s:I, s:f, s:b}", "input", json_shape(g->input), "size_open",
                                (int)(g->free_height || g->free_width), "classes",
                                (json_int_t)(out.channels * out.height * out.width), "parameters",
                                (json_int_t)r->parameters, "flop", 2.0 * r->products, "softmax", (int)g->softmax);
    json_t *refusal = r->refusal.status == OK ? json_null() : json_text(r->refusal.message);
    json_t *root = json_pack("{s:o, s:s, s:s, s:o, s:I, s:o, s:o, s:o}", "path", json_text(r->path), "format", "onnx",
                             "sha256", r->sha256, "producer", json_text(g->producer), "opset", (json_int_t)g->opset,
                             "network", network, "layers", layers, "refusal", refusal);
    bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;

    putchar('\n');
    json_decref(root);
    return printed;
}

int weights_graph_print(const char *path, bool json)
{
    struct report *r = calloc(1, sizeof *r);
    struct error err = {0};
    enum status rc;

    if (!r)
        return command_fail(&(struct error){FAIL_SYSTEM, "no memory for the description of a network"});
    r->path = path;
    rc = inspect(r, &err);
    if (rc == OK && !json)
        print_text(r);
    else if (rc == OK && !print_json(r))
        rc = error_set(&err, FAIL_SYSTEM, "cannot print JSON");
    int status = command_end(rc, &err);
    if (status == COMMAND_OK && r->refusal.status != OK)
        status = command_fail(&r->refusal);
    model_file_close(&r->file);
    free(r);
    return status;
}
