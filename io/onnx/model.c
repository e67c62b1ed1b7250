#include "io/onnx/model.h"

#include "io/base/sha256.h"

#include <stdlib.h>
#include <string.h>

/* Field numbers of the messages. */
enum { MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8 };

enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };

enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };

enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };

enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_REAL = 2,
    ATTRIBUTE_INTEGER = 3,
    ATTRIBUTE_TEXT = 4,
    ATTRIBUTE_TENSOR = 5,
    ATTRIBUTE_GRAPH = 6,
    ATTRIBUTE_REALS = 7,
    ATTRIBUTE_INTEGERS = 8,
    ATTRIBUTE_GRAPHS = 11
};

enum { INFO_NAME = 1, INFO_TYPE = 2, TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2 };

enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_SYMBOL = 2 };

struct reader {
    struct onnx_model *model;
    struct onnx_wire *wire;
};

static bool out_of_memory(struct reader *r)
{
    if (r->wire->rc == OK)
        r->wire->rc = error_system(r->wire->err, "%s", r->model->file.path);
    return false;
}

static bool too_many(struct reader *r, const char *what, int most)
{
    if (r->wire->rc == OK)
        r->wire->rc = error_set(r->wire->err, FAIL_LIMIT, "%s: more than %d %s", r->model->file.path, most, what);
    return false;
}

/* Make room for one more; false after a failure. */
static bool grow(struct reader *r, void **array, size_t *capacity, size_t n, size_t item_bytes)
{
    void *moved = onnx_memory_grow(&r->model->memory, *array, capacity, n, item_bytes);

    if (!moved)
        return out_of_memory(r);
    *array = moved;
    return true;
}

static bool count_item(struct reader *r)
{
    return ++r->model->nitems <= ONNX_MAX_ITEMS || too_many(r, "inputs, outputs and attributes", ONNX_MAX_ITEMS);
}

static const char *read_text(struct reader *r, const struct onnx_field *field)
{
    const char *text = onnx_tensor_text(r->wire, &r->model->memory, field->span);

    return text ? text : "";
}

/* The number of a value's name. */
static size_t read_value(struct reader *r, const struct onnx_field *field)
{
    const char *text = read_text(r, field);
    size_t number = 0;

    if (r->wire->rc == OK && !onnx_names_number(&number, &r->model->names, &r->model->memory, text, strlen(text)))
        too_many(r, "names of values, or names made to collide", ONNX_MAX_NAMES);
    return number;
}

static void push_value(struct reader *r, size_t **values, size_t *n, size_t *capacity, const struct onnx_field *field)
{
    void *array = *values;

    if (!count_item(r) || !grow(r, &array, capacity, *n, sizeof **values))
        return;
    *values = array;
    (*values)[(*n)++] = read_value(r, field);
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static float real_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float real;

    memcpy(&real, &low, sizeof real);
    return real;
}

static void read_integers(struct reader *r, struct onnx_attribute *a, struct onnx_field *field)
{
    uint64_t number;

    while (onnx_wire_number(&number, r->wire, field, ONNX_WIRE_VARINT)) {
        void *array = a->integers;
        if (!count_item(r) || !grow(r, &array, &a->integers_capacity, a->nintegers, sizeof *a->integers))
            return;
        a->integers = array;
        a->integers[a->nintegers++] = (int64_t)number;
    }
}

static void read_reals(struct reader *r, struct onnx_attribute *a, struct onnx_field *field)
{
    uint64_t number;

    while (onnx_wire_number(&number, r->wire, field, ONNX_WIRE_FIXED32)) {
        void *array = a->reals;
        if (!count_item(r) || !grow(r, &array, &a->reals_capacity, a->nreals, sizeof *a->reals))
            return;
        a->reals = array;
        a->reals[a->nreals++] = real_of(number);
    }
}

