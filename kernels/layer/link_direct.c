/* Convolutions between the network's input and a variable in blocks of channels, for any rule, by direct.h, or stem.h
 * for windows that are not 3x3 with stride 1. One convolution
 * computes all parts of a term, from the planes x of its parts, [parts][C][H][W]; the first part needs no planes if its
 * weights are the sum of the others'. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/stem.h"

#include <math.h>
#include <string.h>

enum {
    MOST_CHANNELS = 4, /* of the input */
    MOST_TAPS = 128    /* of a window */
};

/* The backend's arrays, from UP_OWN for the link itself, the others for each term. */
enum {
    UP_OWN,   /* W packed */
    OWN_BIAS, /* b, and zeros: [K] and zeros */
    NO_BIAS,
    JOINED, /* [K][planes][taps], of the parts that are computed */
    /* What parts with constant x, and b', add to the denominator, for each place (by how the map cuts its window);
     * only if the denominator is this plus the link's own z - b. */
    CONSTANT = JOINED + RULE_MAX_TERMS,
    UP = CONSTANT + RULE_MAX_TERMS, /* JOINED packed */
    DOWN = UP + RULE_MAX_TERMS,     /* and as adjoint */
    ARRAYS = DOWN + RULE_MAX_TERMS
};

_Static_assert(ARRAYS <= (int)LINK_PACKED, "LINK_PACKED is too small");

static size_t taps_of(const struct link *link)
{
    return link->window.height * link->window.width;
}

static int suits(const struct link_plan *plan)
{
    const struct link *link = plan->link;
    bool few = link->kind == LINK_CONVOLUTION && link->groups == 1 && plan->lower.lanes == 1 &&
               plan->upper.lanes == LAYOUT_LANES && link->lower.channels <= MOST_CHANNELS;
    bool narrow = link->window.width <= STEM_WIDTH && taps_of(link) <= MOST_TAPS;

    return few && (network_same3(link) ? layout_bordered(plan->upper) : narrow) ? 2 : 0;
}

/* ---- the maps of direct.h or stem.h ------------------------------------------------------------------------------ */

struct maps {
    size_t (*weights_floats)(const struct ops *ops, struct direct shape, bool adjoint);
    void (*pack)(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape);
    size_t (*scratch_floats)(struct direct shape);
    void (*forward)(float *y, const float *x, const float *packed, const float *bias, const struct ops *ops,
                    struct direct shape, float *scratch);
    void (*forward_row)(float *y, const float *x, size_t row, const float *packed, const float *bias,
                        const struct ops *ops, struct direct shape, float *scratch);
    void (*backward)(float *out, const float *s, const float *factor, const float *packed, const struct ops *ops,
                     struct direct shape, float *scratch);
    void (*gradient)(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                     struct direct shape, float *scratch);
};

static const struct maps same3 = {direct_weights_floats, direct_pack,     direct_scratch_floats, direct_forward,
                                  direct_forward_row,    direct_backward, direct_gradient};
static const struct maps any = {stem_weights_floats, stem_pack,     stem_scratch_floats, stem_forward,
                                stem_forward_row,    stem_backward, stem_gradient};

