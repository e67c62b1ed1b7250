#include "kernels/base/number.h"
#include "kernels/measure/cost.h"
#include "pipeline/bench/accuracy.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/timing.h"
#include "pipeline/mpi/agree.h"

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
    float *c[NETWORK_MAX_LINKS], *joint;
    double *to_bias, *absorbed;
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
    size_t joint = 0, channels = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++) {
        const struct link *link = &plan->net->links[k];
        need = link_scratch_both(need, link_scratch_floats(&plan->links[k], images_of(plan, k)));
        arrays->c[k] = arena_floats(arena, link_coefficients(&plan->links[k], images_of(plan, k)));
        joint = larger(joint, link->upper.channels * link->lower.channels);
        channels = larger(channels, images_of(plan, k) * larger(link->upper.channels, link->lower.channels));
    }
    arrays->scratch = link_scratch_place(need, arena);
    arrays->joint = arena_floats(arena, joint);
    arrays->to_bias = arena_doubles(arena, channels);
    arrays->absorbed = arena_doubles(arena, channels);
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

static void run_operation(enum bench_operation operation, const struct arrays *arrays, const struct link_plan *link,
                          size_t k, size_t n)
{
    struct link_ledger ledger = {
        .to_bias = arrays->to_bias, .absorbed = arrays->absorbed, .summaries = arrays->summaries};
    struct link_call call = {.plan = link, .scratch = &arrays->scratch, .n = n, .a = arrays->a[k], .c = arrays->c[k]};

    switch (operation) {
    case BENCH_FORWARD:
        call.upper = arrays->a[k + 1];
        call.c_out = arrays->c[k];
        call.a_summaries = call.summaries = arrays->summaries;
        link_forward(&call);
        break;
    case BENCH_BACKWARD:
        call.r_upper = arrays->r[k + 1];
        call.r_lower = arrays->r[k];
        call.ledger = &ledger;
        link_backward(&call);
        break;
    case BENCH_FLOW:
        call.n = 1;
        call.c_images = n;
        call.r_upper = arrays->r[k + 1];
        call.joint = arrays->joint;
        link_flow(&call);
        break;
    default:
        call.v_lower = arrays->h[k];
        call.v_upper = arrays->h[k + 1];
        link_lift(&call);
    }
}

/* Median seconds of one image, after one time that is not counted. */
static double time_operation(enum bench_operation operation, const struct arrays *arrays, const struct link_plan *link,
                             size_t k, size_t n, size_t repeats)
{
    double seconds[BENCH_MAX_REPEATS];

    for (size_t r = 0; r <= repeats; r++) {
        double start = log_seconds();
        run_operation(operation, arrays, link, k, n);
        seconds[r ? r - 1 : 0] = log_seconds() - start;
    }
    return bench_median(seconds, repeats) / (operation == BENCH_FLOW ? 1 : (double)n);
}

/* The forward pass. The lowest variable of the group's arrays is repeated for all its images. */
static void run_up(struct bench_layer *layers, const struct arrays *arrays, const struct measure_plan *plan,
                   const float *input, size_t repeats)
{
    layout_from_planar(arrays->a[0], input, network_layout(plan->net, 0));
    for (size_t k = 0; k < plan->net->nlinks; k++) {
        size_t n = images_of(plan, k), neurons = layout_floats(network_layout(plan->net, k + 1));
        layers[k].seconds[BENCH_FORWARD] = time_operation(BENCH_FORWARD, arrays, &plan->links[k], k, n, repeats);
        for (size_t i = 1; k + 1 == plan->grouped && i < plan->options.group; i++)
            memcpy(arrays->a[k + 1] + i * neurons, arrays->a[k + 1], neurons * sizeof(float));
    }
}

/* Errors of the operations' results in the arrays. */
static enum status find_errors(struct bench_layer *layer, const struct arrays *arrays, const struct measure_plan *plan,
                               size_t k, struct error *err)
{
    struct bench_operands operands = {
        .link = &plan->links[k],
        .lower = network_layout(plan->net, k),
        .upper = network_layout(plan->net, k + 1),
        .n = images_of(plan, k),
        .a = arrays->a[k],
        .z = arrays->a[k + 1],
        .c = arrays->c[k],
        .r_upper = arrays->r[k + 1],
        .r_lower = arrays->r[k],
        .h_lower = arrays->h[k],
        .h_upper = arrays->h[k + 1],
        .joint = arrays->joint,
    };

    layer->compared = true;
    return bench_accuracy(layer->errors, &operands, err);
}

/* Memory for a link of n images by another backend. */
static void place_way(struct arrays *arrays, float **forms, const struct link_plan *link, size_t n, struct arena *arena)
{
    *forms = arena_floats(arena, link_forms_floats(link));
    arrays->scratch = link_scratch_place(link_scratch_floats(link, n), arena);
}

static enum status time_way(double *seconds, const struct arrays *arrays, const struct link_plan *link, size_t k,
                            size_t n, size_t repeats, struct error *err)
{
    struct arrays own = *arrays;
    struct link_plan bound = *link;
    struct arena arena = arena_over(NULL, 0);
    float *forms;

    place_way(&own, &forms, link, n, &arena);
    size_t nbytes = arena.peak;
    void *memory = aligned_alloc(ARENA_ALIGNMENT, nbytes);
    if (!memory)
        return error_set(err, FAIL_SYSTEM, "no memory for %zu MiB of transformed weights", nbytes >> 20);
    memset(memory, 0, nbytes);
    arena = arena_over(memory, nbytes);
    place_way(&own, &forms, link, n, &arena);
    link_forms_compute(link, forms, (struct link_bounds){link->low, link->high});
    link_forms_bind(&bound, forms);
    *seconds = time_operation(BENCH_FORWARD, &own, &bound, k, n, repeats) +
               time_operation(BENCH_BACKWARD, &own, &bound, k, n, repeats);
    free(memory);
    return OK;
}

/* Every backend that suits a link, on the operations' arrays. */
static enum status tune(struct bench_layer *layer, const struct arrays *arrays, const struct measure_plan *plan,
                        size_t k, size_t repeats, struct error *err)
{
    struct link_plan another;
    enum status rc = OK;

    layer->tuned = true;
    for (size_t w = 0; w < LINK_BACKENDS; w++)
        if (link_plan_another(&another, &plan->links[k], link_backends[w]))
            TRY(time_way(&layer->ways[w], arrays, &another, k, images_of(plan, k), repeats, err));
done:
    return rc;
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
    for (size_t k = last; k-- > 0;) {
        size_t n = images_of(plan, k), floats = n * layout_floats(network_layout(plan->net, k));
        bool pool = plan->net->links[k].kind == LINK_POOL;
        memcpy(arrays->h[k], arrays->a[k], floats * sizeof(float));
        for (enum bench_operation o = BENCH_BACKWARD; o < BENCH_OPERATIONS; o++)
            if (!pool || o != BENCH_FLOW)
                layers[k].seconds[o] = time_operation(o, arrays, &plan->links[k], k, n, options->repeats);
        if (options->accuracy && !pool)
            TRY(find_errors(&layers[k], arrays, plan, k, err));
        if (options->tune && !pool)
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
        l->way = link->link->kind == LINK_POOL ? NULL : link_backend_name(link->backend);
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
    void *memory = aligned_alloc(ARENA_ALIGNMENT, nbytes);
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
