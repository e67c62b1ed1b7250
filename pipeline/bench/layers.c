#include "kernels/base/number.h"
#include "kernels/measure/cost.h"
#include "pipeline/bench/accuracy.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/timing.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/huge_pages.h"

#include <stdlib.h>
#include <string.h>

const char *const bench_operation_names[BENCH_OPERATIONS] = {
    [BENCH_FORWARD] = "forward",
    [BENCH_BACKWARD] = "backward",
    [BENCH_FLOW] = "flow",
    [BENCH_LIFT] = "lift",
};

/* Arrays of one image, or of a group in the dense layers, as in measure.h. */
struct arrays {
    float *a[NETWORK_MAX_VARIABLES], *r[NETWORK_MAX_VARIABLES], *h[NETWORK_MAX_VARIABLES];
    float *c[NETWORK_MAX_LINKS], *joint, *lower; /* lower: relevance of one edge, for the errors */
    double *to_bias, *absorbed;
    const float **inputs;
    struct channels_summary *summaries;
    struct link_scratch scratch;
};

static size_t images_of(const struct measure_plan *plan, size_t variable)
{
    return variable < plan->grouped ? 1 : plan->options.group;
}

static void place_scratch(struct arrays *arrays, const struct measure_plan *plan, struct arena *arena)
{
    struct link_scratch_floats need = {0};
    size_t joint = 0, channels = 0, edges = 0, lower = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++) {
        const struct link *link = &plan->net->links[k];
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], images_of(plan, k)));
        arrays->c[k] = arena_floats(arena, link_coefficients(&plan->links[k], images_of(plan, k)));
        edges = larger(edges, link->nedges);
        channels = larger(channels, images_of(plan, k) * link->upper.channels);
    }
    for (size_t e = 0; e < plan->net->nedges; e++) {
        size_t link = plan->net->edges[e].link, k = plan->net->edges[e].lower, images = images_of(plan, link);
        joint = larger(joint, plan->net->links[link].upper.channels * network_shape(plan->net, k).channels);
        lower = larger(lower, images * layout_floats(network_layout(plan->net, k)));
        channels = larger(channels, images * network_shape(plan->net, k).channels);
    }
    need.sum = lower;
    arrays->scratch = link_scratch_place(need, arena);
    arrays->joint = arena_floats(arena, joint);
    arrays->lower = arena_floats(arena, lower);
    arrays->to_bias = arena_doubles(arena, channels);
    arrays->absorbed = arena_doubles(arena, channels);
    arrays->inputs = arena_bytes(arena, edges * sizeof *arrays->inputs);
    arrays->summaries = arena_bytes(arena, channels * sizeof *arrays->summaries);
}

static void place(struct arrays *arrays, const struct measure_plan *plan, struct arena *arena)
{
    *arrays = (struct arrays){0};
    for (size_t k = 0; k <= plan->net->nlinks; k++) {
        size_t floats = images_of(plan, k) * layout_floats(network_layout(plan->net, k));
        arrays->a[k] = arena_floats(arena, floats);
        arrays->r[k] = arena_floats(arena, floats);
        arrays->h[k] = arena_floats(arena, floats);
    }
    place_scratch(arrays, plan, arena);
}

/* A link's operation with the arrays of its variables. */
struct bench_link {
    const struct arrays *arrays;
    const struct measure_plan *plan;
    const struct link_plan *link; /* of the plan, or by another backend */
    size_t k, n;
};

static void run_forward(const struct bench_link *at)
{
    const struct arrays *arrays = at->arrays;
    const struct link *link = at->link->link;
    bool known = network_edge(at->plan->net, at->k, 0)->lower == at->k; /* as in a run; the values may be others */

    for (size_t e = 0; e < link->nedges; e++)
        arrays->inputs[e] = arrays->a[network_edge(at->plan->net, at->k, e)->lower];
    link_forward(&(struct link_call){.plan = at->link,
                                     .scratch = &arrays->scratch,
                                     .n = at->n,
                                     .a = arrays->inputs[0],
                                     .inputs = arrays->inputs,
                                     .gate = link->kind == LINK_GATE ? arrays->a[link->gate] : NULL,
                                     .upper = arrays->a[at->k + 1],
                                     .c_out = arrays->c[at->k],
                                     .a_summaries = known ? arrays->summaries : NULL,
                                     .summaries = arrays->summaries});
}

