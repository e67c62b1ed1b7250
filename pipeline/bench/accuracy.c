#include "pipeline/bench/accuracy.h"

#include "kernels/base/number.h"
#include "kernels/layer/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 16, SIDE = 12, JOINT_CHANNELS = 8, DENSE_CHANNELS = 4 };

/* The part of a link that the reference computes: the first channels, and a square in the upper left corner. */
struct part {
    const struct bench_operands *operands;
    struct link link;
    struct reference_link reference;
    struct shape above, below; /* neurons of both variables that do not depend on the rest */
    double *memory, *next;
    float *weight;
    double *z, *in, *out;
};

/* ---- cutting out ----------------------------------------------------------------------------------------------- */

static double *take(struct part *part, size_t n)
{
    double *memory = part->next;

    part->next += n;
    return memory;
}

/* The corner of an array in its layout, as doubles. */
static void cut(double *out, const float *x, struct layout layout, struct shape shape)
{
    for (size_t c = 0; c < shape.channels; c++)
        for (size_t y = 0; y < shape.height; y++)
            for (size_t i = 0; i < shape.width; i++)
                *out++ = (double)x[layout_index(layout, c, y, i)];
}

/* Weights between the remaining channels; a dense layer's weights have all positions of a channel. */
static void cut_weight(float *out, const struct link *whole, const struct link *link, const float *weight)
{
    size_t from = network_weight_floats(whole) / whole->upper.channels;
    size_t to = network_weight_floats(link) / link->upper.channels;

    for (size_t k = 0; k < link->upper.channels; k++)
        memcpy(out + k * to, weight + k * from, to * sizeof *out);
}

/* Fewer channels: those of a link in groups stay in theirs. */
static void cut_channels(struct link *link, size_t lower, size_t upper)
{
    bool alone = link->kind == LINK_CONVOLUTION && network_diagonal(link);

    if (link->kind == LINK_CONVOLUTION && link->groups > 1 && !alone)
        return;
    link->lower.channels = smaller(alone ? smaller(lower, upper) : lower, link->lower.channels);
    link->upper.channels = smaller(alone ? smaller(lower, upper) : upper, link->upper.channels);
    link->groups = alone ? link->upper.channels : link->groups;
}

/* Fewer windows in one direction, from the first on, and the positions that they see; returns how many of these no
 * other window sees. */
static size_t cut_side(size_t *lower, size_t *upper, size_t side, size_t size, size_t stride, size_t before)
{
    size_t all = *upper, seen = smaller(side, all) * stride;

    if (side >= all)
        return *lower;
    *upper = side;
    *lower = smaller(*lower, (side - 1) * stride + size);
    return smaller(*lower, seen - smaller(seen, before));
}

static void part_free(struct part *part)
{
    free(part->memory);
    free(part->weight);
}

/* Cut a link down to so many channels and, if it is a convolution, to `side` neurons. */
static enum status part_make(struct part *part, const struct bench_operands *o, size_t lower, size_t upper, size_t side,
                             struct error *err)
{
    const struct link *whole = o->link->link;
    struct link link = *whole;
    bool convolution = whole->kind == LINK_CONVOLUTION;
    struct window w = whole->window;

    cut_channels(&link, lower, upper);
    struct shape below = link.lower;
    if (convolution) {
        below.height = cut_side(&link.lower.height, &link.upper.height, side, w.height, w.down, w.top);
        below.width = cut_side(&link.lower.width, &link.upper.width, side, w.width, w.across, w.left);
    }
    size_t nlower = shape_neurons(link.lower), nupper = shape_neurons(link.upper);
    size_t nweights = network_weight_floats(&link), pairs = link.lower.channels * link.upper.channels;
    *part = (struct part){.operands = o, .link = link, .above = link.upper, .below = below};
    /* long double sums take two places each */
    part->memory = calloc(5 * nlower + 10 * nupper + 2 * link.lower.channels + pairs + 16, sizeof *part->memory);
    part->weight = malloc(nweights * sizeof *part->weight);
    if (!part->memory || !part->weight) {
        part_free(part);
        return error_set(err, FAIL_RESOURCE, "no memory to compare %s with the reference", whole->name);
    }
    part->next = part->memory;
    part->reference = (struct reference_link){.rule = o->link->rule,
                                              .bias_mode = o->link->bias_mode,
                                              .pool = o->link->pool,
                                              .weight = part->weight,
                                              .bias = o->link->bias};
    part->reference.sums = (long double *)(void *)take(part, 2 * (nlower + 2 * nupper));
    double *low = take(part, link.lower.channels), *high = take(part, link.lower.channels);
    double *a = take(part, nlower), *z = take(part, nupper);
    part->reference.c[0] = take(part, nupper);
    part->reference.c[1] = take(part, nupper);
    part->in = take(part, nlower + nupper);
    part->out = take(part, nlower + nupper + pairs);
    for (size_t c = 0; c < link.lower.channels && o->link->low; c++) {
        low[c] = (double)o->link->low[c];
        high[c] = (double)o->link->high[c];
    }
    cut_weight(part->weight, whole, &link, o->link->weight);
    cut(a, o->a, o->lower, link.lower);
    cut(z, o->z, o->upper, link.upper);
    part->reference.low = low;
    part->reference.high = high;
    part->reference.a = a;
    part->reference.z = part->z = z;
    return OK;
}

/* The kernel's own coefficients, so that only the operation after them is compared. One array of both branches of gamma
 * is positive where the first acts, and negative where the second does. */