static const struct maps *maps_of(const struct link_plan *plan)
{
    return network_same3(plan->link) ? &same3 : &any;
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

/* The parts of a term are neighbours: the first, and one past the last. */
struct part_range {
    size_t first, end;
};

static struct part_range parts_of(const struct link_plan *plan, size_t term)
{
    struct part_range range = {plan->parts.nparts, 0};

    for (size_t p = 0; p < plan->parts.nparts; p++)
        if (plan->parts.part[p].term == term) {
            range.first = p < range.first ? p : range.first;
            range.end = p + 1;
        }
    return range;
}

static struct direct shape_of(const struct link_plan *plan, size_t planes)
{
    const struct link *link = plan->link;

    return (struct direct){.planes = planes,
                           .channels = link->upper.channels,
                           .height = link->lower.height,
                           .width = link->lower.width,
                           .down = window_down(link),
                           .across = window_across(link),
                           .upper = plan->upper};
}

static struct direct own_shape(const struct link_plan *plan)
{
    return shape_of(plan, plan->link->lower.channels);
}

/* The parts that are computed. If a term's weights are W, W+ and W-, the first is the sum of the others: its x is added
 * to theirs, and it is not computed. */
static struct part_range computed_parts(const struct link_plan *plan, size_t term)
{
    struct part_range parts = parts_of(plan, term);
    const struct rule_part *part = &plan->parts.part[parts.first];
    bool sum = parts.end - parts.first == 3 && part[0].form == FORM_WEIGHT && part[1].form == FORM_POSITIVE &&
               part[2].form == FORM_NEGATIVE;

    return (struct part_range){sum ? parts.first + 1 : parts.first, parts.end};
}

static struct direct term_shape(const struct link_plan *plan, size_t term)
{
    struct part_range parts = computed_parts(plan, term);

    return shape_of(plan, (parts.end - parts.first) * plan->link->lower.channels);
}

/* Whether x of a part is the activation or its positive or negative half, not a constant. */
static bool varies(enum rule_factor kind)
{
    return kind == FACTOR_ACTIVATION || kind == FACTOR_POSITIVE || kind == FACTOR_NEGATIVE;
}

/* x of one channel of a part: the activation clamped to bounds, or a constant. */
struct factor {
    float low, high, constant;
    bool varying;
};

static struct factor factor_of(const struct link_plan *plan, enum rule_factor kind, size_t channel)
{
    switch (kind) {
    case FACTOR_ONE:
        return (struct factor){.constant = 1};
    case FACTOR_MINUS_LOW:
        return (struct factor){.constant = -plan->low[channel]};
    case FACTOR_MINUS_HIGH:
        return (struct factor){.constant = -plan->high[channel]};
    case FACTOR_POSITIVE:
        return (struct factor){.low = 0, .high = INFINITY, .varying = true};
    case FACTOR_NEGATIVE:
        return (struct factor){.low = -INFINITY, .high = 0, .varying = true};
    case FACTOR_ACTIVATION:
        break;
    }
    return (struct factor){.low = -INFINITY, .high = INFINITY, .varying = true};
}

static float value_of(struct factor x, float a)
{
    return x.varying ? clamp(a, x.low, x.high) : x.constant;
}

/* x of one channel of a computed part: its own, and that of the part that is not computed. */
struct factors {
    struct factor own, other;
};

static struct factors factors_of(const struct link_plan *plan, size_t term, size_t part, size_t channel)
{
    size_t first = parts_of(plan, term).first;
    struct factors x = {.own = factor_of(plan, plan->parts.part[part].factor, channel)};

    if (computed_parts(plan, term).first > first)
        x.other = factor_of(plan, plan->parts.part[first].factor, channel);
    return x;
}

static float sum_of(struct factors x, float a)
{
    return value_of(x.own, a) + value_of(x.other, a);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* Whether the only part of a term whose x varies is that of the link's own z. */
static bool has_constant(const struct link_plan *plan, size_t term)
{
    struct part_range parts = parts_of(plan, term);
    size_t own = 0;

    for (size_t p = parts.first; p < parts.end; p++) {
        const struct rule_part *part = &plan->parts.part[p];
        bool is_z = part->factor == FACTOR_ACTIVATION && part->form == FORM_WEIGHT;
        if (!is_z && varies(part->factor))
            return false;
        own += is_z;
    }
    return own == 1;
}

/* How the map cuts a window in one direction: taps before it, and behind it. */
static size_t cuts(struct window_axis axis, size_t window)
{
    struct window_span taps = window_taps(axis, window);

    return taps.first * axis.taps + axis.taps - taps.end;
}

static size_t cuts_count(struct window_axis axis)
{
    return (axis.before + 1) * axis.taps;
}

static size_t places_of(const struct link *link)
{
    return cuts_count(window_down(link)) * cuts_count(window_across(link));
}

static size_t constant_floats(const struct link_plan *plan, size_t term)
{
    return has_constant(plan, term) ? places_of(plan->link) * padded(plan->link->upper.channels) : 0;
}

static void sizes(size_t floats[LINK_PACKED], const struct link_plan *plan)
{
    size_t channels = plan->link->upper.channels;

    const struct maps *maps = maps_of(plan);

    floats[UP_OWN] = maps->weights_floats(plan->ops, own_shape(plan), false);
    floats[OWN_BIAS] = floats[NO_BIAS] = padded(channels);
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        struct direct shape = term_shape(plan, t);
        floats[JOINED + t] = channels * shape.planes * taps_of(plan->link);
        floats[CONSTANT + t] = constant_floats(plan, t);
        floats[UP + t] = maps->weights_floats(plan->ops, shape, false);
        floats[DOWN + t] = maps->weights_floats(plan->ops, shape, true);
    }
}

/* Weights times the constants, summed over the parts and channels, of one upper channel. */
static void constant_taps(double taps[MOST_TAPS], const struct link_plan *plan, size_t term, size_t k)
{
    struct part_range parts = parts_of(plan, term);
    size_t channels = plan->link->lower.channels, n = taps_of(plan->link);

    memset(taps, 0, n * sizeof *taps);
    for (size_t p = parts.first; p < parts.end; p++)
        for (size_t c = 0; c < channels; c++) {
            struct factor x = factor_of(plan, plan->parts.part[p].factor, c);
            for (size_t tap = 0; tap < n && !x.varying; tap++)
                taps[tap] += (double)x.constant * (double)plan->forms[p][(k * channels + c) * n + tap];
        }
}

/* Whether tap t of a window that is cut like that reads a neuron. */
static bool reads(struct window_axis axis, size_t cut, size_t t)
{
    return t >= cut / axis.taps && t < axis.taps - cut % axis.taps;
}

/* The convolution of constants, [places][K]: every place sums the taps that are inside the map. */
static void fill_constant(float *constant, const struct link_plan *plan, size_t term)
{
    struct window_axis down = window_down(plan->link), across = window_across(plan->link);
    size_t channels = plan->link->upper.channels, columns = cuts_count(across);
    double taps[MOST_TAPS];

    memset(constant, 0, constant_floats(plan, term) * sizeof *constant);
    for (size_t k = 0; k < channels; k++) {
        constant_taps(taps, plan, term, k);
        for (size_t place = 0; place < places_of(plan->link); place++) {
            double sum = (double)plan->bias_forms[term][k];
            for (size_t tap = 0; tap < taps_of(plan->link); tap++)
                sum +=
                    reads(down, place / columns, tap / across.taps) && reads(across, place % columns, tap % across.taps)
                        ? taps[tap]
                        : 0;
            constant[place * padded(channels) + k] = (float)sum;
        }
    }
}

/* Weights [K][planes][height][width] of the parts that are computed. */
static void join(float *to, const struct link_plan *plan, size_t term)
{
    struct part_range parts = computed_parts(plan, term);
    size_t each = plan->link->lower.channels * taps_of(plan->link);

    for (size_t k = 0; k < plan->link->upper.channels; k++)
        for (size_t p = parts.first; p < parts.end; p++, to += each)
            memcpy(to, plan->forms[p] + k * each, each * sizeof *to);
}

static void pack(float *const packed[LINK_PACKED], const struct link_plan *plan)
{
    const struct maps *maps = maps_of(plan);

    maps->pack(packed[UP_OWN], plan->weight, false, plan->ops, own_shape(plan));
    link_pad_bias(packed[OWN_BIAS], plan);
    memset(packed[NO_BIAS], 0, padded(plan->link->upper.channels) * sizeof(float));
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        join(packed[JOINED + t], plan, t);
        maps->pack(packed[DOWN + t], packed[JOINED + t], true, plan->ops, term_shape(plan, t));
        maps->pack(packed[UP + t], packed[JOINED + t], false, plan->ops, term_shape(plan, t));
        if (packed[CONSTANT + t])
            fill_constant(packed[CONSTANT + t], plan, t);
    }
}

