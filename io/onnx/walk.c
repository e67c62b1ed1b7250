#include "io/onnx/walk.h"

#include "io/onnx/operation.h"
#include "io/onnx/pattern.h"

#include <string.h>

/* An operation; `variables` reads a node of which at least one input is a variable, `constants` one without. */
struct operation {
    const char *name;
    size_t ninputs; /* that must be there */
    onnx_operation *variables, *constants;
};

static const struct operation operations[] = {
    {"Add", 2, onnx_arithmetic_add, onnx_fold_arithmetic},
    {"AveragePool", 1, onnx_pooling_average, NULL},
    {"BatchNormalization", 5, onnx_linear_batchnorm, NULL},
    {"Cast", 1, onnx_rename_cast, onnx_fold_cast},
    {"Clip", 1, onnx_activate_clip, NULL},
    {"Concat", 1, onnx_channels_concat, onnx_fold_concat},
    {"Constant", 0, NULL, onnx_fold_constant},
    {"ConstantOfShape", 1, NULL, onnx_fold_fill},
    {"Conv", 2, onnx_linear_convolution, NULL},
    {"Div", 2, onnx_arithmetic_divide, onnx_fold_arithmetic},
    {"Dropout", 1, onnx_rename_dropout, NULL},
    {"Flatten", 1, onnx_rename_flatten, NULL},
    {"Gather", 2, onnx_channels_gather, onnx_fold_gather},
    {"Gelu", 1, onnx_activate_gelu, NULL},
    {"Gemm", 2, onnx_linear_gemm, NULL},
    {"GlobalAveragePool", 1, onnx_pooling_whole_average, NULL},
    {"GlobalMaxPool", 1, onnx_pooling_whole_maximum, NULL},
    {"HardSigmoid", 1, onnx_activate_hard_sigmoid, NULL},
    {"HardSwish", 1, onnx_activate_simple, NULL},
    {"Identity", 1, onnx_rename_identity, onnx_fold_identity},
    {"LeakyRelu", 1, onnx_activate_leaky, NULL},
    {"LogSoftmax", 1, onnx_activate_softmax, NULL},
    {"MatMul", 2, onnx_linear_matmul, NULL},
    {"MaxPool", 1, onnx_pooling_maximum, NULL},
    {"Mul", 2, onnx_arithmetic_multiply, onnx_fold_arithmetic},
    {"PRelu", 2, onnx_activate_prelu, NULL},
    {"Pad", 1, onnx_pooling_pad, NULL},
    {"ReduceMean", 1, onnx_pooling_mean, NULL},
    {"Relu", 1, onnx_activate_simple, NULL},
    {"Reshape", 1, onnx_rename_reshape, onnx_fold_reshape},
    {"Shape", 1, onnx_fold_shape, onnx_fold_shape},
    {"Sigmoid", 1, onnx_activate_simple, NULL},
    {"Slice", 1, onnx_channels_slice, onnx_fold_slice},
    {"Softmax", 1, onnx_activate_softmax, NULL},
    {"Split", 1, onnx_channels_split, NULL},
    {"Squeeze", 1, onnx_rename_squeeze, onnx_fold_squeeze},
    {"Sub", 2, onnx_arithmetic_subtract, onnx_fold_arithmetic},
    {"Sum", 1, onnx_arithmetic_add, NULL},
    {"Transpose", 1, onnx_rename_transpose, onnx_fold_transpose},
    {"Unsqueeze", 1, onnx_rename_unsqueeze, onnx_fold_unsqueeze},
    {ONNX_PATTERN_HARD_SIGMOID, 1, onnx_activate_simple, NULL},
    {ONNX_PATTERN_SILU, 1, onnx_activate_simple, NULL},
};

static const struct operation *find(const struct onnx_node *node)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0] && onnx_model_is_standard(node); i++)
        if (strcmp(operations[i].name, node->op) == 0)
            return &operations[i];
    return NULL;
}

bool onnx_walk_is_shape(const struct onnx_node *node)
{
    return onnx_model_is_standard(node) && strcmp(node->op, "Shape") == 0;
}

static bool has_subgraph(const struct onnx_node *node)
{
    for (size_t i = 0; i < node->nattributes; i++)
        if (node->attributes[i].subgraph)
            return true;
    return false;
}

/* Whether the first n inputs are there. */
static bool has_inputs(const struct onnx_node *node, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (onnx_model_input(node, i) == 0)
            return false;
    return true;
}

/* The states that occur among the inputs. */
static void look_at_inputs(bool found[ONNX_BROKEN + 1], const struct onnx_build *b, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->ninputs; i++)
        if (node->inputs[i])
            found[b->values[node->inputs[i]].state] = true;
}

static enum status read_node(struct onnx_build *b, const struct onnx_node *node)
{
    const struct operation *operation = find(node);
    bool found[ONNX_BROKEN + 1] = {false};

    if (has_subgraph(node))
        return onnx_build_refuse(b, node, "it has a graph of its own (a condition, a loop)");
    if (!operation && !onnx_model_is_standard(node))
        return onnx_build_refuse(b, node, "operations of the domain '%.100s' are not supported", node->domain);
    if (!operation)
        return onnx_build_refuse(b, node, "the operation is not supported");
    look_at_inputs(found, b, node);
    if (found[ONNX_BROKEN]) {
        onnx_build_break(b, node);
        return OK;
    }
    if (!has_inputs(node, operation->ninputs) || found[ONNX_UNKNOWN] || node->noutputs == 0 || node->outputs[0] == 0)
        return onnx_build_refuse(b, node, "its inputs or its output are missing");
    if (found[ONNX_VARIABLE])
        return operation->variables ? operation->variables(b, node)
                                    : onnx_build_refuse(b, node, "it reads what depends on the image");
    return operation->constants
               ? operation->constants(b, node)
               : onnx_build_refuse(b, node, "it reads constants only; export the network with do_constant_folding");
}

enum status onnx_walk_constants(struct onnx_build *b)
{
    enum status rc = OK;

    for (size_t i = 0; i < b->model->nnodes && rc == OK; i++) {
        const struct onnx_node *node = &b->model->nodes[i];
        if (strcmp(node->op, "Constant") == 0 && onnx_model_is_standard(node) && node->noutputs == 1)
            rc = onnx_fold_constant(b, node);
    }
    return rc;
}

enum status onnx_walk_nodes(struct onnx_build *b, const size_t *order, size_t n)
{
    enum status rc = OK;

    for (size_t i = 0; i < n && rc == OK; i++) {
        const struct onnx_node *node = &b->model->nodes[order[i]];
        if (strcmp(node->op, "Constant") != 0 || b->values[node->outputs[0]].state == ONNX_UNKNOWN)
            rc = read_node(b, node);
    }
    return rc;
}