static void use_coefficients(struct part *part)
{
    const struct bench_operands *o = part->operands;
    size_t terms = link_terms(o->link), n = shape_neurons(part->link.upper);

    for (size_t t = 0; t < o->link->parts.nterms; t++) {
        double *c = part->reference.c[t];
        cut(c, o->c + smaller(t, terms - 1) * o->n * layout_floats(o->upper), o->upper, part->link.upper);
        for (size_t i = 0; i < n && terms < o->link->parts.nterms; i++)
            c[i] = (t ? -c[i] : c[i]) > 0 ? c[i] : 0;
    }
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

struct worst {
    double error, value;
};

static void compare(struct worst *worst, double got, double want)
{
    worst->error = fmax(worst->error, fabs(got - want));
    worst->value = fmax(worst->value, fabs(want));
}

static double relative(struct worst worst)
{
    return worst.value > 0 ? worst.error / worst.value : worst.error;
}

/* Neurons of `shape` that do not depend on the part that was cut off. */
static double compare_neurons(const struct part *part, const float *got, struct layout layout, struct shape shape,
                              struct shape compared)
{
    struct worst worst = {0};

    for (size_t c = 0; c < compared.channels; c++)
        for (size_t y = 0; y < compared.height; y++)
            for (size_t x = 0; x < compared.width; x++)
                compare(&worst, (double)got[layout_index(layout, c, y, x)],
                        part->out[(c * shape.height + y) * shape.width + x]);
    return relative(worst);
}

/* Denominators, where the kernel and the reference both have the branch. */
static double compare_denominators(const struct part *part)
{
    const struct bench_operands *o = part->operands;
    struct shape upper = part->link.upper;
    struct worst worst = {0};

    for (size_t t = 0; t < o->link->parts.nterms; t++)
        for (size_t c = 0; c < upper.channels; c++)
            for (size_t y = 0; y < upper.height; y++)
                for (size_t x = 0; x < upper.width; x++) {
                    size_t at = smaller(t, link_terms(o->link) - 1) * o->n * layout_floats(o->upper) +
                                layout_index(o->upper, c, y, x);
                    double want = part->reference.c[t][(c * upper.height + y) * upper.width + x];
                    if (want != 0 && o->c[at] != 0)
                        compare(&worst, 1 / (double)o->c[at], 1 / want);
                }
    return relative(worst);
}

/* ---- the operations -------------------------------------------------------------------------------------------- */

/* Operations with an output above: they need all channels below. */
static enum status compare_up(double errors[BENCH_OPERATIONS], const struct bench_operands *o, struct error *err)
{
    struct part part;
    enum status rc = part_make(&part, o, SIZE_MAX, CHANNELS, SIDE, err);

    if (rc != OK)
        return rc;
    part.reference.link = &part.link;
    reference_forward(part.out, &part.reference);
    memcpy(part.z, part.out, shape_neurons(part.link.upper) * sizeof *part.z);
    reference_prepare(&part.reference);
    for (size_t i = 0; i < shape_neurons(part.link.upper); i++)
        part.out[i] = reference_activation(part.link.activation, part.out[i]);
    errors[BENCH_FORWARD] =
        fmax(compare_neurons(&part, o->z, o->upper, part.link.upper, part.above), compare_denominators(&part));
    memset(part.reference.c[0], 0, 2 * shape_neurons(part.link.upper) * sizeof(double));
    use_coefficients(&part);
    cut(part.in, o->h_lower, o->lower, part.link.lower);
    reference_lift(part.out, &part.reference, part.in);
    errors[BENCH_LIFT] = compare_neurons(&part, o->h_upper, o->upper, part.link.upper, part.above);
    part_free(&part);
    return OK;
}

static enum status compare_back(double errors[BENCH_OPERATIONS], const struct bench_operands *o, struct error *err)
{
    struct part part;
    size_t channels = o->link->link->kind == LINK_DENSE ? DENSE_CHANNELS : CHANNELS;
    enum status rc = part_make(&part, o, channels, SIZE_MAX, SIDE, err);

    if (rc != OK)
        return rc;
    part.reference.link = &part.link;
    use_coefficients(&part);
    cut(part.in, o->r_upper, o->upper, part.link.upper);
    reference_backward(part.out, &part.reference, part.in);
    errors[BENCH_BACKWARD] = compare_neurons(&part, o->r_lower, o->lower, part.link.lower, part.below);
    part_free(&part);
    return OK;
}

static enum status compare_joint(double errors[BENCH_OPERATIONS], const struct bench_operands *o, struct error *err)
{
    struct part part;
    struct worst worst = {0};
    enum status rc = part_make(&part, o, JOINT_CHANNELS, JOINT_CHANNELS, SIZE_MAX, err);

    if (rc != OK)
        return rc;
    part.reference.link = &part.link;
    use_coefficients(&part);
    cut(part.in, o->r_upper, o->upper, part.link.upper);
    reference_flow(part.out, &part.reference, part.in, NULL);
    size_t from = network_diagonal(&part.link) ? 1 : o->link->link->lower.channels;
    size_t to = network_diagonal(&part.link) ? 1 : part.link.lower.channels;
    for (size_t k = 0; k < part.link.upper.channels; k++)
        for (size_t c = 0; c < to; c++)
            compare(&worst, (double)o->joint[k * from + c], part.out[k * to + c]);
    errors[BENCH_FLOW] = relative(worst);
    part_free(&part);
    return OK;
}

enum status bench_accuracy(double errors[BENCH_OPERATIONS], const struct bench_operands *operands, struct error *err)
{
    enum status rc = OK;

    TRY(compare_up(errors, operands, err));
    TRY(compare_back(errors, operands, err));
    TRY(compare_joint(errors, operands, err));
done:
    return rc;
}