static void read_attribute_bytes(struct reader *r, struct onnx_attribute *a, const struct onnx_field *field)
{
    switch (field->number) {
    case ATTRIBUTE_NAME:
        a->name = read_text(r, field);
        break;
    case ATTRIBUTE_TEXT:
        a->text = read_text(r, field);
        break;
    case ATTRIBUTE_GRAPH:
    case ATTRIBUTE_GRAPHS:
        a->subgraph = true;
        break;
    case ATTRIBUTE_TENSOR:
        a->tensor = onnx_memory_take(&r->model->memory, 1, sizeof *a->tensor);
        if (!a->tensor)
            out_of_memory(r);
        else
            onnx_tensor_read(a->tensor, r->wire, &r->model->memory, field->span);
        break;
    default:
        break;
    }
}

static void read_attribute(struct reader *r, struct onnx_node *node, struct onnx_span message)
{
    struct onnx_field field;
    void *array = node->attributes;

    if (!count_item(r) || !grow(r, &array, &node->attributes_capacity, node->nattributes, sizeof *node->attributes))
        return;
    node->attributes = array;
    struct onnx_attribute *a = &node->attributes[node->nattributes++];
    *a = (struct onnx_attribute){.name = "", .text = ""};
    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.number == ATTRIBUTE_INTEGERS)
            read_integers(r, a, &field);
        else if (field.number == ATTRIBUTE_REALS)
            read_reals(r, a, &field);
        else if (field.number == ATTRIBUTE_INTEGER && field.type == ONNX_WIRE_VARINT) {
            a->integer = (int64_t)field.value;
            a->has_integer = true;
        } else if (field.number == ATTRIBUTE_REAL && field.type == ONNX_WIRE_FIXED32) {
            a->real = real_of(field.value);
            a->has_real = true;
        } else if (field.type == ONNX_WIRE_BYTES)
            read_attribute_bytes(r, a, &field);
    }
}

static void read_node(struct reader *r, struct onnx_span message)
{
    struct onnx_model *m = r->model;
    struct onnx_field field;
    void *array = m->nodes;

    if (m->nnodes == ONNX_MAX_NODES) {
        too_many(r, "nodes", ONNX_MAX_NODES);
        return;
    }
    if (!grow(r, &array, &m->nodes_capacity, m->nnodes, sizeof *m->nodes))
        return;
    m->nodes = array;
    struct onnx_node *node = &m->nodes[m->nnodes++];
    *node = (struct onnx_node){.op = "", .domain = "", .name = ""};
    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.type != ONNX_WIRE_BYTES)
            continue;
        if (field.number == NODE_INPUT)
            push_value(r, &node->inputs, &node->ninputs, &node->inputs_capacity, &field);
        else if (field.number == NODE_OUTPUT)
            push_value(r, &node->outputs, &node->noutputs, &node->outputs_capacity, &field);
        else if (field.number == NODE_NAME)
            node->name = read_text(r, &field);
        else if (field.number == NODE_OP)
            node->op = read_text(r, &field);
        else if (field.number == NODE_DOMAIN)
            node->domain = read_text(r, &field);
        else if (field.number == NODE_ATTRIBUTE)
            read_attribute(r, node, field.span);
    }
}

/* ---- inputs and outputs ---------------------------------------------------------------------------------------- */

static void read_dim(struct reader *r, struct onnx_value_info *info, struct onnx_span message)
{
    uint64_t at = message.at, size = 0;
    struct onnx_field field;

    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.number == DIM_VALUE && field.type == ONNX_WIRE_VARINT)
            size = field.value;
        else if (field.number == DIM_SYMBOL && field.type == ONNX_WIRE_BYTES)
            size = 0;
    }
    if (info->ndim == ONNX_MAX_DIMS) {
        onnx_wire_damaged(r->wire, at, "an input or output has more than 8 dimensions");
        return;
    }
    info->dims[info->ndim++] = size > INT32_MAX ? 0 : (size_t)size; /* negative: not given */
}

static void read_tensor_type(struct reader *r, struct onnx_value_info *info, struct onnx_span message)
{
    struct onnx_field field, dim;

    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.number == TENSOR_ELEMENT && field.type == ONNX_WIRE_VARINT)
            info->type = field.value;
        if (field.number != TENSOR_SHAPE || field.type != ONNX_WIRE_BYTES)
            continue;
        info->has_shape = true;
        while (onnx_wire_next(&dim, r->wire, &field.span))
            if (dim.number == SHAPE_DIM && dim.type == ONNX_WIRE_BYTES)
                read_dim(r, info, dim.span);
    }
}