/* Another operation along one edge. */
static void run_edge(enum bench_operation operation, const struct bench_link *at, size_t e)
{
    const struct arrays *arrays = at->arrays;
    size_t lower = network_edge(at->plan->net, at->k, e)->lower;
    bool first = at->plan->edges[at->plan->net->links[at->k].first_edge + e].first;
    struct link_ledger ledger = {
        .to_bias = arrays->to_bias, .absorbed = arrays->absorbed, .summaries = first ? arrays->summaries : NULL};
    struct link_call call = {.plan = at->link,
                             .scratch = &arrays->scratch,
                             .n = at->n,
                             .edge = e,
                             .a = arrays->a[lower],
                             .c = arrays->c[at->k]};

    if (operation == BENCH_LIFT) {
        call.v_lower = arrays->h[lower];
        call.v_upper = arrays->h[at->k + 1];
        call.add = e > 0;
        link_lift(&call);
        return;
    }
    call.r_upper = arrays->r[at->k + 1];
    if (operation == BENCH_BACKWARD) {
        call.r_lower = arrays->r[lower];
        call.ledger = e == 0 ? &ledger : NULL;
        call.add = !first;
        link_backward(&call);
        return;
    }
    call.n = 1;
    call.c_images = at->n;
    call.joint = arrays->joint;
    link_flow(&call);
}

static void run_operation(enum bench_operation operation, const struct bench_link *at)
{
    if (operation == BENCH_FORWARD)
        run_forward(at);
    for (size_t e = 0; e < at->link->link->nedges && operation != BENCH_FORWARD; e++)
        run_edge(operation, at, e);
}

/* Median seconds of one image, after one time that is not counted. */
static double time_operation(enum bench_operation operation, const struct bench_link *at, size_t repeats)
{
    double seconds[BENCH_MAX_REPEATS];

    for (size_t r = 0; r <= repeats; r++) {
        double start = log_seconds();
        run_operation(operation, at);
        seconds[r ? r - 1 : 0] = log_seconds() - start;
    }
    return bench_median(seconds, repeats) / (operation == BENCH_FLOW ? 1 : (double)at->n);
}

static struct bench_link link_at(const struct arrays *arrays, const struct measure_plan *plan, size_t k)
{
    return (struct bench_link){arrays, plan, &plan->links[k], k, images_of(plan, k)};
}

/* The forward pass. The lowest variable of the group's arrays is repeated for all its images. */
static void run_up(struct bench_layer *layers, const struct arrays *arrays, const struct measure_plan *plan,
                   const float *input, size_t repeats)
{
    layout_from_planar(arrays->a[0], input, network_layout(plan->net, 0));
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        size_t neurons = layout_floats(network_layout(plan->net, k + 1));
        struct bench_link at = link_at(arrays, plan, k);
        layers[k].seconds[BENCH_FORWARD] = time_operation(BENCH_FORWARD, &at, repeats);
        for (size_t i = 1; k + 1 == plan->grouped && i < plan->options.group; i++)
            memcpy(arrays->a[k + 1] + i * neurons, arrays->a[k + 1], neurons * sizeof(float));
    }
}

/* Errors of the operations' results in the arrays; relevance along the first edge is computed again, alone. */
static enum status find_errors(struct bench_layer *layer, const struct arrays *arrays, const struct measure_plan *plan,
                               size_t k, struct error *err)
{
    size_t lower = network_edge(plan->net, k, 0)->lower;
    struct bench_operands operands = {
        .link = &plan->links[k],
        .lower = network_layout(plan->net, lower),
        .upper = network_layout(plan->net, k + 1),
        .n = images_of(plan, k),
        .a = arrays->a[lower],
        .z = arrays->a[k + 1],
        .c = arrays->c[k],
        .r_upper = arrays->r[k + 1],
        .r_lower = arrays->lower,
        .h_lower = arrays->h[lower],
        .h_upper = arrays->h[k + 1],
        .joint = arrays->joint,
    };

    link_backward(&(struct link_call){.plan = operands.link,
                                      .scratch = &arrays->scratch,
                                      .n = operands.n,
                                      .a = operands.a,
                                      .c = operands.c,
                                      .r_upper = operands.r_upper,
                                      .r_lower = arrays->lower});
    layer->compared = true;
    return bench_accuracy(layer->errors, &operands, err);
}

/* Memory for a link of n images by another backend. */
static void place_way(struct arrays *arrays, float **forms, const struct link_plan *link, size_t n, struct arena *arena)
{
    struct link_scratch_floats need = link_scratch_floats(link, n);
    size_t sum = layout_floats(link->upper);

    for (size_t e = 0; e < link->link->nedges; e++)
        sum = larger(sum, layout_floats(link->inputs ? link->inputs[e].layout : link->lower));
    need.sum = n * sum;
    *forms = arena_floats(arena, link_forms_floats(link));
    arrays->scratch = link_scratch_place(need, arena);
}

static enum status time_way(double *seconds, const struct bench_link *at, size_t repeats, struct error *err)
{
    struct arrays own = *at->arrays;
    struct link_plan bound = *at->link;
    struct bench_link other = {&own, at->plan, &bound, at->k, at->n};
    struct arena arena = arena_over(NULL, 0);
    float *forms;

