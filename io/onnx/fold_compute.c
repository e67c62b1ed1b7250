/* Arithmetic on constants, element by element and along axes. */
#include "io/onnx/array.h"
#include "io/onnx/operation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whole numbers up to here are exact in double. */
static const double exact = 0x1p53;

/* ---- one operand ----------------------------------------------------------------------------------------------- */

static double reciprocal(double x)
{
    return 1.0 / x;
}

static double negative(double x)
{
    return -x;
}

static double sign(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
}

static double rectified(double x)
{
    return x < 0.0 ? 0.0 : x;
}

static double logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double not_true(double x)
{
    return x == 0.0;
}

/* Whether the result is a whole number for a whole one; other operations are of real numbers only. */
static const struct {
    const char *op;
    double (*of)(double x);
    bool whole;
} functions[] = {
    {"Abs", fabs, true},       {"Ceil", ceil, false},   {"Erf", erf, false},
    {"Exp", exp, false},       {"Floor", floor, false}, {"Log", log, false},
    {"Neg", negative, true},   {"Not", not_true, true}, {"Reciprocal", reciprocal, false},
    {"Relu", rectified, true}, {"Round", rint, false},  {"Sigmoid", logistic, false},
    {"Sign", sign, true},      {"Sqrt", sqrt, false},   {"Tanh", tanh, false},
};

static enum status apply(struct onnx_fold *f)
{
    struct onnx_steps steps = onnx_array_steps(&f->in[0]);
    bool real = onnx_array_is_real(&f->in[0]);
    size_t k = 0;
    enum status rc;

    while (k + 1 < sizeof functions / sizeof functions[0] && strcmp(functions[k].op, f->node->op) != 0)
        k++;
    if (!real && !functions[k].whole)
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_pick(f, &f->in[0], &f->in[0].dims, &steps));
    for (size_t i = 0; i < f->out.n; i++) {
        union onnx_number *number = &f->out.values[i];
        if (real)
            number->real = functions[k].of(number->real);
        else if (fabs((double)number->whole) > exact)
            return FAIL_UNSUPPORTED;
        else
            number->whole = (int64_t)functions[k].of((double)number->whole);
    }
done:
    return rc;
}

enum status onnx_fold_function(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, apply);
}

/* ---- two operands ---------------------------------------------------------------------------------------------- */

enum arithmetic {
    SUM,
    DIFFERENCE,
    PRODUCT,
    QUOTIENT,
    REMAINDER,      /* with the sign of the divisor */
    REMAINDER_OF_X, /* with the sign of the dividend */
    LEAST,
    MOST,
    POWER,
    EQUAL, /* this and what follows have truth values */
    LESS,
    LESS_OR_EQUAL,
    GREATER,
    GREATER_OR_EQUAL,
    AND,
    OR,
    DIFFERENT
};

static const struct {
    const char *op;
    enum arithmetic kind;
} arithmetics[] = {
    {"Add", SUM},         {"And", AND},
    {"Div", QUOTIENT},    {"Equal", EQUAL},
    {"Greater", GREATER}, {"GreaterOrEqual", GREATER_OR_EQUAL},
    {"Less", LESS},       {"LessOrEqual", LESS_OR_EQUAL},
    {"Max", MOST},        {"Mean", SUM},
    {"Min", LEAST},       {"Mod", REMAINDER},
    {"Mul", PRODUCT},     {"Or", OR},
    {"Pow", POWER},       {"Sub", DIFFERENCE},
    {"Sum", SUM},         {"Xor", DIFFERENT},
};

static bool compare(enum arithmetic kind, bool less, bool equal, bool greater)
{
    switch (kind) {
    case EQUAL:
        return equal;
    case LESS:
        return less;
    case LESS_OR_EQUAL:
        return less || equal;
    case GREATER:
        return greater;
    default:
        return greater || equal;
    }
}

static double of_reals(enum arithmetic kind, double x, double y)
{
    switch (kind) {
    case SUM:
        return x + y;
    case DIFFERENCE:
        return x - y;
    case PRODUCT:
        return x * y;
    case QUOTIENT:
        return x / y;
    case REMAINDER_OF_X:
        return fmod(x, y);
    case LEAST:
        return fmin(x, y);
    case MOST:
        return fmax(x, y);
    default:
        return pow(x, y);
    }
}

/* x / y, or what remains; false if it cannot be computed. */
static bool divide(int64_t *out, enum arithmetic kind, int64_t x, int64_t y)
{
    if (y == 0 || (y == -1 && x == INT64_MIN))
        return false;
    *out = kind == QUOTIENT ? x / y : x % y;
    if (kind == REMAINDER && *out != 0 && (*out < 0) != (y < 0))
        *out += y;
    return true;
}

