/* Convolutions in one group between variables in blocks of channels, by taps.h, for rules whose denominators are z, one
 * more sum with weights of its own, or, for gamma with signed inputs or outputs, from the sum of magnitudes
 * T = |W| |a| + |b|: positive contributions are (z + T) / 2, negative ones (z - T) / 2, so that
 *
 *   d = z + g (z + T) / 2 where z > 0,  z + g (z - T) / 2 where z < 0,     c = 1 / stab(d), of z's sign
 *   r = a W' (1 + g / 2) R c + |a| |W|' g / 2 R |c|
 *
 * One array c serves both terms of the rule. d is no smaller than z in magnitude, whatever the rounding. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/taps.h"

#include <math.h>
#include <string.h>

/* Packed W, and W' or |W|, upwards; W' or W, and |W|, as adjoint downwards; b, and b' or |b|, and the term's scale, [K]
 * and zeros. */
enum { UP_OWN, UP, DOWN, DOWN_MAGNITUDE, OWN_BIAS, BIAS, SCALE };

/* ---- which links ------------------------------------------------------------------------------------------------- */

enum way { WAY_NONE, WAY_Z, WAY_SECOND, WAY_PAIR };

static enum way way_of(const struct link_plan *plan)
{
    enum rule_kind rule = plan->rule.kind;

    if (plan->bias_mode != BIAS_NEURON)
        return WAY_NONE;
    if (link_denominator_is_z(plan))
        return WAY_Z;
    if ((rule == RULE_GAMMA || rule == RULE_ZPLUS) && !plan->signed_input && !plan->both_branches)
        return WAY_SECOND;
    return rule == RULE_GAMMA && (!plan->signed_input || taps_pointwise(plan->link)) ? WAY_PAIR : WAY_NONE;
}

static int suits(const struct link_plan *plan)
{
    const struct link *link = plan->link;
    bool fits = link->kind == LINK_CONVOLUTION && link->groups == 1 && plan->lower.lanes == LAYOUT_LANES &&
                plan->upper.lanes == LAYOUT_LANES;

    if (!fits || way_of(plan) == WAY_NONE || (network_same3(link) && way_of(plan) == WAY_Z))
        return 0;
    return 2;
}

static struct taps taps_of(const struct link_plan *plan)
{
    return (struct taps){plan->link, plan->lower, plan->upper, plan->ops};
}

/* Factors of the two parts of gamma in pairs. */
static float own_share(const struct link_plan *plan)
{
    return way_of(plan) == WAY_PAIR ? 1 + (float)plan->rule.a / 2 : 1;
}

static float magnitude_share(const struct link_plan *plan)
{
    return (float)plan->rule.a / 2;
}

