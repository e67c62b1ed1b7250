#include "pipeline/evaluate/randomised.h"

#include "kernels/ablation/permutation.h"
#include "kernels/base/number.h"
#include "pipeline/evaluate/variant.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/gather.h"
#include "pipeline/mpi/huge_pages.h"
#include "pipeline/run/block.h"
#include "pipeline/run/reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A rank's memory and state. */
struct work {
    const struct randomised_options *options;
    const struct run_plan *plan;
    const struct node *node;
    struct log *log;
    struct stop *stop;       /* borrowed */
    enum stop_reason reason; /* to leave the stages; on all ranks */
    size_t nstages, stages[NETWORK_MAX_LINKS];
    struct variant variants[RANDOMISED_MEASURES];
    struct reader *reader;
    void *memory; /* what follows */
    float *inputs;
    struct measure_workspace workspaces[RANDOMISED_MEASURES]; /* the measures take turns */
    struct measure_result result;
    float *planar;                  /* [neurons of the input] */
    size_t values;                  /* of all views */
    double *before, *after;         /* [this rank's images][measures][values]; [values] */
    struct measure_target *targets; /* [this rank's images] */
    bool *known;                    /* [this rank's images][measures]: it could be measured before */
    struct similarity_work similarity;
    struct similarity *own; /* as the result; zero but for this rank's images */
    void *permuting;        /* rank 0: memory of the permutation */
    struct permutation_work permutation;
};

size_t randomised_stages(size_t links[NETWORK_MAX_LINKS], const struct network *net)
{
    size_t n = 0;

    for (size_t k = net->nlinks; k-- > 0;)
        if ((net->links[k].kind == LINK_CONVOLUTION || net->links[k].kind == LINK_DENSE) && net->swept[k + 1])
            links[n++] = k;
    return n;
}