/* Planes of the term with most. */
static size_t most_planes(const struct link_plan *plan)
{
    size_t most = 0;

    for (size_t t = 0; t < plan->parts.nterms; t++)
        most = larger(most, term_shape(plan, t).planes);
    return most;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    (void)n;
    size_t planes = most_planes(plan), gradient = plan->link->upper.channels * planes * taps_of(plan->link);

    return (struct link_scratch_floats){.upper = layout_floats(plan->upper) + gradient,
                                        .lower = planes * shape_positions(plan->link->lower),
                                        .work = maps_of(plan)->scratch_floats(shape_of(plan, planes)),
                                        .sums = plan->link->upper.channels};
}

/* ---- planes ------------------------------------------------------------------------------------------------------ */

/* planes = x v of every computed part of a term; v NULL means one. */
static void fill_planes(float *restrict planes, const struct link_plan *plan, size_t term, const float *restrict a,
                        const float *restrict v)
{
    size_t positions = shape_positions(plan->link->lower), channels = plan->link->lower.channels;
    struct part_range parts = computed_parts(plan, term);

    for (size_t p = parts.first; p < parts.end; p++)
        for (size_t c = 0; c < channels; c++, planes += positions) {
            struct factors x = factors_of(plan, term, p, c);
            const float *own = a + c * positions, *weight = v ? v + c * positions : NULL;
            for (size_t i = 0; i < positions; i++)
                planes[i] = sum_of(x, own[i]) * (weight ? weight[i] : 1);
        }
}

