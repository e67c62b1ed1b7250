/* Convolutions of every channel alone, between variables in blocks of channels, row by row: for rules whose denominator
 * is z or one more sum (gamma, zplus where inputs and outputs are not negative). */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/taps.h"

#include <string.h>

/* W and W', [block][tap][16]; b, b' and the term's scale, [K] and zeros. */
enum { OWN, FORM, OWN_BIAS, BIAS, SCALE };

static const struct ops_gather plain = {1, 1, false};

static bool has_second(const struct link_plan *plan)
{
    return !link_denominator_is_z(plan);
}

static int suits(const struct link_plan *plan)
{
    const struct link *link = plan->link;
    bool favours = (plan->rule.kind == RULE_GAMMA || plan->rule.kind == RULE_ZPLUS) && !plan->signed_input &&
                   !plan->both_branches && plan->bias_mode == BIAS_NEURON;

    if (link->kind != LINK_CONVOLUTION || !network_diagonal(link) || plan->lower.lanes != LAYOUT_LANES ||
        plan->upper.lanes != LAYOUT_LANES)
        return 0;
    return link_denominator_is_z(plan) || favours ? 2 : 0;
}

static size_t taps_of(const struct link *link)
{
    return link->window.height * link->window.width;
}

static size_t blocks_of(const struct link_plan *plan)
{
    return padded(plan->link->upper.channels) / LAYOUT_LANES;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static void sizes(size_t floats[LINK_PACKED], const struct link_plan *plan)
{
    size_t channels = padded(plan->link->upper.channels);

    floats[OWN] = channels * taps_of(plan->link);
    floats[FORM] = has_second(plan) ? floats[OWN] : 0;
    floats[OWN_BIAS] = floats[BIAS] = floats[SCALE] = channels;
}

static void pack_weights(float *packed, const float *w, const struct link *link)
{
    size_t taps = taps_of(link);

    memset(packed, 0, padded(link->upper.channels) * taps * sizeof *packed);
    for (size_t k = 0; k < link->upper.channels; k++)
        for (size_t tap = 0; tap < taps; tap++)
            packed[(k / LAYOUT_LANES * taps + tap) * LAYOUT_LANES + k % LAYOUT_LANES] = *w++;
}

static void pack(float *const packed[LINK_PACKED], const struct link_plan *plan)
{
    size_t channels = plan->link->upper.channels;

    pack_weights(packed[OWN], plan->weight, plan->link);
    if (packed[FORM])
        pack_weights(packed[FORM], plan->forms[0], plan->link);
    link_pad_bias(packed[OWN_BIAS], plan);
    memcpy(packed[BIAS], plan->bias_forms[0], padded(channels) * sizeof(float));
    for (size_t k = 0; k < padded(channels); k++)
        packed[SCALE][k] = k < channels ? (float)plan->parts.term[0].scale : 0;
}

/* Of W', by which relevance is shared. */
static const float *form_of(const struct link_plan *plan)
{
    return plan->packed[has_second(plan) ? FORM : OWN];
}

/* Two rows of the upper map; a block of the lower variable. */
static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    return (struct link_scratch_floats){.work = 2 * plan->upper.shape.width * LAYOUT_LANES,
                                        .lower = plan->lower.rows * plan->lower.columns * LAYOUT_LANES,
                                        .sums = n * plan->link->upper.channels};
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* A row of the upper map of one block. */
static struct piece row_of(size_t image, size_t row)
{
    return (struct piece){.image = image, .row = row, .rows = 1};
}

static struct piece map_of(struct layout layout, size_t image)
{
    return (struct piece){.image = image, .rows = layout.shape.height};
}

/* Floats from the start of a block of the lower variable to a neuron. */
static size_t place(struct layout layout, size_t row, size_t column)
{
    return layout.origin + (row * layout.columns + column) * LAYOUT_LANES;
}

/* Float at which a block of an image begins, border included. */
static size_t block_at(struct layout layout, size_t image, size_t block)
{
    return image * layout_floats(layout) + block * layout.rows * layout.columns * LAYOUT_LANES;
}

/* z = the sum over taps of w x, for a row of windows of one block. */
static void sum_row(float *z, const float *x, const float *w, size_t row, const struct link_plan *plan)
{
    memset(z, 0, plan->upper.shape.width * LAYOUT_LANES * sizeof *z);
    for (size_t tap = 0; tap < taps_of(plan->link); tap++) {
        struct taps_target from = taps_target(plan->link, tap, row);
        if (from.count)
            plan->ops->positions_accumulate(z + from.first * LAYOUT_LANES, 1,
                                            x + place(plan->lower, from.row, from.column), plan->link->window.across,
                                            w + tap * LAYOUT_LANES, from.count);
    }
}

/* Its adjoint, added to x. */
static void spread_row(float *x, const float *s, const float *w, size_t row, const struct link_plan *plan)
{
    for (size_t tap = 0; tap < taps_of(plan->link); tap++) {
        struct taps_target to = taps_target(plan->link, tap, row);
        if (to.count)
            plan->ops->positions_accumulate(x + place(plan->lower, to.row, to.column), plan->link->window.across,
                                            s + to.first * LAYOUT_LANES, 1, w + tap * LAYOUT_LANES, to.count);
    }
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void forward_block(const struct link_call *call, size_t image, size_t block, struct ops_evaluate evaluate,
                          struct channels_summary *summaries)
{
    const struct link_plan *plan = call->plan;
    size_t width = plan->upper.shape.width, weights = block * taps_of(plan->link) * LAYOUT_LANES;
    const float *x = call->a + block_at(plan->lower, image, block);
    float *z = call->scratch->work, *second = z + width * LAYOUT_LANES;
    struct piece map = map_of(plan->upper, image);
    struct ops_block rows = piece_block(plan->upper, &map, block);

    evaluate.bias += block * LAYOUT_LANES;
    evaluate.second_bias += block * LAYOUT_LANES;
    evaluate.scale += block * LAYOUT_LANES;
    for (size_t row = 0; row < plan->upper.shape.height; row++) {
        struct piece piece = row_of(image, row);
        size_t at = image * link_upper_floats(plan) + piece_at(plan->upper, &piece, block, 0);
        sum_row(z, x, plan->packed[OWN] + weights, row, plan);
        if (has_second(plan))
            sum_row(second, x, plan->packed[FORM] + weights, row, plan);
        plan->ops->positions_evaluate(call->upper + at, call->c_out + at, z, second, width, &evaluate);
    }
    if (summaries)
        plan->ops->channels_summary(
            summaries + image * plan->link->upper.channels + block * LAYOUT_LANES,
            call->upper + image * link_upper_floats(plan) + piece_at(plan->upper, &map, block, 0), NULL, &rows);
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct ops_evaluate evaluate = {.denominator = has_second(plan) ? OPS_DENOMINATOR_SECOND : OPS_DENOMINATOR_Z,
                                    .bias = plan->packed[OWN_BIAS],
                                    .second_bias = plan->packed[BIAS],
                                    .scale = plan->packed[SCALE],
                                    .eps = (float)plan->parts.term[0].eps,
                                    .select = has_second(plan),
                                    .nonnegative = plan->parts.part[0].form == FORM_POSITIVE};
    bool bounded = activation_bounds(&evaluate.low, &evaluate.high, plan->link->activation);

    for (size_t i = 0; i < call->n * plan->link->upper.channels && call->summaries; i++)
        call->summaries[i] = channels_nothing;
    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++)
            forward_block(call, i, block, evaluate, bounded ? call->summaries : NULL);
    piece_clear_border(call->upper, plan->upper, call->n);
    piece_clear_border(call->c_out, plan->upper, call->n);
    if (!bounded)
        link_activate(call);
}

/* r_lower (+)= a x of one block, with its border, and summaries. */
static void finish_down(const struct link_call *call, size_t image, size_t block, const float *x)
{
    const struct link_plan *plan = call->plan;
    size_t at = block_at(plan->lower, image, block), own = block_at(plan->lower, call->one_image ? 0 : image, block);

    plan->ops->positions_multiply(call->r_lower + at, x, NULL, call->a + own, plan->lower.rows * plan->lower.columns,
                                  call->add);
}

static void backward_block(const struct link_call *call, size_t image, size_t block)
{
    const struct link_plan *plan = call->plan;
    size_t width = plan->upper.shape.width, floats = link_upper_floats(plan);
    const float *w = form_of(plan) + block * taps_of(plan->link) * LAYOUT_LANES;
    float *s = call->scratch->work, *x = call->scratch->lower;

    memset(x, 0, plan->lower.rows * plan->lower.columns * LAYOUT_LANES * sizeof *x);
    for (size_t row = 0; row < plan->upper.shape.height; row++) {
        struct piece piece = row_of(image, row);
        size_t at = piece_at(plan->upper, &piece, block, 0);
        const float *r = call->r_upper + image * floats + at,
                    *c = call->c + (call->one_image ? 0 : image * floats) + at;
        struct ops_block rows = piece_block(plan->upper, &piece, block);
        plan->ops->positions_gather(s, c, r, width, &plain);
        spread_row(x, s, w, row, plan);
        if (call->ledger)
            plan->ops->channels_ledger(call->scratch->sums + image * plan->link->upper.channels + block * LAYOUT_LANES,
                                       r, c, c, &rows);
    }
    finish_down(call, image, block, x);
}

/* z = W' (a v) of a row of one block; x = a v of the block is in the scratch memory. */
static const float *lifted_row(const struct link_call *call, size_t block, size_t row)
{
    const struct link_plan *plan = call->plan;

    sum_row(call->scratch->work, call->scratch->lower, form_of(plan) + block * taps_of(plan->link) * LAYOUT_LANES, row,
            plan);
    return call->scratch->work;
}

/* a v of one block, v NULL meaning one, with its border. */
static void weight_block(const struct link_call *call, size_t image, size_t block, const float *v)
{
    struct layout lower = call->plan->lower;
    const float *a = call->a + block_at(lower, call->one_image ? 0 : image, block);

    call->plan->ops->positions_gather(call->scratch->lower, a, v ? v + block_at(lower, image, block) : NULL,
                                      lower.rows * lower.columns, &plain);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t floats = link_upper_floats(plan);

    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++) {
            weight_block(call, i, block, call->v_lower);
            for (size_t row = 0; row < plan->upper.shape.height; row++) {
                struct piece piece = row_of(i, row);
                size_t at = piece_at(plan->upper, &piece, block, 0);
                plan->ops->positions_multiply(call->v_upper + i * floats + at, lifted_row(call, block, row), NULL,
                                              call->c + (call->one_image ? 0 : i * floats) + at,
                                              plan->upper.shape.width, call->add);
            }
        }
    if (!call->add)
        piece_clear_border(call->v_upper, plan->upper, call->n);
}