static void read_info(struct reader *r, struct onnx_value_info *info, struct onnx_span message)
{
    struct onnx_field field, type;

    *info = (struct onnx_value_info){0};
    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.type != ONNX_WIRE_BYTES)
            continue;
        if (field.number == INFO_NAME)
            info->value = read_value(r, &field);
        if (field.number != INFO_TYPE)
            continue;
        while (onnx_wire_next(&type, r->wire, &field.span))
            if (type.number == TYPE_TENSOR && type.type == ONNX_WIRE_BYTES)
                read_tensor_type(r, info, type.span);
    }
}

static void push_info(struct reader *r, struct onnx_value_info **infos, size_t *n, size_t *capacity,
                      struct onnx_span message)
{
    void *array = *infos;

    if (!count_item(r) || !grow(r, &array, capacity, *n, sizeof **infos))
        return;
    *infos = array;
    read_info(r, &(*infos)[(*n)++], message);
}

/* ---- the graph and the model ----------------------------------------------------------------------------------- */

static void read_constant(struct reader *r, struct onnx_span message)
{
    struct onnx_model *m = r->model;
    void *array = m->constants;

    if (m->nconstants == ONNX_MAX_TENSORS) {
        too_many(r, "tensors", ONNX_MAX_TENSORS);
        return;
    }
    if (!grow(r, &array, &m->constants_capacity, m->nconstants, sizeof *m->constants))
        return;
    m->constants = array;
    struct onnx_constant *c = &m->constants[m->nconstants++];
    *c = (struct onnx_constant){0};
    if (onnx_tensor_read(&c->tensor, r->wire, &m->memory, message) == OK &&
        !onnx_names_number(&c->value, &m->names, &m->memory, c->tensor.name, strlen(c->tensor.name)))
        too_many(r, "names of values, or names made to collide", ONNX_MAX_NAMES);
}

static void read_graph(struct reader *r, struct onnx_span message)
{
    struct onnx_model *m = r->model;
    struct onnx_field field;

    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.type != ONNX_WIRE_BYTES)
            continue;
        if (field.number == GRAPH_NODE)
            read_node(r, field.span);
        else if (field.number == GRAPH_NAME)
            m->graph_name = read_text(r, &field);
        else if (field.number == GRAPH_INITIALIZER)
            read_constant(r, field.span);
        else if (field.number == GRAPH_INPUT)
            push_info(r, &m->inputs, &m->ninputs, &m->inputs_capacity, field.span);
        else if (field.number == GRAPH_OUTPUT)
            push_info(r, &m->outputs, &m->noutputs, &m->outputs_capacity, field.span);
    }
}

static bool is_standard_domain(const char *domain)
{
    return domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

/* The version of ONNX's own operations. */
static void read_opset(struct reader *r, struct onnx_span message)
{
    const char *domain = "";
    uint64_t version = 0;
    struct onnx_field field;

    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.number == OPSET_DOMAIN && field.type == ONNX_WIRE_BYTES)
            domain = read_text(r, &field);
        else if (field.number == OPSET_VERSION && field.type == ONNX_WIRE_VARINT)
            version = field.value;
    }
    if (is_standard_domain(domain))
        r->model->opset = version;
}

static enum status read_model(struct reader *r)
{
    struct onnx_span message = onnx_wire_file(r->wire);
    struct onnx_field field;
    size_t empty;
    bool found = false;

    if (!onnx_names_number(&empty, &r->model->names, &r->model->memory, "", 0))
        out_of_memory(r);
    while (onnx_wire_next(&field, r->wire, &message)) {
        if (field.type != ONNX_WIRE_BYTES)
            continue;
        if (field.number == MODEL_PRODUCER)
            r->model->producer = read_text(r, &field);
        else if (field.number == MODEL_OPSET)
            read_opset(r, field.span);
        else if (field.number == MODEL_GRAPH) {
            found = true;
            read_graph(r, field.span);
        }
    }
    if (r->wire->rc == OK && !found)
        r->wire->rc = error_set(r->wire->err, FAIL_FORMAT, "%s: there is no graph in the file; is it an ONNX file?",
                                r->model->file.path);
    return r->wire->rc;
}

