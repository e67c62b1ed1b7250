#include "io/onnx/pattern.h"

#include "io/onnx/order.h"

#include <math.h>
#include <string.h>

/* Exporters write constants as float. */
static const double tolerance = 1e-6;

struct search {
    struct onnx_build *b;
    const size_t *producers;
};

/* The node of this operation that writes a value, or NULL. */
static const struct onnx_node *written_by(const struct search *s, size_t value, const char *op)
{
    size_t node = s->producers[value];

    if (node == ONNX_NOBODY || strcmp(s->b->model->nodes[node].op, op) != 0 ||
        !onnx_model_is_standard(&s->b->model->nodes[node]))
        return NULL;
    return &s->b->model->nodes[node];
}

static bool is_number(const struct search *s, size_t value, double wanted)
{
    double number;

    return s->b->values[value].state == ONNX_CONSTANT && onnx_build_scalar(&number, s->b, s->b->values[value].tensor) &&
           fabs(number - wanted) <= tolerance * fabs(wanted);
}

/* The other operand of a node of this operation that has a constant as one, in whatever order (for Div and Sub the
 * second); 0 if the value is written by something else. */
static size_t beside(const struct search *s, size_t value, const char *op, double number)
{
    const struct onnx_node *node = written_by(s, value, op);

    if (!node || node->ninputs != 2)
        return 0;
    if (is_number(s, node->inputs[1], number))
        return node->inputs[0];
    return strcmp(op, "Div") != 0 && is_number(s, node->inputs[0], number) ? node->inputs[1] : 0;
}

/* value = x / number, or x times its inverse: x, or 0. */
static size_t divided(const struct search *s, size_t value, double number)
{
    size_t x = beside(s, value, "Div", number);

    return x ? x : beside(s, value, "Mul", 1.0 / number);
}

/* value = Clip(x + 3, 0, 6): x, or 0. */
static size_t clipped(const struct search *s, size_t value)
{
    const struct onnx_node *clip = written_by(s, value, "Clip");

    if (!clip || clip->ninputs == 0)
        return 0;
    bool low =
        onnx_model_input(clip, 1) ? is_number(s, clip->inputs[1], 0.0) : onnx_model_real(clip, "min", -1.0) == 0.0;
    bool high =
        onnx_model_input(clip, 2) ? is_number(s, clip->inputs[2], 6.0) : onnx_model_real(clip, "max", 0.0) == 6.0;
    return low && high ? beside(s, clip->inputs[0], "Add", 3.0) : 0;
}

/* Whether value = sigmoid(x). */
static bool is_sigmoid(const struct search *s, size_t value, size_t x)
{
    const struct onnx_node *node = written_by(s, value, "Sigmoid");

    return node && onnx_model_input(node, 0) == x;
}

/* Whether value = min(max(x + 3, 0), 6) / 6, in one of three ways. */
static bool is_hard_sigmoid(const struct search *s, size_t value, size_t x)
{
    const struct onnx_node *node = written_by(s, value, "HardSigmoid");

    if (node && onnx_model_input(node, 0) == x)
        return fabs(onnx_model_real(node, "alpha", 0.2) - 1.0 / 6.0) <= tolerance &&
               fabs(onnx_model_real(node, "beta", 0.5) - 0.5) <= tolerance;
    node = written_by(s, value, ONNX_PATTERN_HARD_SIGMOID); /* joined before, if it comes before */
    if (node)
        return node->inputs[0] == x;
    size_t clip = divided(s, value, 6.0);
    return clip && clipped(s, clip) == x;
}

/* Whether value = 1 + Erf(x / sqrt 2). */
static bool is_error_function(const struct search *s, size_t value, size_t x)
{
    size_t erf = beside(s, value, "Add", 1.0);
    const struct onnx_node *node = erf ? written_by(s, erf, "Erf") : NULL;

    return node && node->ninputs == 1 && divided(s, node->inputs[0], sqrt(2.0)) == x;
}

/* Whether value = x / 2. */
static bool is_half(const struct search *s, size_t value, size_t x)
{
    return divided(s, value, 2.0) == x;
}

static void become(struct onnx_node *node, const char *op, size_t x)
{
    node->op = op;
    node->inputs[0] = x;
    node->ninputs = 1;
    node->nattributes = 0;
}

/* Whether value = tanh(log(1 + exp(x))). */
static bool is_mish_factor(const struct search *s, size_t value, size_t x)
{
    const struct onnx_node *outer = written_by(s, value, "Tanh");
    const struct onnx_node *inner = outer ? written_by(s, onnx_model_input(outer, 0), "Softplus") : NULL;

    return inner && onnx_model_input(inner, 0) == x;
}

/* node = x y. */
static bool join_product(const struct search *s, struct onnx_node *node, size_t x, size_t y)
{
    const struct onnx_node *half = written_by(s, x, "Mul");

    if (is_sigmoid(s, y, x))
        become(node, ONNX_PATTERN_SILU, x);
    else if (is_hard_sigmoid(s, y, x))
        become(node, "HardSwish", x);
    else if (is_mish_factor(s, y, x))
        become(node, "Mish", x);
    else if (half && half->ninputs == 2 && half->inputs[0] && is_half(s, x, half->inputs[0]) &&
             is_error_function(s, y, half->inputs[0]))
        become(node, "Gelu", half->inputs[0]); /* (x / 2) (1 + Erf) */
    else
        return false;
    return true;
}

/* The same with the operands in either order. */
static void join_either(const struct search *s, struct onnx_node *node)
{
    if (!join_product(s, node, node->inputs[0], node->inputs[1]))
        join_product(s, node, node->inputs[1], node->inputs[0]);
}

/* value = x y, and the node divides it by a number. */
static bool join_quotient(const struct search *s, struct onnx_node *node, size_t value, bool by_two, bool by_six)
{
    const struct onnx_node *product = written_by(s, value, "Mul");

    for (size_t i = 0; product && product->ninputs == 2 && i < 2; i++) {
        size_t x = product->inputs[i], y = product->inputs[1 - i];
        if (x == 0 || y == 0)
            continue;
        if (by_two && is_error_function(s, y, x)) {
            become(node, "Gelu", x);
            return true;
        }
        if (by_six && clipped(s, y) == x) {
            become(node, "HardSwish", x);
            return true;
        }
    }
    return false;
}

void onnx_pattern_join(struct onnx_build *b, const size_t *producers)
{
    struct search s = {b, producers};

    for (size_t i = 0; i < b->model->nnodes; i++) {
        struct onnx_node *node = &b->model->nodes[i];
        bool product = strcmp(node->op, "Mul") == 0, quotient = strcmp(node->op, "Div") == 0;
        if ((!product && !quotient) || !onnx_model_is_standard(node) || node->ninputs != 2 || node->noutputs != 1 ||
            node->inputs[0] == 0 || node->inputs[1] == 0)
            continue;
        size_t output = node->outputs[0], by_two = divided(&s, output, 2.0), by_six = divided(&s, output, 6.0);
        if (join_quotient(&s, node, by_two ? by_two : by_six, by_two != 0, by_six != 0))
            continue;
        if (by_six && clipped(&s, by_six))
            become(node, ONNX_PATTERN_HARD_SIGMOID, clipped(&s, by_six));
        else if (product)
            join_either(&s, node);
    }
}
