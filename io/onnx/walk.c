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
    {"Abs", 1, NULL, onnx_fold_function},
    {"Add", 2, onnx_arithmetic_add, onnx_fold_arithmetic},
    {"And", 2, NULL, onnx_fold_arithmetic},
    {"AveragePool", 1, onnx_pooling_average, NULL},
    {"BatchNormalization", 5, onnx_linear_batchnorm, NULL},
    {"Cast", 1, onnx_rename_cast, onnx_fold_cast},
    {"CastLike", 2, onnx_rename_cast_like, onnx_fold_cast_like},
    {"Ceil", 1, NULL, onnx_fold_function},
    {"Clip", 1, onnx_activate_clip, NULL},
    {"Concat", 1, onnx_channels_concat, onnx_fold_concat},
    {"Constant", 0, NULL, onnx_fold_constant},
    {"ConstantOfShape", 1, NULL, onnx_fold_fill},
    {"Conv", 2, onnx_linear_convolution, NULL},
    {"Div", 2, onnx_arithmetic_divide, onnx_fold_arithmetic},
    {"Dropout", 1, onnx_rename_dropout, NULL},
    {"Elu", 1, onnx_activate_elu, NULL},
    {"Equal", 2, NULL, onnx_fold_arithmetic},
    {"Erf", 1, NULL, onnx_fold_function},
    {"Exp", 1, NULL, onnx_fold_function},
    {"Expand", 2, NULL, onnx_fold_expand},
    {"Flatten", 1, onnx_rename_flatten, onnx_fold_flatten},
    {"Floor", 1, NULL, onnx_fold_function},
    {"Gather", 2, onnx_channels_gather, onnx_fold_gather},
    {"Gelu", 1, onnx_activate_gelu, NULL},
    {"Gemm", 2, onnx_linear_gemm, NULL},
    {"GlobalAveragePool", 1, onnx_pooling_whole_average, NULL},
    {"GlobalMaxPool", 1, onnx_pooling_whole_maximum, NULL},
    {"Greater", 2, NULL, onnx_fold_arithmetic},
    {"GreaterOrEqual", 2, NULL, onnx_fold_arithmetic},
    {"HardSigmoid", 1, onnx_activate_hard_sigmoid, NULL},
    {"HardSwish", 1, onnx_activate_simple, NULL},
    {"Identity", 1, onnx_rename_identity, onnx_fold_identity},
    {"LeakyRelu", 1, onnx_activate_leaky, NULL},
    {"Less", 2, NULL, onnx_fold_arithmetic},
    {"LessOrEqual", 2, NULL, onnx_fold_arithmetic},
    {"Log", 1, NULL, onnx_fold_function},
    {"LogSoftmax", 1, onnx_activate_softmax, NULL},
    {"MatMul", 2, onnx_linear_matmul, NULL},
    {"Max", 1, onnx_activate_bound, onnx_fold_arithmetic},
    {"MaxPool", 1, onnx_pooling_maximum, NULL},
    {"Mean", 1, onnx_arithmetic_mean, onnx_fold_arithmetic},
    {"Min", 1, onnx_activate_bound, onnx_fold_arithmetic},
    {"Mish", 1, onnx_activate_simple, NULL},
    {"Mod", 2, NULL, onnx_fold_arithmetic},
    {"Mul", 2, onnx_arithmetic_multiply, onnx_fold_arithmetic},
    {"Neg", 1, onnx_arithmetic_negate, onnx_fold_function},
    {"Not", 1, NULL, onnx_fold_function},
    {"Or", 2, NULL, onnx_fold_arithmetic},
    {"PRelu", 2, onnx_activate_prelu, NULL},
    {"Pad", 1, onnx_pooling_pad, NULL},
    {"Pow", 2, NULL, onnx_fold_arithmetic},
    {"Range", 3, NULL, onnx_fold_range},
    {"Reciprocal", 1, NULL, onnx_fold_function},
    {"ReduceL1", 1, NULL, onnx_fold_reduce},
    {"ReduceL2", 1, NULL, onnx_fold_reduce},
    {"ReduceMax", 1, onnx_pooling_reduce, onnx_fold_reduce},
    {"ReduceMean", 1, onnx_pooling_reduce, onnx_fold_reduce},
    {"ReduceMin", 1, NULL, onnx_fold_reduce},
    {"ReduceProd", 1, NULL, onnx_fold_reduce},
    {"ReduceSum", 1, NULL, onnx_fold_reduce},
    {"ReduceSumSquare", 1, NULL, onnx_fold_reduce},
    {"Relu", 1, onnx_activate_simple, onnx_fold_function},
    {"Reshape", 1, onnx_rename_reshape, onnx_fold_reshape},
    {"Round", 1, NULL, onnx_fold_function},
    {"Selu", 1, onnx_activate_elu, NULL},
    {"Shape", 1, onnx_fold_shape, onnx_fold_shape},
    {"Sigmoid", 1, onnx_activate_simple, onnx_fold_function},
    {"Sign", 1, NULL, onnx_fold_function},
    {"Size", 1, onnx_fold_size, onnx_fold_size},
    {"Slice", 1, onnx_channels_slice, onnx_fold_slice},
    {"Softmax", 1, onnx_activate_softmax, NULL},
    {"Softplus", 1, onnx_activate_simple, NULL},
    {"Split", 1, onnx_channels_split, onnx_fold_split},
    {"Sqrt", 1, NULL, onnx_fold_function},
    {"Squeeze", 1, onnx_rename_squeeze, onnx_fold_squeeze},
    {"Sub", 2, onnx_arithmetic_subtract, onnx_fold_arithmetic},
    {"Sum", 1, onnx_arithmetic_add, onnx_fold_arithmetic},
    {"Tanh", 1, onnx_activate_simple, onnx_fold_function},
    {"Tile", 2, NULL, onnx_fold_tile},
    {"Transpose", 1, onnx_rename_transpose, onnx_fold_transpose},
    {"Unsqueeze", 1, onnx_rename_unsqueeze, onnx_fold_unsqueeze},
    {"Where", 3, NULL, onnx_fold_where},
    {"Xor", 2, NULL, onnx_fold_arithmetic},
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
    return onnx_model_is_standard(node) && (strcmp(node->op, "Shape") == 0 || strcmp(node->op, "Size") == 0);
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
        return operation->variables
                   ? operation->variables(b, node)
                   : onnx_build_refuse(b, node, "only of constants is it supported, not of what depends on the image");
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