    place_way(&own, &forms, at->link, at->n, &arena);
    size_t nbytes = arena.peak;
    void *memory = huge_pages_alloc(nbytes);
    if (!memory)
        return error_set(err, FAIL_SYSTEM, "no memory for %zu MiB of transformed weights", nbytes >> 20);
    memset(memory, 0, nbytes);
    arena = arena_over(memory, nbytes);
    place_way(&own, &forms, at->link, at->n, &arena);
    link_forms_compute(at->link, forms, (struct link_bounds){at->link->low, at->link->high});
    link_forms_bind(&bound, forms);
    *seconds = time_operation(BENCH_FORWARD, &other, repeats) + time_operation(BENCH_BACKWARD, &other, repeats);
    free(memory);
    return OK;
}

/* Every backend that suits a link, on the operations' arrays. */
static enum status tune(struct bench_layer *layer, const struct arrays *arrays, const struct measure_plan *plan,
                        size_t k, size_t repeats, struct error *err)
{
    struct link_plan another;
    struct bench_link at = link_at(arrays, plan, k);
    enum status rc = OK;

    layer->tuned = true;
    at.link = &another;
    for (size_t w = 0; w < LINK_BACKENDS; w++)
        if (link_plan_another(&another, &plan->links[k], link_backends[w]))
            TRY(time_way(&layer->ways[w], &at, repeats, err));
done:
    return rc;
}

static bool weighted(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE;
}

/* Relevance from the first logit down, and one step up at every link, from its activations. */
static enum status run_down(struct bench_layer *layers, const struct arrays *arrays, const struct measure_plan *plan,
                            const struct bench_options *options, struct error *err)
{
    size_t last = plan->net->nlinks, logits = network_shape(plan->net, last).channels;
    enum status rc = OK;

    memset(arrays->r[last], 0, plan->options.group * logits * sizeof(float));
    for (size_t i = 0; i < plan->options.group; i++)
        arrays->r[last][i * logits] = 1;
    for (size_t k = last + 1; k-- > 0;)
        memcpy(arrays->h[k], arrays->a[k],
               images_of(plan, k) * layout_floats(network_layout(plan->net, k)) * sizeof(float));
    for (size_t k = last; k-- > 0;) {
        struct bench_link at = link_at(arrays, plan, k);
        bool shares = network_has_rule(&plan->net->links[k]);
        for (enum bench_operation o = BENCH_BACKWARD; o < BENCH_OPERATIONS && plan->net->swept[k + 1]; o++)
            if (shares || o != BENCH_FLOW)
                layers[k].seconds[o] = time_operation(o, &at, options->repeats);
        if (options->accuracy && weighted(&plan->net->links[k]))
            TRY(find_errors(&layers[k], arrays, plan, k, err));
        if (options->tune && shares && plan->net->swept[k + 1])
            TRY(tune(&layers[k], arrays, plan, k, options->repeats, err));
    }
done:
    return rc;
}

/* Times of the slowest rank, operations and shares. */
static void finish(struct bench_layer *layers, const struct measure_plan *plan, const struct node *node)
{
    double all = 0, own[NETWORK_MAX_LINKS];

    for (size_t k = 0; k < plan->net->nlinks; k++) {
        struct bench_layer *l = &layers[k];
        const struct link_plan *link = &plan->links[k];
        for (size_t o = 0; o < BENCH_OPERATIONS; o++)
            l->seconds[o] = bench_slowest(l->seconds[o], node);
        for (size_t w = 0; w < LINK_BACKENDS; w++)
            l->ways[w] = bench_slowest(l->ways[w], node);
        l->way = network_has_rule(link->link) ? link_backend_name(link->backend) : NULL;
        own[k] = l->seconds[BENCH_FORWARD] + l->seconds[BENCH_BACKWARD];
        all += own[k];
        l->flops = cost_map(link->link) * (double)(1 + cost_denominators(link) + link->parts.nparts);
    }
    for (size_t k = 0; k < plan->net->nlinks; k++)
        layers[k].share = own[k] / all;
}

enum status bench_layers(struct bench_layer layers[NETWORK_MAX_LINKS], const struct model *model, const float *input,
                         const struct bench_options *options, const struct node *node, struct error *err)
{
    struct arrays arrays;
    struct arena arena = arena_over(NULL, 0);
    enum status rc = OK;

    memset(layers, 0, NETWORK_MAX_LINKS * sizeof *layers);
    place(&arrays, &model->plan, &arena);
    size_t nbytes = arena.peak;
    void *memory = huge_pages_alloc(nbytes);
    if (!memory)
        rc = error_set(err, FAIL_SYSTEM, "no memory for %zu MiB of activations", nbytes >> 20);
    TRY(agree(node->world, rc, err));
    memset(memory, 0, nbytes);
    arena = arena_over(memory, nbytes);
    place(&arrays, &model->plan, &arena);
    run_up(layers, &arrays, &model->plan, input, options->repeats);
    TRY(agree(node->world, run_down(layers, &arrays, &model->plan, options, err), err));
    finish(layers, &model->plan, node);
done:
    free(memory);
    return rc;
}
