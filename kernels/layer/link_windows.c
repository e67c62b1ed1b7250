/* Max pools of windows of up to 16 positions, between variables in blocks of channels, for the modes with winners. */
#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/link_backend.h"
#include "kernels/layer/window.h"

#include <string.h>

enum { MOST = 16 /* positions of a window */ };

static int suits(const struct link_plan *plan)
{
    const struct link *link = plan->link;
    bool fits = link->kind == LINK_POOL && plan->lower.lanes == LAYOUT_LANES && plan->upper.lanes == LAYOUT_LANES;

    return fits && plan->pool != POOL_PROPORTIONAL && link->window.height * link->window.width <= MOST ? 2 : 0;
}

static struct link_scratch_floats scratch(const struct link_plan *plan, size_t n)
{
    (void)plan, (void)n;
    return (struct link_scratch_floats){.sums = 0};
}

/* A code of 16 bits for every window of every channel. */
static size_t codes_floats(const struct link_plan *plan)
{
    return padded(padded(plan->link->upper.channels) * shape_positions(plan->link->upper) / 2);
}

/* A window of one block: its positions, and where they and its upper neuron and code begin. */
struct place {
    size_t block, row, column;
    struct ops_window window;
    size_t lower, upper, code;
};

static bool is_place(const struct place *at, const struct link_plan *plan)
{
    return at->block < padded(plan->link->upper.channels) / LAYOUT_LANES;
}

static void find_place(struct place *at, const struct link_plan *plan)
{
    const struct link *link = plan->link;
    struct window_span rows = window_taps(window_down(link), at->row);
    struct window_span columns = window_taps(window_across(link), at->column);

    at->window = (struct ops_window){.rows = rows.end - rows.first,
                                     .columns = columns.end - columns.first,
                                     .row = plan->lower.columns * LAYOUT_LANES,
                                     .tap = rows.first * link->window.width + columns.first,
                                     .taps = link->window.width};
    at->lower = layout_index(plan->lower, at->block * LAYOUT_LANES, rows.lower, columns.lower);
    at->upper = layout_index(plan->upper, at->block * LAYOUT_LANES, at->row, at->column);
    at->code = ((at->block * link->upper.height + at->row) * link->upper.width + at->column) * LAYOUT_LANES;
}

static void next_place(struct place *at, const struct link_plan *plan)
{
    if (++at->column == plan->link->upper.width) {
        at->column = 0;
        at->row++;
    }
    if (at->row == plan->link->upper.height) {
        at->row = 0;
        at->block++;
    }
    if (is_place(at, plan))
        find_place(at, plan);
}

static struct place first_place(const struct link_plan *plan)
{
    struct place at = {.block = 0};

    find_place(&at, plan);
    return at;
}

static void forward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    float tolerance = (float)POOL_TIE * link_largest(call);
    uint16_t *codes = (uint16_t *)call->c_out;

    for (struct place at = first_place(plan); is_place(&at, plan); next_place(&at, plan))
        plan->ops->window_forward(call->upper + at.upper, codes + at.code, call->a + at.lower, &at.window, tolerance,
                                  plan->pool);
    layout_clear_border(call->upper, plan->upper);
    activation_apply(call->upper, plan->link->activation, plan->upper, 1);
}

static void backward(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const uint16_t *codes = (const uint16_t *)call->c;

    link_empty_ledger(call);
    memset(call->r_lower, 0, layout_floats(plan->lower) * sizeof *call->r_lower);
    for (struct place at = first_place(plan); is_place(&at, plan); next_place(&at, plan))
        plan->ops->window_backward(call->r_lower + at.lower, call->r_upper + at.upper, codes + at.code, &at.window);
}

static void lift(const struct link_call *call)
{
    const struct link_plan *plan = call->plan;
    const uint16_t *codes = (const uint16_t *)call->c;

    for (struct place at = first_place(plan); is_place(&at, plan); next_place(&at, plan))
        plan->ops->window_lift(call->v_upper + at.upper, call->v_lower + at.lower, codes + at.code, &at.window);
    layout_clear_border(call->v_upper, plan->upper);
}

const struct link_backend link_windows = {
    .name = "windows",
    .takes = LINK_TAKES_IMAGE,
    .suits = suits,
    .scratch = scratch,
    .coefficients = codes_floats,
    .needs_c = link_always,
    .forward = forward,
    .backward = backward,
    .lift = lift,
};