/* r (+)= sum over the computed parts of x planes. */
static void add_planes(float *restrict r, const struct link_plan *plan, size_t term, const float *restrict a,
                       const float *restrict planes)
{
    size_t positions = shape_positions(plan->link->lower), channels = plan->link->lower.channels;
    struct part_range parts = computed_parts(plan, term);

    for (size_t p = parts.first; p < parts.end; p++)
        for (size_t c = 0; c < channels; c++, planes += positions) {
            struct factors x = factors_of(plan, term, p, c);
            bool first = term == 0 && p == parts.first;
            float *to = r + c * positions;
            const float *own = a + c * positions;
            for (size_t i = 0; i < positions; i++)
                to[i] = (first ? 0 : to[i]) + sum_of(x, own[i]) * planes[i];
        }
}

/* ---- the operations, on one image -------------------------------------------------------------------------------- */

/* The coefficients of row y from its z, which becomes the activation. Neighbours whose windows are cut alike share
 * their constants. */
static void finish_row(float *z, float *c, const struct link_plan *plan, size_t y)
{
    struct window_axis across = window_across(plan->link);
    struct shape shape = plan->link->upper;
    struct rule_term term = plan->parts.term[0];
    struct ops_finish finish = {
        .scale = (float)term.scale, .eps = (float)term.eps, .rectified = network_rectified(plan->link)};
    size_t row = cuts(window_down(plan->link), y) * cuts_count(across);

    for (size_t x = 0, end; x < shape.width; x = end) {
        size_t cut = cuts(across, x);
        for (end = x + 1; end < shape.width && cuts(across, end) == cut;)
            end++;
        for (size_t k = 0; k < shape.channels; k += LAYOUT_LANES) {
            size_t at = layout_index(plan->upper, k, y, x);
            finish.bias = plan->packed[OWN_BIAS] + k;
            finish.constant = plan->packed[CONSTANT] + (row + cut) * padded(shape.channels) + k;
            plan->ops->direct_finish(z + at, c + at, end - x, &finish);
        }
    }
}