static size_t products(const struct link_plan *plan)
{
    return way_of(plan) == WAY_PAIR ? 2 : 1;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static void sizes(size_t floats[LINK_PACKED], const struct link_plan *plan)
{
    size_t up = taps_weights_floats(plan->link, false, plan->ops);
    size_t down = taps_weights_floats(plan->link, true, plan->ops), channels = padded(plan->link->upper.channels);
    enum way way = way_of(plan);

    floats[UP_OWN] = up;
    floats[DOWN] = down;
    floats[UP] = way == WAY_Z ? 0 : up;
    floats[DOWN_MAGNITUDE] = way == WAY_PAIR ? down : 0;
    floats[OWN_BIAS] = floats[BIAS] = floats[SCALE] = channels;
}

static void pack(float *const packed[LINK_PACKED], const struct link_plan *plan)
{
    const struct link *link = plan->link;
    size_t channels = link->upper.channels;
    bool pair = way_of(plan) == WAY_PAIR;

    taps_pack(packed[UP_OWN], plan->weight, TAPS_UP, plan->ops, link);
    taps_pack(packed[DOWN], pair ? plan->weight : plan->forms[0], TAPS_DOWN, plan->ops, link);
    if (packed[UP])
        taps_pack(packed[UP], pair ? plan->weight : plan->forms[0], pair ? TAPS_UP_MAGNITUDE : TAPS_UP, plan->ops,
                  link);
    if (packed[DOWN_MAGNITUDE])
        taps_pack(packed[DOWN_MAGNITUDE], plan->weight, TAPS_DOWN_MAGNITUDE, plan->ops, link);
    link_pad_bias(packed[OWN_BIAS], plan);
    memcpy(packed[BIAS], pair ? packed[OWN_BIAS] : plan->bias_forms[0], padded(channels) * sizeof(float));
    for (size_t k = 0; k < padded(channels) && pair; k++)
        packed[BIAS][k] = fabsf(packed[BIAS][k]);
    for (size_t k = 0; k < padded(channels); k++)
        packed[SCALE][k] = k < channels ? (float)plan->parts.term[0].scale : 0;
}

static size_t shared(const struct link_plan *plan)
{
    return taps_weights_floats(plan->link, false, plan->ops) * (way_of(plan) == WAY_Z ? 1 : 2);
}

static size_t one_term(const struct link_plan *plan)
{
    (void)plan;
    return 1;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    return (struct link_scratch_floats){.lower = taps_pointwise(plan->link) ? 0 : layout_floats(plan->lower),
                                        .work = taps_scratch_floats(taps_of(plan)),
                                        .sums = n * plan->link->upper.channels};
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

struct up {
    const struct link_call *call;
    struct ops_evaluate evaluate;
    struct channels_summary *summaries; /* NULL: not on the way */
};

static void finish_forward(void *context, const struct piece *piece, size_t block, size_t tap, const float *m,
                           const float *second)
{
    const struct up *up = context;
    const struct link_plan *plan = up->call->plan;
    struct layout upper = plan->upper;
    size_t image = piece->image * layout_floats(upper), step = piece_adjacent(upper, piece->rows);
    struct ops_evaluate evaluate = up->evaluate;

    (void)tap;
    evaluate.bias += block * LAYOUT_LANES;
    evaluate.second_bias += block * LAYOUT_LANES;
    evaluate.scale += block * LAYOUT_LANES;
    for (size_t r = 0; r < piece->rows; r += step) {
        size_t at = image + piece_at(upper, piece, block, r), from = r * upper.shape.width * LAYOUT_LANES;
        plan->ops->positions_evaluate(up->call->upper + at, up->call->c_out + at, m + from,
                                      second ? second + from : NULL, step * upper.shape.width, &evaluate);
    }
    if (up->summaries) {
        struct ops_block rows = piece_block(upper, piece, block);
        plan->ops->channels_summary(up->summaries + piece->image * upper.shape.channels + block * LAYOUT_LANES,
                                    up->call->upper + image + piece_at(upper, piece, block, 0), NULL, &rows);
    }
}

static struct ops_evaluate evaluate_of(const struct link_plan *plan)
{
    static const enum ops_denominator denominators[] = {
        [WAY_Z] = OPS_DENOMINATOR_Z, [WAY_SECOND] = OPS_DENOMINATOR_SECOND, [WAY_PAIR] = OPS_DENOMINATOR_GAMMA};
    enum way way = way_of(plan);
    struct ops_evaluate out = {.denominator = denominators[way],
                               .bias = plan->packed[OWN_BIAS],
                               .second_bias = plan->packed[BIAS],
                               .scale = plan->packed[SCALE],
                               .eps = (float)plan->parts.term[0].eps,
                               .gamma = (float)plan->rule.a,
                               .low = -INFINITY,
                               .high = INFINITY,
                               .select = way != WAY_Z && !plan->both_branches,
                               .nonnegative = way == WAY_SECOND && plan->parts.part[0].form == FORM_POSITIVE};

    activation_bounds(&out.low, &out.high, plan->link->activation);
    return out;
}

static void start_summaries(struct channels_summary *summaries, size_t n)
{
    for (size_t i = 0; i < n && summaries; i++)
        summaries[i] = channels_nothing;
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct up up = {.call = call, .evaluate = evaluate_of(plan)};
    bool bounded = activation_bounds(&(float){0}, &(float){0}, plan->link->activation);
    size_t sources = way_of(plan) == WAY_PAIR && plan->signed_input ? 2 : 1, floats = layout_floats(plan->lower);
    struct taps_call taps = {.images = call->n,
                             .nsources = sources,
                             .nproducts = way_of(plan) == WAY_Z ? 1 : 2,
                             .source = {{.x = call->a, .x_stride = floats, .scale = 1},
                                        {.x = call->a, .x_stride = floats, .scale = 1, .magnitude = true}},
                             .packed = {plan->packed[UP_OWN], plan->packed[UP]},
                             .beside = {{call->upper, link_upper_floats(plan)}},
                             .context = &up,
                             .finish = finish_forward};

    up.summaries = bounded ? call->summaries : NULL;
    start_summaries(up.summaries, call->n * plan->link->upper.channels);
    taps_up(&taps, taps_of(plan), call->scratch->work);
    piece_clear_border(call->upper, plan->upper, call->n);
    piece_clear_border(call->c_out, plan->upper, call->n);
    if (!bounded)
        link_activate(call);
}

/* ---- lift -------------------------------------------------------------------------------------------------------- */

static void finish_lift(void *context, const struct piece *piece, size_t block, size_t tap, const float *m,
                        const float *second)
{
    const struct link_call *call = context;
    struct layout upper = call->plan->upper;
    size_t image = piece->image * layout_floats(upper), step = piece_adjacent(upper, piece->rows);

    (void)tap;
    for (size_t r = 0; r < piece->rows; r += step) {
        size_t at = piece_at(upper, piece, block, r), from = r * upper.shape.width * LAYOUT_LANES;
        call->plan->ops->positions_multiply(call->v_upper + image + at, m + from, second ? second + from : NULL,
                                            call->c + (call->one_image ? 0 : image) + at, step * upper.shape.width,
                                            call->add);
    }
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t floats = layout_floats(plan->lower), own = call->one_image ? 0 : floats;
    struct link_call context = *call;
    struct taps_call taps = {
        .images = call->n,
        .nsources = products(plan),
        .nproducts = products(plan),
        .source = {{call->a, call->v_lower, own, floats, own_share(plan), false},
                   {call->a, call->v_lower, own, floats, magnitude_share(plan), true}},
        .packed = {plan->packed[way_of(plan) == WAY_SECOND ? UP : UP_OWN], plan->packed[UP]},
        .beside = {{call->c, call->one_image ? 0 : link_upper_floats(plan)}, {call->v_upper, link_upper_floats(plan)}},
        .context = &context,
        .finish = finish_lift};

    taps_up(&taps, taps_of(plan), call->scratch->work);
    if (!call->add)
        piece_clear_border(call->v_upper, plan->upper, call->n);
}

/* ---- flow -------------------------------------------------------------------------------------------------------- */

static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t upper = link_upper_floats(plan), lower = layout_floats(plan->lower);
    const float *packed[] = {plan->packed[DOWN], plan->packed[DOWN_MAGNITUDE]},
                shares[] = {own_share(plan), magnitude_share(plan)};

    memset(call->joint, 0, call->n * plan->link->upper.channels * plan->link->lower.channels * sizeof *call->joint);
    for (size_t i = 0; i < products(plan); i++) {
        struct taps_source above = {call->c, call->r_upper, upper, upper, shares[i], i > 0},
                           below = {call->a, call->h, lower, lower, 1, i > 0};
        taps_flow(call->joint, &above, &below, packed[i], call->n, taps_of(plan), call->scratch->work);
    }
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

struct down {
    const struct link_call *call;
    float *sum; /* of one image, of what the taps add; NULL: pointwise */
};

static void add_ledger(void *context, const struct piece *piece, size_t block)
{
    const struct down *down = context;
    const struct link_call *call = down->call;
    struct layout upper = call->plan->upper;
    size_t at = piece->image * layout_floats(upper) + piece_at(upper, piece, block, 0);
    struct ops_block rows = piece_block(upper, piece, block);

    call->plan->ops->channels_ledger(call->scratch->sums + piece->image * upper.shape.channels + block * LAYOUT_LANES,
                                     call->r_upper + at, call->c + at, call->c + at, &rows);
}

/* r_lower (+)= a m + |a| second in rows of an image's block, with summaries. */
static void multiply_rows(const struct link_call *call, const struct piece *piece, size_t block, const float *m,
                          const float *second, size_t m_row)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct layout lower = plan->lower;
    size_t image = piece->image * layout_floats(lower), width = lower.shape.width;
    size_t step = m_row == width * LAYOUT_LANES ? piece_adjacent(lower, piece->rows) : 1;
    size_t channel = piece->image * lower.shape.channels + block * LAYOUT_LANES;
    struct ops_block rows = piece_block(lower, piece, block);

    for (size_t r = 0; r < piece->rows; r += step) {
        size_t at = piece_at(lower, piece, block, r);
        plan->ops->positions_multiply(call->r_lower + image + at, m + r * m_row, second ? second + r * m_row : NULL,
                                      call->a + (call->one_image ? 0 : image) + at, step * width, call->add);
    }
    size_t first = image + piece_at(lower, piece, block, 0);
    if (ledger && ledger->summaries)
        plan->ops->channels_summary(ledger->summaries + channel, call->r_lower + first, NULL, &rows);
    if (ledger && ledger->weighted)
        plan->ops->channels_summary(ledger->weighted + channel, call->r_lower + first, ledger->h + first, &rows);
}

static void finish_pointwise(void *context, const struct piece *piece, size_t block, size_t tap, const float *m,
                             const float *second)
{
    const struct down *down = context;

    (void)tap;
    multiply_rows(down->call, piece, block, m, second, down->call->plan->lower.shape.width * LAYOUT_LANES);
}

/* What a tap adds to lower neurons; inputs are not negative, so that |a| is a. */
static void finish_tap(void *context, const struct piece *piece, size_t block, size_t tap, const float *m,
                       const float *second)
{
    static const float ones[LAYOUT_LANES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct down *down = context;
    const struct link_plan *plan = down->call->plan;
    size_t across = plan->link->window.across, width = plan->upper.shape.width;

    for (size_t r = 0; r < piece->rows; r++) {
        struct taps_target to = taps_target(plan->link, tap, piece->row + r);
        size_t from = (r * width + to.first) * LAYOUT_LANES;
        if (to.count == 0)
            continue;
        float *at = down->sum + layout_index(plan->lower, block * LAYOUT_LANES, to.row, to.column);
        plan->ops->positions_accumulate(at, across, m + from, 1, ones, to.count);
        if (second)
            plan->ops->positions_accumulate(at, across, second + from, 1, ones, to.count);
    }
}

static struct taps_call call_down(const struct link_call *call, size_t image, size_t n, struct down *down)
{
    const struct link_plan *plan = call->plan;
    size_t floats = link_upper_floats(plan), own = call->one_image ? 0 : floats, lower = layout_floats(plan->lower);
    const float *c = call->c + image * own, *r = call->r_upper + image * floats;

    return (struct taps_call){
        .images = n,
        .nsources = products(plan),
        .nproducts = products(plan),
        .source = {{c, r, own, floats, own_share(plan), false}, {c, r, own, floats, magnitude_share(plan), true}},
        .packed = {plan->packed[DOWN], plan->packed[DOWN_MAGNITUDE]},
        .beside = {{call->a, call->one_image ? 0 : lower}, {call->r_lower, lower}},
        .context = down,
        .gathered = call->ledger ? add_ledger : NULL,
        .finish = down->sum ? finish_tap : finish_pointwise};
}

/* Windows of several positions, one image. */
static void backward_image(const struct link_call *call, size_t i)
{
    const struct link_plan *plan = call->plan;
    struct layout lower = plan->lower;
    size_t upper = i * link_upper_floats(plan);
    struct link_ledger ledger = {NULL, NULL, NULL, NULL, NULL};
    struct link_scratch scratch = *call->scratch;
    struct link_call image = *call;
    struct down down = {&image, call->scratch->lower};
    struct taps_call taps = call_down(call, i, 1, &down);

    if (call->ledger) {
        const struct link_ledger *own = call->ledger;
        size_t floats = i * layout_floats(lower), channels = i * lower.shape.channels;
        ledger = (struct link_ledger){.summaries = own->summaries ? own->summaries + channels : NULL,
                                      .h = own->h ? own->h + floats : NULL,
                                      .weighted = own->weighted ? own->weighted + channels : NULL};
        image.ledger = &ledger;
        scratch.sums += i * plan->link->upper.channels;
        image.scratch = &scratch;
    }
    image.r_upper += upper;
    image.c += call->one_image ? 0 : upper;
    image.r_lower += i * layout_floats(lower);
    image.a += call->one_image ? 0 : i * layout_floats(lower);
    memset(down.sum, 0, layout_floats(lower) * sizeof *down.sum);
    taps_down(&taps, taps_of(plan), call->scratch->work);
    for (size_t block = 0; block < padded(lower.shape.channels) / LAYOUT_LANES; block++) {
        struct piece all = {.rows = lower.shape.height};
        multiply_rows(&image, &all, block, down.sum + piece_at(lower, &all, block, 0), NULL,
                      lower.columns * LAYOUT_LANES);
    }
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct down down = {call, NULL};

    if (ledger) {
        memset(call->scratch->sums, 0, call->n * plan->link->upper.channels * sizeof *call->scratch->sums);
        start_summaries(ledger->summaries, call->n * plan->link->lower.channels);
        start_summaries(ledger->weighted, call->n * plan->link->lower.channels);
    }
    if (taps_pointwise(plan->link)) {
        struct taps_call taps = call_down(call, 0, call->n, &down);
        taps_down(&taps, taps_of(plan), call->scratch->work);
    }
    for (size_t i = 0; i < call->n && !taps_pointwise(plan->link); i++)
        backward_image(call, i);
    if (!call->add)
        piece_clear_border(call->r_lower, plan->lower, call->n);
    link_fill_ledger(call, call->scratch->sums);
    if (call->joint)
        flow(call);
}

const struct link_backend link_taps = {
    .name = "taps",
    .takes = LINK_TAKES_SWEEPS,
    .fused = true,
    .adds = true,
    .suits = suits,
    .sizes = sizes,
    .pack = pack,
    .shared = shared,
    .terms = one_term,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