size_t randomised_place(const struct randomised_options *options, size_t stage, size_t view, size_t measure,
                        size_t image)
{
    return ((stage * options->nviews + view) * options->nmeasures + measure) * options->images + image;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static const struct network *net_of(const struct work *w)
{
    return &w->plan->model.net;
}

/* Values of a view. */
static size_t view_values(const struct work *w, size_t view)
{
    struct shape shape = network_shape(net_of(w), w->options->views[view]);

    return w->options->views[view] == 0 ? shape_neurons(shape) : shape.channels;
}

static size_t results(const struct work *w)
{
    return w->nstages * w->options->nviews * w->options->nmeasures * w->options->images;
}

/* Images of this rank: every nranks-th. */
static size_t images_of_rank(const struct work *w)
{
    return w->options->images / (size_t)w->node->nranks + 1;
}

static void place(struct work *w, struct arena *arena)
{
    size_t images = images_of_rank(w), most = 0;
    size_t neurons = shape_neurons(network_shape(net_of(w), 0)), measures = w->options->nmeasures;

    w->values = 0;
    for (size_t v = 0; v < w->options->nviews; v++) {
        w->values += view_values(w, v);
        most = larger(most, view_values(w, v));
    }
    w->inputs = arena_floats(arena, 2 * neurons);
    w->planar = arena_floats(arena, neurons);
    measure_result_place(&w->result, &w->variants[0].plan, arena);
    w->before = arena_doubles(arena, images * measures * w->values);
    w->after = arena_doubles(arena, w->values);
    w->targets = arena_bytes(arena, images * sizeof *w->targets);
    w->known = arena_bytes(arena, images * measures * sizeof *w->known);
    w->own = arena_bytes(arena, results(w) * sizeof *w->own);
    similarity_place(&w->similarity, most, arena);
    size_t mark = arena_mark(arena);
    for (size_t m = 0; m < measures; m++) {
        arena_release(arena, mark);
        measure_workspace_place(&w->workspaces[m], &w->variants[m].plan, arena);
    }
}

static enum status allocate(struct work *w, struct error *err)
{
    struct arena arena = arena_over(NULL, 0), permuting = arena_over(NULL, 0);

    place(w, &arena);
    permutation_place(&w->permutation, net_of(w), &permuting);
    size_t nbytes = arena.peak, also = permuting.peak;
    w->memory = huge_pages_alloc(nbytes);
    w->permuting = w->node->rank == 0 ? huge_pages_alloc(also) : NULL;
    if (!w->memory || (w->node->rank == 0 && !w->permuting))
        return error_set(err, FAIL_SYSTEM, "no memory for the %zu MiB that permuted networks take",
                         (nbytes + also) >> 20);
    arena = arena_over(w->memory, nbytes);
    place(w, &arena);
    memset(w->own, 0, results(w) * sizeof *w->own);
    if (w->permuting) {
        permuting = arena_over(w->permuting, also);
        permutation_place(&w->permutation, net_of(w), &permuting);
    }
    return reader_open(&w->reader, w->plan->listing.memory, &w->plan->model.preprocessing, 1, w->inputs, err);
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

static void take_input(void *context, size_t slot, size_t variable, const float *r, const float *h)
{
    struct work *w = context;

    (void)slot;
    if (variable == 0)
        layout_products_to_planar(w->planar, r, h, network_layout(net_of(w), 0));
}

/* All views of an image, [values]; false if it has no measure. */
static bool measure_views(double *out, struct work *w, size_t measure, const float *input, struct measure_target target)
{
    const struct measure_plan *plan = &w->variants[measure].plan;
    struct measure_sink sink = {.context = w, .neurons = take_input};

    measure_group(&w->result, plan, &input, &target, sink, &w->workspaces[measure]);
    for (size_t v = 0; v < w->options->nviews && w->result.status == MEASURE_OK; v++) {
        size_t variable = w->options->views[v], n = view_values(w, v);
        for (size_t i = 0; i < n; i++)
            *out++ = variable == 0 ? (double)w->planar[i] : w->result.relevance[plan->channel[variable] + i];
    }
    return w->result.status == MEASURE_OK;
}

/* The measures of the trained network; the target becomes its class. */
static void remember(struct work *w, size_t own, const float *input, struct measure_target target)
{
    for (size_t m = 0; m < w->options->nmeasures; m++) {
        size_t at = own * w->options->nmeasures + m;
        w->known[at] = input && measure_views(w->before + at * w->values, w, m, input, target);
        if (w->known[at] && target.kind == TARGET_PREDICTED)
            target = (struct measure_target){TARGET_CLASS, w->result.target, 0};
    }
    w->targets[own] = target;
}

static void compare(struct work *w, size_t stage, size_t image, size_t own, const float *input)
{
    for (size_t m = 0; m < w->options->nmeasures; m++) {
        size_t at = own * w->options->nmeasures + m, first = 0;
        bool known = w->known[at] && measure_views(w->after, w, m, input, w->targets[own]);
        for (size_t v = 0; v < w->options->nviews; first += view_values(w, v++))
            w->own[randomised_place(w->options, stage, v, m, image)] =
                known ? similarity_of(w->before + at * w->values + first, w->after + first, view_values(w, v),
                                      &w->similarity)
                      : (struct similarity){NAN, NAN, NAN};
    }
}

/* ---- stages ------------------------------------------------------------------------------------------------------ */

enum { TRAINED = NETWORK_MAX_LINKS }; /* in the place of a stage */

/* This rank's images in the network as it is. */
static enum status ask(struct work *w, size_t stage, struct error *err)
{
    size_t first = w->plan->images.first, ranks = (size_t)w->node->nranks, own = 0;

    for (size_t i = (size_t)w->node->rank; i < w->options->images; i += ranks, own++) {
        const struct reader_batch *batch = reader_take(w->reader, first + i, first + i + 1);
        const float *input = batch->images[0].rc == OK ? batch->inputs : NULL;
        struct measure_target target = {TARGET_PREDICTED, 0, 0};
        if (batch->images[0].rc == FAIL_RESOURCE)
            return error_set(err, FAIL_RESOURCE, "image %zu: %s", first + i, batch->images[0].why.message);
        if (!block_target(&target, w->plan->config, dataset_listing_label(w->plan->listing.memory, first + i)))
            input = NULL;
        if (stage == TRAINED)
            remember(w, own, input, target);
        else
            compare(w, stage, i, own, input);
    }
    return OK;
}

/* Permute the link of a stage in the weights of all variants, on rank 0. */
static void permute(struct work *w, size_t stage)
{
    const struct link *link = &net_of(w)->links[w->stages[stage]];
    const float *from = variant_weights(&w->variants[0], w->node);

    if (from)
        permutation_apply(variant_weights(&w->variants[0], w->node), net_of(w), w->stages[stage], w->options->seed,
                          &w->permutation);
    for (size_t m = 1; m < w->options->nmeasures && from; m++) {
        float *to = variant_weights(&w->variants[m], w->node);
        memcpy(to + link->weight, from + link->weight, network_weight_floats(link) * sizeof *to);
        memcpy(to + link->bias, from + link->bias, link->upper.channels * sizeof *to);
    }
}

/* Collective. */
static void update(struct work *w)
{
    for (size_t m = 0; m < w->options->nmeasures; m++)
        variant_update(&w->variants[m], w->node);
}

/* Seconds of the slowest rank since `began`. Collective. */
static double seconds_since(double began, const struct work *w)
{
    double mine = log_seconds() - began, slowest;

    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, w->node->world);
    return slowest;
}

/* The stage whose link has the most weights; `share` becomes its share of the weights of all. */
static size_t largest_stage(double *share, const struct work *w)
{
    size_t at = 0, most = 0, sum = 0;

    for (size_t stage = 0; stage < w->nstages; stage++) {
        size_t n = network_weight_floats(&net_of(w)->links[w->stages[stage]]);
        at = n > most ? stage : at;
        most = larger(most, n);
        sum += n;
    }
    *share = (double)most / (double)sum;
    return at;
}

/* The trained network, which also fetches the memory, and one with a permuted link, each with an image a rank. */
static enum status time_stages(double *seconds, struct work *w, size_t images, struct error *err)
{
    double rounds = ceil((double)images / (double)w->node->nranks), share, permuting, updating, measuring, began;
    size_t stage = largest_stage(&share, w);
    enum status rc = OK;

    TRY(agree(w->node->world, ask(w, TRAINED, err), err));
    began = log_seconds();
    permute(w, stage);
    permuting = seconds_since(began, w) / share;
    began = log_seconds();
    update(w);
    updating = (double)w->nstages * seconds_since(began, w);
    began = log_seconds();
    TRY(agree(w->node->world, ask(w, stage, err), err));
    measuring = (double)(w->nstages + 1) * rounds * seconds_since(began, w);
    *seconds = permuting + updating + measuring;
done:
    return rc;
}

/* A stage since `began` is over: whether any rank wants to stop. Collective. */
static void poll(struct work *w, double began)
{
    stop_took_block(w->stop, log_seconds() - began);
    int mine = (int)stop_poll(w->stop), any;

    MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, w->node->world);
    w->reason = (enum stop_reason)any;
}