/* z, the coefficients and the activation together. */
static void forward_fused(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    for (size_t y = 0; y < plan->link->upper.height; y++) {
        maps_of(plan)->forward_row(call->upper, call->a, y, plan->packed[UP_OWN], plan->packed[OWN_BIAS], plan->ops,
                                   own_shape(plan), call->scratch->work);
        finish_row(call->upper, call->c_out, plan, y);
    }
    layout_clear_border(call->upper, plan->upper);
    layout_clear_border(call->c_out, plan->upper);
    if (!network_rectified(plan->link))
        activation_apply(call->upper, plan->link->activation, plan->upper, 1);
}

/* The denominator of a term: the sum over its parts, and b'. */
static void denominator(float *z, const struct link_call *call, size_t term)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;

    fill_planes(scratch->lower, plan, term, call->a, NULL);
    maps_of(plan)->forward(z, scratch->lower, plan->packed[UP + term], plan->bias_forms[term], plan->ops,
                           term_shape(plan, term), scratch->work);
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    if (call->c_out && plan->parts.nterms == 1 && plan->packed[CONSTANT] &&
        plan->parts.term[0].selector == SELECT_ALL && !link_denominator_is_z(plan)) {
        forward_fused(call);
        return;
    }
    maps_of(plan)->forward(call->upper, call->a, plan->packed[UP_OWN], plan->packed[OWN_BIAS], plan->ops,
                           own_shape(plan), call->scratch->work);
    link_finish_forward(call, denominator);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;

    for (size_t t = 0; t < plan->parts.nterms; t++) {
        maps_of(plan)->backward(scratch->lower, call->r_upper, call->c + link_term(call, t), plan->packed[DOWN + t],
                                plan->ops, term_shape(plan, t), scratch->work);
        add_planes(call->r_lower, plan, t, call->a, scratch->lower);
    }
    link_fill_ledger(call, NULL);
}

/* Row y of v (+)= c z; z may be v. */
static void multiply_row(float *v, const float *c, const float *z, struct layout layout, size_t y, bool add)
{
    size_t floats = layout.shape.width * layout.lanes;

    for (size_t k = 0; k < layout.shape.channels; k += layout.lanes) {
        size_t at = layout_index(layout, k, y, 0);
        for (size_t i = at; i < at + floats; i++)
            v[i] = (add ? v[i] : 0) + c[i] * z[i];
    }
}

/* Row by row, so that z is still in the cache when it is multiplied. */
static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;

    for (size_t t = 0; t < plan->parts.nterms; t++) {
        float *z = t == 0 ? call->v_upper : scratch->upper;
        fill_planes(scratch->lower, plan, t, call->a, call->v_lower);
        for (size_t y = 0; y < plan->link->upper.height; y++) {
            maps_of(plan)->forward_row(z, scratch->lower, y, plan->packed[UP + t], plan->packed[NO_BIAS], plan->ops,
                                       term_shape(plan, t), scratch->work);
            multiply_row(call->v_upper, call->c + link_term(call, t), z, plan->upper, y, t > 0);
        }
    }
    layout_clear_border(call->v_upper, plan->upper);
}

static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_scratch *scratch = call->scratch;
    size_t channels = plan->link->lower.channels;
    float *gradient = scratch->upper + link_upper_floats(plan);

    memset(call->joint, 0, plan->link->upper.channels * channels * sizeof *call->joint);
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        size_t planes = term_shape(plan, t).planes, taps = taps_of(plan->link);
        const float *w = plan->packed[JOINED + t];
        fill_planes(scratch->lower, plan, t, call->a, call->h);
        maps_of(plan)->gradient(gradient, call->r_upper, call->c + link_term(call, t), scratch->lower, plan->ops,
                                term_shape(plan, t), scratch->work);
        for (size_t i = 0; i < plan->link->upper.channels * planes; i++)
            for (size_t tap = 0; tap < taps; tap++)
                call->joint[i / planes * channels + i % channels] += w[i * taps + tap] * gradient[i * taps + tap];
    }
}

const struct link_backend link_direct = {
    .name = "direct",
    .takes = LINK_TAKES_IMAGE,
    .suits = suits,
    .sizes = sizes,
    .pack = pack,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
