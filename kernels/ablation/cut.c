#include "kernels/ablation/cut.h"

#include "kernels/base/number.h"
#include "kernels/layer/activation.h"
#include "kernels/layer/linear.h"

#include <assert.h>
#include <math.h>

/* ---- edges ------------------------------------------------------------------------------------------------------- */

struct cut_edges cut_edges_of(const struct link *link)
{
    struct cut_edges edges = {0, 0, 0, 0};

    if (link->kind == LINK_CONVOLUTION)
        edges = (struct cut_edges){.upper = link->upper.channels,
                                   .read = link->lower.channels / link->groups,
                                   .taps = link->window.height * link->window.width};
    else if (link->kind == LINK_DENSE)
        edges = (struct cut_edges){
            .upper = link->upper.channels, .read = link->lower.channels, .taps = shape_positions(link->lower)};
    edges.count = edges.upper * edges.read;
    return edges;
}

size_t cut_upper_channel(const struct link *link, size_t e)
{
    return e / cut_edges_of(link).read;
}

size_t cut_lower_channel(const struct link *link, size_t e)
{
    struct cut_edges edges = cut_edges_of(link);
    size_t groups = link->kind == LINK_CONVOLUTION ? link->groups : 1;

    return e / edges.read / (edges.upper / groups) * edges.read + e % edges.read;
}

size_t cut_flow_place(const struct link *link, size_t e)
{
    return network_diagonal(link) ? e : cut_upper_channel(link, e) * link->lower.channels + cut_lower_channel(link, e);
}

void cut_weights(float *out, const float *w, const float *keep, struct cut_edges edges)
{
    for (size_t e = 0; e < edges.count; e++)
        for (size_t i = e * edges.taps; i < (e + 1) * edges.taps; i++)
            out[i] = keep[e] != 0 ? w[i] : 0;
}

void cut_magnitudes(double *sums, const float *w, struct cut_edges edges)
{
    for (size_t e = 0; e < edges.count; e++) {
        sums[e] = 0;
        for (size_t i = e * edges.taps; i < (e + 1) * edges.taps; i++)
            sums[e] += fabs((double)w[i]);
    }
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

size_t cut_scratch_floats(const struct link *link)
{
    return linear_scratch_floats(link);
}

static void add_bias(float *z, const float *bias, struct layout layout)
{
    for (size_t c = 0; c < layout.shape.channels; c++)
        for (size_t y = 0; y < layout.shape.height; y++) {
            float *row = z + layout_index(layout, c, y, 0);
            for (size_t x = 0; x < layout.shape.width; x++)
                row[x * layout.lanes] += bias[c];
        }
}

static void finish_forward(float *upper, const struct link_plan *plan, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_bias(upper + i * layout_floats(plan->upper), plan->bias, plan->upper);
    activation_apply(upper, plan->link->activation, plan->upper, n);
}

void cut_forward(float *restrict upper, const float *restrict a, const float *restrict weights,
                 const struct link_plan *plan, size_t n, float *restrict scratch)
{
    struct linear linear = {plan->link, plan->lower, plan->upper, plan->ops};

    assert(cut_edges_of(plan->link).count > 0);
    linear_forward(upper, a, weights, &linear, n, false, scratch);
    finish_forward(upper, plan, n);
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* Upper channels of a dense link whose weights are copied at once. */
static size_t rows_at_once(struct cut_edges edges)
{
    enum { FLOATS = 1 << 22 };

    return smaller(edges.upper, larger(FLOATS / (edges.read * edges.taps), 1));
}

void cut_place(struct cut_work *work, const struct network *net, struct arena *arena)
{
    size_t weights = 0, scratch = 0;

    for (size_t k = 0; k < net->nlinks; k++) {
        struct cut_edges edges = cut_edges_of(&net->links[k]);
        if (edges.count == 0)
            continue;
        bool dense = net->links[k].kind == LINK_DENSE;
        weights = larger(weights, (dense ? rows_at_once(edges) : edges.upper) * edges.read * edges.taps);
        scratch = larger(scratch, cut_scratch_floats(&net->links[k]));
    }
    work->weights = arena_floats(arena, weights);
    work->scratch = arena_floats(arena, scratch);
}

/* z of some upper channels of a dense link, without bias. */
static void cut_rows(float *z, const float *a, const float *keep, const struct link_plan *plan, struct cut_edges edges,
                     struct cut_work *work)
{
    size_t each = edges.read * edges.taps, most = rows_at_once(edges);

    for (size_t first = 0; first < edges.upper; first += most) {
        struct cut_edges piece = edges;
        piece.upper = smaller(most, edges.upper - first);
        piece.count = piece.upper * piece.read;
        cut_weights(work->weights, plan->weight + first * each, keep + first * edges.read, piece);
        plan->ops->dense_forward(z + first, a, work->weights, 1, piece.upper, each, false);
    }
}

void cut_copies(const struct link_call *call, const float *const *keep, struct cut_work *work)
{
    const struct link_plan *plan = call->plan;
    struct cut_edges edges = cut_edges_of(plan->link);

    for (size_t i = 0; i < call->n; i++) {
        float *upper = call->upper + i * layout_floats(plan->upper);
        const float *a = call->a + i * layout_floats(plan->lower);
        if (plan->link->kind == LINK_DENSE) {
            cut_rows(upper, a, keep[i], plan, edges, work);
            finish_forward(upper, plan, 1);
            continue;
        }
        cut_weights(work->weights, plan->weight, keep[i], edges);
        cut_forward(upper, a, work->weights, plan, 1, work->scratch);
    }
}
