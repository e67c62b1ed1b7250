/* Adds of variables in blocks of channels, by rules whose denominator is z, in runs that stay in the cache. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/piece.h"

#include <string.h>

enum { RUN = 128 /* positions at a time, unless a row is longer */ };

static const float ones[LAYOUT_LANES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const float zeros[LAYOUT_LANES] = {0};
static const struct ops_gather plain = {.step = 1, .scale = 1};

static int suits(const struct link_plan *plan)
{
    bool fits = plan->link->kind == LINK_ADD && plan->upper.lanes == LAYOUT_LANES && link_denominator_is_z(plan);

    for (size_t e = 0; e < link_edges(plan); e++)
        fits = fits && link_lower(plan, e).lanes == LAYOUT_LANES;
    return fits ? 2 : 0;
}

static size_t run_rows(const struct link_plan *plan)
{
    return larger(1, smaller(RUN / plan->upper.shape.width, plan->upper.shape.height));
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    return (struct link_scratch_floats){.work = 2 * run_rows(plan) * plan->upper.shape.width * LAYOUT_LANES,
                                        .sums = n * plan->link->upper.channels};
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Some rows of one block of one image. */
struct run {
    struct piece piece;
    size_t block, n; /* n: positions */
};

/* The first run of an image; and whether there is another one, if `step` rows of the arrays lie next to each other. */
static struct run first_run(const struct link_plan *plan, size_t image, size_t step)
{
    return (struct run){.piece = {.image = image, .rows = step}, .n = step * plan->upper.shape.width};
}

static bool is_run(const struct run *run, const struct link_plan *plan)
{
    return run->block < padded(plan->upper.shape.channels) / LAYOUT_LANES;
}

static void next_run(struct run *run, const struct link_plan *plan, size_t step)
{
    size_t height = plan->upper.shape.height;

    run->piece.row += run->piece.rows;
    if (run->piece.row == height) {
        run->piece.row = 0;
        run->block++;
    }
    run->piece.rows = smaller(step, height - run->piece.row);
    run->n = run->piece.rows * plan->upper.shape.width;
}

/* Rows that lie next to each other in both variables. */
static size_t rows_at_once(const struct link_plan *plan, struct layout lower)
{
    return piece_adjacent(lower, piece_adjacent(plan->upper, run_rows(plan)));
}

static size_t upper_at(const struct link_plan *plan, const struct run *run, bool shared)
{
    return (shared ? 0 : run->piece.image * link_upper_floats(plan)) +
           piece_at(plan->upper, &run->piece, run->block, 0);
}

static size_t lower_at(struct layout lower, const struct run *run, bool shared)
{
    return (shared ? 0 : run->piece.image * layout_floats(lower)) + piece_at(lower, &run->piece, run->block, 0);
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void start_summaries(struct channels_summary *summaries, size_t n)
{
    for (size_t i = 0; i < n && summaries; i++)
        summaries[i] = channels_nothing;
}

/* The summaries of v w in a run, if they are wanted. */
static void add_summary(struct channels_summary *summaries, const float *v, const float *w, struct layout layout,
                        const struct run *run, const struct ops *ops)
{
    struct ops_block block = piece_block(layout, &run->piece, run->block);

    if (summaries)
        ops->channels_summary(summaries + run->piece.image * layout.shape.channels + run->block * LAYOUT_LANES, v, w,
                              &block);
}

static void forward_run(const struct link_call *call, const struct run *run, const struct ops_evaluate *evaluate,
                        struct channels_summary *summaries)
{
    const struct link_plan *plan = call->plan;
    float *y = call->upper + upper_at(plan, run, false);

    for (size_t e = 0; e < link_edges(plan); e++) {
        const float *x = link_activations(call, e) + lower_at(link_lower(plan, e), run, false);
        if (e == 0)
            plan->ops->positions_gather(y, x, NULL, run->n, &plain);
        else
            plan->ops->positions_accumulate(y, 1, x, 1, ones, run->n);
    }
    plan->ops->positions_evaluate(y, call->c_out + upper_at(plan, run, false), y, NULL, run->n, evaluate);
    add_summary(summaries, y, NULL, plan->upper, run, plan->ops);
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct ops_evaluate evaluate = {.denominator = OPS_DENOMINATOR_Z,
                                    .bias = zeros,
                                    .second_bias = zeros,
                                    .scale = ones,
                                    .eps = (float)plan->parts.term[0].eps};
    bool bounded = activation_bounds(&evaluate.low, &evaluate.high, plan->link->activation);
    size_t step = piece_adjacent(plan->upper, run_rows(plan));

    for (size_t e = 0; e < link_edges(plan); e++)
        step = piece_adjacent(link_lower(plan, e), step);
    start_summaries(call->summaries, call->n * plan->link->upper.channels);
    for (size_t i = 0; i < call->n; i++) {
        for (struct run run = first_run(plan, i, step); is_run(&run, plan); next_run(&run, plan, step))
            forward_run(call, &run, &evaluate, bounded ? call->summaries : NULL);
        layout_clear_border(call->upper + i * link_upper_floats(plan), plan->upper);
        layout_clear_border(call->c_out + i * link_upper_floats(plan), plan->upper);
    }
    if (!bounded)
        link_activate(call);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct layout lower = link_lower(plan, call->edge);
    size_t step = rows_at_once(plan, lower);
    float *s = call->scratch->work;

    for (size_t i = 0; i < call->n; i++)
        for (struct run run = first_run(plan, i, step); is_run(&run, plan); next_run(&run, plan, step)) {
            plan->ops->positions_gather(s, call->v_lower + lower_at(lower, &run, false),
                                        call->a + lower_at(lower, &run, call->one_image), run.n, &plain);
            plan->ops->positions_multiply(call->v_upper + upper_at(plan, &run, false), s, NULL,
                                          call->c + upper_at(plan, &run, call->one_image), run.n, call->add);
        }
    if (!call->add)
        piece_clear_border(call->v_upper, plan->upper, call->n);
}

/* joint[k] = the sum of R c a h over channel k. */
static void flow(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    struct layout lower = link_lower(plan, call->edge);
    size_t channels = plan->link->upper.channels, step = rows_at_once(plan, lower);
    float *s = call->scratch->work, *x = s + run_rows(plan) * plan->upper.shape.width * LAYOUT_LANES;

    memset(call->joint, 0, call->n * channels * sizeof *call->joint);
    for (size_t i = 0; i < call->n; i++)
        for (struct run run = first_run(plan, i, step); is_run(&run, plan); next_run(&run, plan, step)) {
            struct ops_block block = piece_block(layout_flat(plan->upper.shape), &run.piece, run.block);
            struct channels_summary sums[LAYOUT_LANES] = {{0, 0, 0, 0}};
            size_t below = lower_at(lower, &run, false), above = upper_at(plan, &run, false);
            plan->ops->positions_gather(s, call->c + above, call->r_upper + above, run.n, &plain);
            plan->ops->positions_gather(x, call->a + below, call->h ? call->h + below : NULL, run.n, &plain);
            plan->ops->channels_summary(sums, s, x, &block);
            for (size_t k = 0; k < block.channels; k++)
                call->joint[i * channels + run.block * LAYOUT_LANES + k] += (float)sums[k].value;
        }
}

static void backward_run(const struct link_call *call, const struct run *run)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct layout lower = link_lower(plan, call->edge);
    size_t at = lower_at(lower, run, false);
    const float *r = call->r_upper + upper_at(plan, run, false), *c = call->c + upper_at(plan, run, call->one_image);
    struct ops_block block = piece_block(plan->upper, &run->piece, run->block);
    float *s = call->scratch->work;

    plan->ops->positions_gather(s, c, r, run->n, &plain);
    plan->ops->positions_multiply(call->r_lower + at, s, NULL, call->a + lower_at(lower, run, call->one_image), run->n,
                                  call->add);
    if (!ledger)
        return;
    plan->ops->channels_ledger(call->scratch->sums + run->piece.image * plan->link->upper.channels +
                                   run->block * LAYOUT_LANES,
                               r, c, c, &block);
    add_summary(ledger->summaries, call->r_lower + at, NULL, lower, run, plan->ops);
    add_summary(ledger->weighted, call->r_lower + at, ledger->h ? ledger->h + at : NULL, lower, run, plan->ops);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const struct link_ledger *ledger = call->ledger;
    struct layout lower = link_lower(plan, call->edge);
    size_t channels = call->n * plan->link->upper.channels, step = rows_at_once(plan, lower);

    if (ledger) {
        memset(call->scratch->sums, 0, channels * sizeof *call->scratch->sums);
        start_summaries(ledger->summaries, channels);
        start_summaries(ledger->weighted, channels);
    }
    for (size_t i = 0; i < call->n; i++)
        for (struct run run = first_run(plan, i, step); is_run(&run, plan); next_run(&run, plan, step))
            backward_run(call, &run);
    if (!call->add)
        piece_clear_border(call->r_lower, lower, call->n);
    link_fill_ledger(call, call->scratch->sums);
    if (call->joint)
        flow(call);
}

const struct link_backend link_add = {
    .name = "add",
    .takes = LINK_TAKES_SWEEPS,
    .fused = true,
    .adds = true,
    .suits = suits,
    .scratch = scratch,
    .coefficients = link_upper_floats,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
    .flow = flow,
};