/* False if it cannot be computed. */
static bool of_wholes(int64_t *out, enum arithmetic kind, int64_t x, int64_t y)
{
    switch (kind) {
    case SUM:
        return !__builtin_add_overflow(x, y, out);
    case DIFFERENCE:
        return !__builtin_sub_overflow(x, y, out);
    case PRODUCT:
        return !__builtin_mul_overflow(x, y, out);
    case QUOTIENT:
    case REMAINDER:
    case REMAINDER_OF_X:
        return divide(out, kind, x, y);
    case LEAST:
        *out = x < y ? x : y;
        return true;
    case MOST:
        *out = x > y ? x : y;
        return true;
    case AND:
        *out = x && y;
        return true;
    case OR:
        *out = x || y;
        return true;
    case DIFFERENT:
        *out = !x != !y;
        return true;
    default:
        *out = compare(kind, x<y, x == y, x> y);
        return true;
    }
}

/* Of whole numbers or reals, each; false if it cannot be computed exactly. */
static bool power(union onnx_number *out, bool x_real, union onnx_number x, bool y_real, union onnx_number y)
{
    double power = pow(x_real ? x.real : (double)x.whole, y_real ? y.real : (double)y.whole);

    if (x_real)
        out->real = power;
    else if (fabs(power) <= exact)
        out->whole = (int64_t)power;
    return x_real || fabs(power) <= exact;
}

static bool compute(union onnx_number *out, enum arithmetic kind, bool real, union onnx_number x, union onnx_number y)
{
    if (real && kind >= EQUAL)
        out->whole = compare(kind, x.real<y.real, x.real == y.real, x.real> y.real);
    else if (real)
        out->real = of_reals(kind, x.real, y.real);
    else
        return of_wholes(&out->whole, kind, x.whole, y.whole);
    return true;
}

static bool may_combine(enum arithmetic kind, const struct onnx_array *x, const struct onnx_array *y)
{
    bool real = onnx_array_is_real(x);

    if (!x->dtype || !y->dtype || (kind != POWER && real != onnx_array_is_real(y)))
        return false;
    return !real || (kind != REMAINDER && kind < AND);
}

/* f->out = x, y combined; they may be f->out's former self. */
static enum status combine(struct onnx_fold *f, enum arithmetic kind, const struct onnx_array *x,
                           const struct onnx_array *y)
{
    struct onnx_steps steps[2];
    struct onnx_dims dims;
    size_t *places = NULL;
    bool real = onnx_array_is_real(x), fine = true;
    enum status rc;

    if (!may_combine(kind, x, y) || !onnx_array_common(&dims, &x->dims, &y->dims) ||
        !onnx_array_stretch(&steps[0], x, &dims) || !onnx_array_stretch(&steps[1], y, &dims))
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_make(f, kind >= EQUAL ? weights_dtype_find("BOOL") : x->dtype, &dims));
    size_t n = f->out.n;
    places = malloc(2 * n * sizeof *places + 1);
    if (!places) {
        rc = onnx_build_memory(f->b);
        goto done;
    }
    onnx_array_places(places, &dims, &steps[0]);
    onnx_array_places(places + n, &dims, &steps[1]);
    for (size_t i = 0; i < n && fine; i++) {
        union onnx_number a = x->values[places[i]], b = y->values[places[n + i]];
        fine = kind == POWER ? power(&f->out.values[i], real, a, onnx_array_is_real(y), b)
                             : compute(&f->out.values[i], kind, real, a, b);
    }
    rc = fine ? OK : FAIL_UNSUPPORTED;
done:
    free(places);
    return rc;
}

/* One operand after the other. */
static enum status arithmetic(struct onnx_fold *f)
{
    size_t k = 0;
    enum status rc = OK;

    while (k + 1 < sizeof arithmetics / sizeof arithmetics[0] && strcmp(arithmetics[k].op, f->node->op) != 0)
        k++;
    enum arithmetic kind = arithmetics[k].kind;
    if (kind == REMAINDER && onnx_model_integer(f->node, "fmod", 0) != 0)
        kind = REMAINDER_OF_X;
    struct onnx_array so_far = f->in[0];
    for (size_t i = 1; i < f->nin && rc == OK; i++) {
        rc = combine(f, kind, &so_far, &f->in[i]);
        if (i > 1)
            free(so_far.values);
        so_far = f->out;
        if (rc == OK && i + 1 < f->nin)
            f->out = (struct onnx_array){.values = NULL};
    }
    if (f->nin == 1) {
        struct onnx_steps steps = onnx_array_steps(&f->in[0]);
        rc = onnx_array_pick(f, &f->in[0], &f->in[0].dims, &steps);
    }
    bool mean = strcmp(f->node->op, "Mean") == 0;
    if (rc == OK && mean && !onnx_array_is_real(&f->out))
        rc = FAIL_UNSUPPORTED;
    for (size_t i = 0; i < f->out.n && rc == OK && mean; i++)
        f->out.values[i].real /= (double)f->nin;
    return rc;
}

