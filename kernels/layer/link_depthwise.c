/* Convolutions of every channel alone, between variables in blocks of channels, in runs of rows that stay in the cache:
 * for rules whose denominator is z or one more sum (gamma, zplus where inputs and outputs are not negative). */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/piece.h"
#include "kernels/layer/window.h"

#include <string.h>

/* W and W', [block][tap][16]; b, b' and the term's scale, [K] and zeros. */
enum { OWN, FORM, OWN_BIAS, BIAS, SCALE };

enum {
    RUN = 128, /* positions at a time, unless a row is longer */
    MOST_TAPS = 128,
    MOST_STRIDE = 4
};

static const struct ops_gather plain = {.step = 1, .scale = 1};

static bool has_second(const struct link_plan *plan)
{
    return !link_denominator_is_z(plan);
}

static size_t taps_of(const struct link *link)
{
    return link->window.height * link->window.width;
}

static int suits(const struct link_plan *plan)
{
    const struct link *link = plan->link;
    bool favours = (plan->rule.kind == RULE_GAMMA || plan->rule.kind == RULE_ZPLUS) && !plan->signed_input &&
                   !plan->both_branches && plan->bias_mode == BIAS_NEURON;

    if (link->kind != LINK_CONVOLUTION || !network_diagonal(link) || plan->lower.lanes != LAYOUT_LANES ||
        plan->upper.lanes != LAYOUT_LANES || taps_of(link) > MOST_TAPS ||
        larger(link->window.down, link->window.across) > MOST_STRIDE)
        return 0;
    return link_denominator_is_z(plan) || favours ? 2 : 0;
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

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Rows of a map in one run, of those that lie next to each other. */
static size_t run_rows(struct layout layout)
{
    return piece_adjacent(layout, larger(1, smaller(RUN / layout.shape.width, layout.shape.height)));
}

static size_t run_floats(struct layout layout)
{
    return run_rows(layout) * layout.shape.width * LAYOUT_LANES;
}

/* A map of one block: with its border of the lower variable, without of the upper one. */
static size_t map_floats(const struct link_plan *plan)
{
    return larger(plan->lower.rows * plan->lower.columns, shape_positions(plan->upper.shape)) * LAYOUT_LANES;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    return (struct link_scratch_floats){.work = 2 * larger(run_floats(plan->upper), run_floats(plan->lower)),
                                        .lower = map_floats(plan),
                                        .sums = n * plan->link->upper.channels};
}

/* The run of an image that begins at a row. */
static struct piece run_at(struct layout layout, size_t image, size_t row)
{
    return (struct piece){.image = image, .row = row, .rows = smaller(run_rows(layout), layout.shape.height - row)};
}

/* Float of a run's first neuron among the arrays of all images, of which sweeps share one. */
static size_t run_place(struct layout layout, const struct piece *run, size_t block, bool shared)
{
    return (shared ? 0 : run->image * layout_floats(layout)) + piece_at(layout, run, block, 0);
}

/* Float at which a block of an image begins, border included. */
static size_t block_at(struct layout layout, size_t image, size_t block)
{
    return image * layout_floats(layout) + block * layout.rows * layout.columns * LAYOUT_LANES;
}

/* What is summed: positions of one block, and weights of its taps, `across` in a row; second NULL: only one sum. */
struct summed {
    const float *x, *w, *second;
    size_t columns, across; /* positions from row to row, taps in a row */
    const struct ops *ops;
};

static size_t list_taps(struct ops_tap *taps, const struct summed *of, const struct window_reach *down, size_t row,
                        const struct window_reach *across, size_t column)
{
    size_t n = 0;

    for (size_t u = 0; u < down->taps; u++)
        for (size_t v = 0; v < across->taps; v++) {
            size_t y = window_position(down, row, u), x = window_position(across, column, v);
            size_t weight =
                (down->weight + u * down->weight_step) * of->across + across->weight + v * across->weight_step;
            if (y < down->size && x < across->size)
                taps[n++] =
                    (struct ops_tap){of->x + (y * of->columns + x) * LAYOUT_LANES, of->w + weight * LAYOUT_LANES,
                                     of->second ? of->second + weight * LAYOUT_LANES : NULL};
        }
    return n;
}

/* The sums of a row: at the edges, where taps are missing, one by one. */
static void sum_row(float *z, float *second, const struct summed *of, const struct window_reach *down, size_t row,
                    const struct window_reach *across)
{
    struct ops_tap list[MOST_TAPS];

    for (size_t j = 0, n; j < across->count; j += n) {
        struct ops_taps taps = {list, list_taps(list, of, down, row, across, j), (size_t)across->step, across->to_step};
        size_t at = (across->to + j * across->to_step) * LAYOUT_LANES;
        n = j == across->full ? larger(1, across->full_end - j) : 1;
        of->ops->positions_sum(z + at, second ? second + at : NULL, &taps, n);
    }
}

/* z = W x, and second, unless NULL, of a run of the upper map. */
static void sum_up(float *z, float *second, const struct summed *of, const struct link *link, const struct piece *run)
{
    struct window_reach down = window_up(window_down(link)), across = window_up(window_across(link));
    size_t row = link->upper.width * LAYOUT_LANES;

    for (size_t r = 0; r < run->rows; r++)
        sum_row(z + r * row, second ? second + r * row : NULL, of, &down, run->row + r, &across);
}

/* Its adjoint: x = W' s of a run of the lower map. */
static void sum_down(float *x, const struct summed *of, const struct link *link, const struct piece *run)
{
    struct window_axis down = window_down(link), across = window_across(link);
    struct window_reach rows[MOST_STRIDE], columns[MOST_STRIDE];

    for (size_t i = 0; i < down.stride; i++)
        rows[i] = window_under(down, i);
    for (size_t i = 0; i < across.stride; i++)
        columns[i] = window_under(across, i);
    for (size_t r = 0; r < run->rows; r++, x += link->lower.width * LAYOUT_LANES) {
        const struct window_reach *at = &rows[(run->row + r + down.before) % down.stride];
        for (size_t i = 0; i < across.stride; i++)
            sum_row(x, NULL, of, at, (run->row + r - at->to) / down.stride, &columns[i]);
    }
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void forward_block(const struct link_call *call, size_t image, size_t block, struct ops_evaluate evaluate,
                          struct channels_summary *summaries)
{
    const struct link_plan *plan = call->plan;
    struct layout upper = plan->upper;
    size_t weights = block * taps_of(plan->link) * LAYOUT_LANES;
    struct summed of = {.x = call->a + block_at(plan->lower, image, block) + plan->lower.origin,
                        .w = plan->packed[OWN] + weights,
                        .second = has_second(plan) ? plan->packed[FORM] + weights : NULL,
                        .columns = plan->lower.columns,
                        .across = plan->link->window.width,
                        .ops = plan->ops};
    float *z = call->scratch->work, *second = has_second(plan) ? z + run_floats(upper) : NULL;

    evaluate.bias += block * LAYOUT_LANES;
    evaluate.second_bias += block * LAYOUT_LANES;
    evaluate.scale += block * LAYOUT_LANES;
    for (size_t row = 0; row < upper.shape.height; row += run_rows(upper)) {
        struct piece run = run_at(upper, image, row);
        struct ops_block rows = piece_block(upper, &run, block);
        size_t at = run_place(upper, &run, block, false);
        sum_up(z, second, &of, plan->link, &run);
        plan->ops->positions_evaluate(call->upper + at, call->c_out + at, z, second, run.rows * upper.shape.width,
                                      &evaluate);
        if (summaries)
            plan->ops->channels_summary(summaries + image * upper.shape.channels + block * LAYOUT_LANES,
                                        call->upper + at, NULL, &rows);
    }
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

/* s = R c of a block's whole map, and the ledger's sums. */
static void weigh_upper(const struct link_call *call, size_t image, size_t block)
{
    const struct link_plan *plan = call->plan;
    struct layout upper = plan->upper;
    float *s = call->scratch->lower;

    for (size_t row = 0; row < upper.shape.height; row += run_rows(upper)) {
        struct piece run = run_at(upper, image, row);
        struct ops_block rows = piece_block(upper, &run, block);
        size_t n = run.rows * upper.shape.width;
        const float *r = call->r_upper + run_place(upper, &run, block, false),
                    *c = call->c + run_place(upper, &run, block, call->one_image);
        plan->ops->positions_gather(s, c, r, n, &plain);
        if (call->ledger)
            plan->ops->channels_ledger(call->scratch->sums + image * upper.shape.channels + block * LAYOUT_LANES, r, c,
                                       c, &rows);
        s += n * LAYOUT_LANES;
    }
}

/* The summaries of a run of the lower variable that a ledger asks for. */
static void summarise_run(const struct link_call *call, const struct piece *run, size_t block)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct ops_block rows = piece_block(plan->lower, run, block);
    size_t channel = run->image * plan->lower.shape.channels + block * LAYOUT_LANES,
           at = run_place(plan->lower, run, block, false);

    if (ledger && ledger->summaries)
        plan->ops->channels_summary(ledger->summaries + channel, call->r_lower + at, NULL, &rows);
    if (ledger && ledger->weighted)
        plan->ops->channels_summary(ledger->weighted + channel, call->r_lower + at, ledger->h + at, &rows);
}

static void backward_block(const struct link_call *call, size_t image, size_t block)
{
    const struct link_plan *plan = call->plan;
    struct layout lower = plan->lower;
    float *x = call->scratch->work;
    struct summed of = {.x = call->scratch->lower,
                        .w = form_of(plan) + block * taps_of(plan->link) * LAYOUT_LANES,
                        .columns = plan->upper.shape.width,
                        .across = plan->link->window.width,
                        .ops = plan->ops};

    weigh_upper(call, image, block);
    for (size_t row = 0; row < lower.shape.height; row += run_rows(lower)) {
        struct piece run = run_at(lower, image, row);
        sum_down(x, &of, plan->link, &run);
        plan->ops->positions_multiply(call->r_lower + run_place(lower, &run, block, false), x, NULL,
                                      call->a + run_place(lower, &run, block, call->one_image),
                                      run.rows * lower.shape.width, call->add);
        summarise_run(call, &run, block);
    }
}

/* Of z = W' (a v), x = a v being in the scratch memory. */
static struct summed lifted(const struct link_call *call, size_t block)
{
    const struct link_plan *plan = call->plan;

    return (struct summed){.x = call->scratch->lower + plan->lower.origin,
                           .w = form_of(plan) + block * taps_of(plan->link) * LAYOUT_LANES,
                           .columns = plan->lower.columns,
                           .across = plan->link->window.width,
                           .ops = plan->ops};
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
    struct layout upper = plan->upper;

    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++) {
            struct summed of = lifted(call, block);
            weight_block(call, i, block, call->v_lower);
            for (size_t row = 0; row < upper.shape.height; row += run_rows(upper)) {
                struct piece run = run_at(upper, i, row);
                sum_up(call->scratch->work, NULL, &of, plan->link, &run);
                plan->ops->positions_multiply(call->v_upper + run_place(upper, &run, block, false), call->scratch->work,
                                              NULL, call->c + run_place(upper, &run, block, call->one_image),
                                              run.rows * upper.shape.width, call->add);
            }
        }
    if (!call->add)
        piece_clear_border(call->v_upper, plan->upper, call->n);
}

/* joint[k] = the sum over channel k of R c W' (a h). */
static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct layout upper = plan->upper;
    size_t channels = plan->link->upper.channels;
    float *z = call->scratch->work, *s = z + run_floats(upper);

    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++) {
            struct channels_summary sums[LAYOUT_LANES] = {{0, 0, 0, 0}};
            struct summed of = lifted(call, block);
            weight_block(call, i, block, call->h);
            for (size_t row = 0; row < upper.shape.height; row += run_rows(upper)) {
                struct piece run = run_at(upper, i, row);
                struct ops_block rows = piece_block(layout_flat(upper.shape), &run, block);
                size_t at = run_place(upper, &run, block, false);
                plan->ops->positions_gather(s, call->c + at, call->r_upper + at, run.rows * upper.shape.width, &plain);
                sum_up(z, NULL, &of, plan->link, &run);
                plan->ops->channels_summary(sums, s, z, &rows);
            }
            for (size_t k = 0; k < smaller(LAYOUT_LANES, channels - block * LAYOUT_LANES); k++)
                call->joint[i * channels + block * LAYOUT_LANES + k] = (float)sums[k].value;
        }
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;

    if (ledger)
        memset(call->scratch->sums, 0, call->n * plan->link->upper.channels * sizeof *call->scratch->sums);
    for (size_t i = 0; i < call->n * plan->link->lower.channels && ledger && ledger->summaries; i++)
        ledger->summaries[i] = channels_nothing;
    for (size_t i = 0; i < call->n * plan->link->lower.channels && ledger && ledger->weighted; i++)
        ledger->weighted[i] = channels_nothing;
    for (size_t i = 0; i < call->n; i++)
        for (size_t block = 0; block < blocks_of(plan); block++)
            backward_block(call, i, block);
    if (!call->add)
        piece_clear_border(call->r_lower, plan->lower, call->n);
    link_fill_ledger(call, call->scratch->sums);
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