/* joint[k] = the sum over channel k of R c W' (a h). */
static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    size_t width = plan->upper.shape.width, channels = plan->link->upper.channels;
    float *s = call->scratch->work + width * LAYOUT_LANES;

    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++) {
            struct channels_summary sums[LAYOUT_LANES] = {{0, 0, 0, 0}};
            weight_block(call, i, block, call->h);
            for (size_t row = 0; row < plan->upper.shape.height; row++) {
                struct piece piece = row_of(i, row);
                size_t at = i * link_upper_floats(plan) + piece_at(plan->upper, &piece, block, 0);
                struct ops_block rows = piece_block(plan->upper, &piece, block);
                plan->ops->positions_gather(s, call->c + at, call->r_upper + at, width, &plain);
                plan->ops->channels_summary(sums, s, lifted_row(call, block, row), &rows);
            }
            for (size_t k = 0; k < smaller(LAYOUT_LANES, channels - block * LAYOUT_LANES); k++)
                call->joint[i * channels + block * LAYOUT_LANES + k] = (float)sums[k].value;
        }
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;

    if (call->ledger)
        memset(call->scratch->sums, 0, call->n * plan->link->upper.channels * sizeof *call->scratch->sums);
    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++)
            backward_block(call, i, block);
    link_fill_ledger(call, call->scratch->sums);
    link_summarise_lower(call);
    if (call->joint)
        flow(call);
}

const struct link_backend link_depthwise = {
    .name = "depthwise",
    .takes = LINK_TAKES_SWEEPS,
    .fused = true,
    .adds = true,
    .suits = suits,
    .sizes = sizes,
    .pack = pack,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