enum status onnx_fold_arithmetic(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, arithmetic);
}

/* ---- along axes ------------------------------------------------------------------------------------------------ */

static double squared(double x)
{
    return x * x;
}

static double unchanged(double x)
{
    return x;
}

/* What is done to each element, how results are put together, and what is done in the end. */
struct reduction {
    const char *op;
    double (*each)(double x);
    enum arithmetic joined;
    double (*last)(double x);
    bool mean;
};

static const struct reduction reductions[] = {
    {"ReduceL1", fabs, SUM, unchanged, false},         {"ReduceL2", squared, SUM, sqrt, false},
    {"ReduceMax", unchanged, MOST, unchanged, false},  {"ReduceMean", unchanged, SUM, unchanged, true},
    {"ReduceMin", unchanged, LEAST, unchanged, false}, {"ReduceProd", unchanged, PRODUCT, unchanged, false},
    {"ReduceSum", unchanged, SUM, unchanged, false},   {"ReduceSumSquare", squared, SUM, unchanged, false},
};

/* Which axes are gone; false if one is not there. */
static bool find_gone(bool gone[ONNX_MAX_DIMS], struct onnx_fold *f, const struct onnx_integers *axes)
{
    size_t n = f->in[0].dims.n;

    if (axes->n == 0 && onnx_model_integer(f->node, "noop_with_empty_axes", 0) != 0)
        return true;
    for (size_t d = 0; d < n; d++)
        gone[d] = axes->n == 0;
    for (size_t i = 0; i < axes->n; i++) {
        size_t axis = onnx_dims_axis(axes->values[i], n);
        if (axis == n)
            return false;
        gone[axis] = true;
    }
    return true;
}

/* Put all elements together; reals in f->out also of whole numbers. */
static enum status accumulate(struct onnx_fold *f, const struct reduction *r, const struct onnx_steps *steps)
{
    const struct onnx_array *from = &f->in[0];
    size_t *places = malloc(from->n * sizeof *places + 1);
    bool *begun = calloc(f->out.n + 1, sizeof *begun);
    enum status rc = OK;

    if (!places || !begun) {
        rc = onnx_build_memory(f->b);
        goto done;
    }
    onnx_array_places(places, &from->dims, steps);
    for (size_t i = 0; i < from->n; i++) {
        double value = r->each(onnx_array_is_real(from) ? from->values[i].real : (double)from->values[i].whole);
        double *sum = &f->out.values[places[i]].real;
        *sum = begun[places[i]] ? of_reals(r->joined, *sum, value) : value;
        begun[places[i]] = true;
    }
    double n = f->out.n ? (double)(from->n / f->out.n) : 1.0;
    for (size_t k = 0; k < f->out.n; k++) {
        double result = r->last(f->out.values[k].real) / (r->mean ? n : 1.0);
        if (!begun[k] || (!onnx_array_is_real(from) && !(fabs(result) <= exact && result == floor(result)))) {
            rc = FAIL_UNSUPPORTED;
            break;
        }
        if (onnx_array_is_real(from))
            f->out.values[k].real = result;
        else
            f->out.values[k].whole = (int64_t)result;
    }
done:
    free(begun);
    free(places);
    return rc;
}

static enum status reduce(struct onnx_fold *f)
{
    struct onnx_dims kept = f->in[0].dims, left = {.n = 0};
    struct onnx_steps steps = {.offset = 0};
    struct onnx_integers axes;
    bool given, gone[ONNX_MAX_DIMS] = {false};
    size_t k = 0, step = 1;
    enum status rc;

    while (k + 1 < sizeof reductions / sizeof reductions[0] && strcmp(reductions[k].op, f->node->op) != 0)
        k++;
    TRY(onnx_build_integers(&axes, &given, f->b, f->node, "axes", 1));
    if (!find_gone(gone, f, &axes))
        return FAIL_UNSUPPORTED;
    for (size_t d = kept.n; d-- > 0;) {
        if (gone[d])
            kept.size[d] = 1;
        steps.step[d] = gone[d] ? 0 : (int64_t)step;
        step *= kept.size[d];
    }
    for (size_t d = 0; d < kept.n; d++)
        if (!gone[d])
            left.size[left.n++] = kept.size[d];
    TRY(onnx_array_make(f, f->in[0].dtype, onnx_model_integer(f->node, "keepdims", 1) ? &kept : &left));
    TRY(accumulate(f, &reductions[k], &steps));
done:
    return rc;
}

enum status onnx_fold_reduce(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, reduce);
}
