#include "io/onnx/graph.h"

#include "io/onnx/build.h"
#include "io/onnx/order.h"
#include "io/onnx/pattern.h"
#include "io/onnx/walk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NEWEST_OPSET = 22, HEAD = 16 };

/* ---- the file -------------------------------------------------------------------------------------------------- */

/* Writers begin with field 1, the version, a small number; then comes another field of the model. safetensors begin
 * with a length of 8 bytes and a `{`. */
static bool looks_like_onnx(const unsigned char *head)
{
    unsigned field = head[2] >> 3, type = head[2] & 7;

    return head[0] == 0x08 && head[1] < 0x80 && field >= 2 && field <= 14 && (type == 0 || type == 2) &&
           !(head[8] == '{' && head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] == 0);
}

bool onnx_graph_recognise(const char *path)
{
    unsigned char head[HEAD];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    bool complete = pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head;
    close(fd);
    return complete && looks_like_onnx(head);
}

/* ---- the input ------------------------------------------------------------------------------------------------- */

static bool is_real_type(uint64_t type)
{
    enum { FLOAT = 1, HALF = 10, DOUBLE = 11, BFLOAT16 = 16 };

    return type == FLOAT || type == HALF || type == DOUBLE || type == BFLOAT16;
}

/* The only input that is no initializer. */
static enum status find_input(const struct onnx_value_info **out, const struct onnx_build *b)
{
    const struct onnx_model *m = b->model;
    size_t n = 0;

    for (size_t i = 0; i < m->ninputs; i++)
        if (b->values[m->inputs[i].value].state != ONNX_CONSTANT) {
            *out = &m->inputs[i];
            n++;
        }
    if (n != 1)
        return error_set(b->err, FAIL_UNSUPPORTED,
                         "%s: the network has %zu inputs besides its weights; only networks with one, the image, are "
                         "supported",
                         m->file.path, n);
    return OK;
}

static enum status bad_input(const struct onnx_build *b, const struct onnx_value_info *info, const char *reason)
{
    return error_set(b->err, FAIL_UNSUPPORTED, "%s: input '%.200s': %s", b->model->file.path,
                     b->model->names.list[info->value].text, reason);
}

/* Dimensions of the input, with the caller's where the file leaves them open. */
static enum status start_input(struct onnx_build *b, const struct onnx_value_info *info, size_t height, size_t width)
{
    enum { SIDE = 1 << 24 };
    struct onnx_graph *g = b->graph;
    struct onnx_dims dims = {.n = info->ndim};

    if (!is_real_type(info->type))
        return bad_input(b, info, "it is no tensor of real numbers; images are");
    if (!info->has_shape || info->ndim < 1 || info->ndim > 4)
        return bad_input(b, info, "its shape is not [images][channels][height][width]");
    memcpy(dims.size, info->dims, sizeof dims.size);
    g->free_height = dims.n > 2 && dims.size[2] == 0;
    g->free_width = dims.n > 3 && dims.size[3] == 0;
    if (dims.size[0] == 0)
        dims.size[0] = 1;
    if (g->free_height)
        dims.size[2] = height;
    if (g->free_width)
        dims.size[3] = width;
    size_t sizes[] = {1, 1, 1};
    for (size_t d = 1; d < dims.n; d++)
        sizes[d - 1] = dims.size[d];
    if (sizes[0] == 0)
        return bad_input(b, info, "the file leaves the number of channels open; export the network for a fixed one");
    if (sizes[1] == 0 || sizes[2] == 0)
        return bad_input(b, info, "the file leaves the size of the image open; give it with data.crop");
    if (sizes[0] > SIDE || sizes[1] > SIDE || sizes[2] > SIDE)
        return bad_input(b, info, "it is too large");
    g->input = (struct onnx_shape){sizes[0], sizes[1], sizes[2]};
    g->batch = dims.size[0];
    b->values[info->value].state = ONNX_VARIABLE;
    b->values[info->value].view = (struct onnx_view){.variable = 0, .dims = dims};
    return OK;
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static enum status start(struct onnx_build *b)
{
    struct onnx_model *m = b->model;
    size_t number;

    b->values = calloc(m->names.count, sizeof *b->values);
    b->nonnegative = calloc(ONNX_MAX_LAYERS + 1, sizeof *b->nonnegative);
    if (!b->values || !b->nonnegative ||
        !onnx_names_number(&number, &b->labels.layers, &m->memory, "input", strlen("input")))
        return onnx_build_memory(b);
    if (m->opset > NEWEST_OPSET)
        return error_set(b->err, FAIL_UNSUPPORTED,
                         "%s: the file uses version %llu of ONNX's operations; at most %d is supported: export it with "
                         "opset_version=%d or less",
                         m->file.path, (unsigned long long)m->opset, NEWEST_OPSET, NEWEST_OPSET);
    if (m->noutputs != 1)
        return error_set(b->err, FAIL_UNSUPPORTED,
                         "%s: the network has %zu outputs; only networks with one, the logits, are supported",
                         m->file.path, m->noutputs);
    for (size_t i = 0; i < m->nconstants; i++) {
        b->values[m->constants[i].value].state = ONNX_CONSTANT;
        b->values[m->constants[i].value].tensor = &m->constants[i].tensor;
    }
    b->values[0] = (struct onnx_value){.state = ONNX_UNKNOWN};
    return onnx_walk_constants(b);
}

/* Count the readers of every value, and the nodes of every module. */
static enum status count(struct onnx_build *b, const size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct onnx_node *node = &b->model->nodes[order[i]];
        for (size_t k = 0; k < node->ninputs && !onnx_walk_is_shape(node); k++)
            b->values[node->inputs[k]].readers++;
        if (!onnx_label_count(&b->labels, &b->model->memory, node))
            return onnx_build_memory(b);
    }
    b->values[b->model->outputs[0].value].readers++;
    return OK;
}