enum status onnx_model_open(struct onnx_model *model, const char *path, struct error *err)
{
    struct onnx_wire *wire = NULL;
    enum status rc;

    *model = (struct onnx_model){.producer = "", .graph_name = ""};
    TRY(onnx_file_open(&model->file, path, err));
    wire = malloc(sizeof *wire);
    if (!wire) {
        rc = error_system(err, "%s", path);
        goto done;
    }
    onnx_wire_init(wire, &model->file, err);
    struct reader reader = {model, wire};
    TRY(read_model(&reader));
done:
    free(wire);
    return rc;
}

void onnx_model_close(struct onnx_model *model)
{
    onnx_memory_release(&model->memory);
    onnx_file_close(&model->file);
}

/* ---- nodes as they are read ------------------------------------------------------------------------------------ */

const struct onnx_attribute *onnx_model_attribute(const struct onnx_node *node, const char *name)
{
    for (size_t i = node->nattributes; i-- > 0;)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

int64_t onnx_model_integer(const struct onnx_node *node, const char *name, int64_t otherwise)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, name);

    return a && a->has_integer ? a->integer : otherwise;
}

double onnx_model_real(const struct onnx_node *node, const char *name, double otherwise)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, name);

    return a && a->has_real ? (double)a->real : otherwise;
}

const char *onnx_model_text(const struct onnx_node *node, const char *name)
{
    const struct onnx_attribute *a = onnx_model_attribute(node, name);

    return a ? a->text : "";
}

size_t onnx_model_input(const struct onnx_node *node, size_t place)
{
    return place < node->ninputs ? node->inputs[place] : 0;
}

bool onnx_model_is_standard(const struct onnx_node *node)
{
    return is_standard_domain(node->domain);
}

const char *onnx_model_called(const struct onnx_model *model, const struct onnx_node *node)
{
    if (node->name[0])
        return node->name;
    return node->noutputs ? model->names.list[node->outputs[0]].text : "";
}

/* ---- checksum -------------------------------------------------------------------------------------------------- */

static enum status hash_file(struct sha256 *s, unsigned char *buffer, size_t nbuffer, struct onnx_model *model,
                             const char *external, struct error *err)
{
    uint64_t nbytes = model->file.nbytes;
    enum status rc = OK;

    if (external)
        TRY(onnx_file_length_external(&nbytes, &model->file, external, err));
    for (uint64_t at = 0; at < nbytes;) {
        size_t n = nbytes - at < nbuffer ? (size_t)(nbytes - at) : nbuffer;
        TRY(external ? onnx_file_read_external(buffer, &model->file, external, at, n, err)
                     : onnx_file_read(buffer, &model->file, at, n, err));
        TRY(sha256_update(s, buffer, n, err));
        at += n;
    }
done:
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

enum status onnx_model_sha256(char *hex, struct onnx_model *model, struct error *err)
{
    enum { BUFFER = 1 << 18 };

    unsigned char *buffer = malloc(BUFFER);
    const char **names = calloc(model->nconstants + 1, sizeof *names);
    struct sha256 *s = NULL;
    size_t n = 0;
    enum status rc;

    if (!buffer || !names) {
        rc = error_system(err, "%s", model->file.path);
        goto done;
    }
    for (size_t i = 0; i < model->nconstants; i++)
        if (model->constants[i].tensor.external)
            names[n++] = model->constants[i].tensor.external;
    qsort(names, n, sizeof *names, compare_names);
    TRY(sha256_create(&s, err));
    TRY(hash_file(s, buffer, BUFFER, model, NULL, err));
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
            TRY(hash_file(s, buffer, BUFFER, model, names[i], err));
    TRY(sha256_finish(hex, s, err));
done:
    sha256_destroy(s);
    free(names);
    free(buffer);
    return rc;
}