/* All stages, or those before a stop. Collective. */
static enum status run_stages(struct work *w, struct error *err)
{
    double began = log_seconds();
    enum status rc = OK;

    TRY(agree(w->node->world, ask(w, TRAINED, err), err));
    poll(w, began);
    for (size_t stage = 0; stage < w->nstages && w->reason == STOP_NONE; stage++) {
        began = log_seconds();
        char status[NETWORK_NAME + 64];
        snprintf(status, sizeof status, "randomised: permuted from %s up",
                 network_variable(net_of(w), w->stages[stage] + 1));
        log_status(w->log, status);
        permute(w, stage);
        update(w);
        TRY(agree(w->node->world, ask(w, stage, err), err)); /* nobody measures when the next weights are permuted */
        poll(w, began);
    }
done:
    log_status(w->log, "");
    return rc;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void finish(struct work *w)
{
    if (!w)
        return;
    for (size_t m = 0; m < RANDOMISED_MEASURES; m++)
        variant_free(&w->variants[m]);
    reader_close(w->reader);
    free(w->memory);
    free(w->permuting);
    free(w);
}

/* Everything before the first image is measured. Caller frees `out` with finish, also after a failure. Collective. */
static enum status begin(struct work **out, struct work start, struct error *err)
{
    struct work *w = *out = calloc(1, sizeof *w);
    enum status rc = OK;

    TRY(agree(start.node->world, w ? OK : error_set(err, FAIL_SYSTEM, "no memory for permuted networks"), err));
    *w = start;
    w->nstages = randomised_stages(w->stages, net_of(w));
    for (size_t m = 0; m < w->options->nmeasures; m++)
        TRY(variant_init(&w->variants[m], &w->plan->model, w->options->measures[m], w->node, err));
    TRY(agree(w->node->world, allocate(w, err), err));
done:
    return rc;
}

enum status randomised_measure(struct similarity *out, enum stop_reason *reason,
                               const struct randomised_options *options, const struct run_plan *plan, struct stop *stop,
                               const struct node *node, struct log *log, struct error *err)
{
    struct work *w;
    enum status rc = OK;

    TRY(begin(&w, (struct work){.options = options, .plan = plan, .node = node, .log = log, .stop = stop}, err));
    TRY(run_stages(w, err));
    *reason = w->reason;
    gather_parts(out, w->own, results(w) * sizeof *w->own, node);
done:
    finish(w);
    return rc;
}

enum status randomised_time(double *seconds, const struct randomised_options *options, const struct run_plan *plan,
                            const struct node *node, struct log *log, struct error *err)
{
    struct randomised_options few = *options;
    struct work *w;
    enum status rc = OK;

    few.images = smaller(options->images, (size_t)node->nranks);
    TRY(begin(&w, (struct work){.options = &few, .plan = plan, .node = node, .log = log}, err));
    TRY(time_stages(seconds, w, options->images, err));
done:
    finish(w);
    return rc;
}