/* One message about all nodes that cannot be used. */
static enum status report(const struct onnx_build *b)
{
    enum { LONGEST = 640 };

    char list[LONGEST] = "";
    size_t used = 0, told = 0;

    for (size_t i = 0; i < b->nrefusals; i++) {
        const struct onnx_refusal *r = &b->refusals[i];
        char more[32] = "", one[LONGEST];
        if (r->count > 1)
            snprintf(more, sizeof more, " and %zu more", r->count - 1);
        int n =
            snprintf(one, sizeof one, "%s'%.100s'%s (%.50s): %s", told ? "; " : "", r->called, more, r->op, r->reason);
        if (n < 0 || used + (size_t)n >= sizeof list)
            break;
        memcpy(list + used, one, (size_t)n + 1);
        used += (size_t)n;
        told += r->count;
    }
    if (told < b->nrefused && used + 32 < sizeof list)
        snprintf(list + used, sizeof list - used, "; and %zu others", b->nrefused - told);
    return error_set(
        b->err, FAIL_UNSUPPORTED,
        "%.200s: %zu nodes cannot be used: %s. Export a network of supported operations, in evaluation mode",
        b->model->file.path, b->nrefused, list);
}

static enum status check_output(const struct onnx_build *b)
{
    const struct onnx_value *output = &b->values[b->model->outputs[0].value];

    if (b->nrefused > 0)
        return report(b);
    if (output->state != ONNX_VARIABLE)
        return error_set(b->err, FAIL_UNSUPPORTED, "%s: the output does not depend on the input", b->model->file.path);
    if (output->view.padded || output->view.shuffled)
        return error_set(b->err, FAIL_UNSUPPORTED, "%s: the last operation is a Pad or Transpose that nothing ends",
                         b->model->file.path);
    return OK;
}

/* Remove the layers that the output does not depend on: only their shape was read. */
static void prune(struct onnx_graph *g, size_t output)
{
    size_t numbers[ONNX_MAX_LAYERS + 1] = {0}, nlayers = 0, ninputs = 0;
    bool used[ONNX_MAX_LAYERS + 1] = {false};

    used[output] = true;
    for (size_t v = g->nlayers; v > 0; v--) {
        const struct onnx_layer *layer = &g->layers[v - 1];
        for (size_t i = 0; used[v] && i < layer->ninputs; i++)
            used[g->inputs[layer->first_input + i].variable] = true;
        if (used[v] && layer->kind == ONNX_GATE)
            used[layer->gate] = true;
    }
    for (size_t v = 1; v <= g->nlayers; v++) {
        struct onnx_layer layer = g->layers[v - 1];
        size_t first = ninputs;
        if (!used[v])
            continue;
        for (size_t i = 0; i < layer.ninputs; i++) {
            g->inputs[ninputs] = g->inputs[layer.first_input + i];
            g->inputs[ninputs].variable = numbers[g->inputs[ninputs].variable];
            ninputs++;
        }
        layer.first_input = first;
        layer.gate = numbers[layer.gate];
        g->layers[nlayers++] = layer;
        numbers[v] = nlayers;
    }
    g->nlayers = nlayers;
    g->ninputs = ninputs;
}

static enum status build(struct onnx_build *b, size_t height, size_t width)
{
    struct onnx_model *m = b->model;
    const struct onnx_value_info *input = NULL;
    size_t *producers = malloc(m->names.count * sizeof *producers), *order = malloc((m->nnodes + 1) * sizeof *order), n;
    enum status rc;

    if (!producers || !order) {
        rc = onnx_build_memory(b);
        goto done;
    }
    TRY(start(b));
    TRY(find_input(&input, b));
    TRY(onnx_order_producers(producers, m, b->err));
    onnx_pattern_join(b, producers);
    TRY(onnx_order_find(order, &n, m, producers, m->outputs[0].value, b->err));
    TRY(count(b, order, n));
    TRY(start_input(b, input, height, width));
    TRY(onnx_walk_nodes(b, order, n));
    TRY(check_output(b));
    prune(b->graph, b->values[m->outputs[0].value].view.variable);
done:
    free(order);
    free(producers);
    return rc;
}

enum status onnx_graph_open(struct onnx_graph **out, const char *path, size_t height, size_t width, struct error *err)
{
    struct onnx_graph *g = calloc(1, sizeof *g);
    struct onnx_build b = {.graph = g, .err = err};
    enum status rc;

    *out = NULL;
    if (g)
        g->model = calloc(1, sizeof *g->model);
    if (!g || !g->model) {
        free(g);
        return error_system(err, "%s", path);
    }
    b.model = g->model;
    TRY(onnx_model_open(g->model, path, err));
    g->producer = g->model->producer;
    g->opset = g->model->opset;
    TRY(build(&b, height, width));
    *out = g;
    g = NULL;
done:
    free(b.values);
    free(b.nonnegative);
    onnx_graph_close(g);
    return rc;
}

void onnx_graph_close(struct onnx_graph *graph)
{
    if (!graph)
        return;
    onnx_model_close(graph->model);
    free(graph->model);
    free(graph);
}
