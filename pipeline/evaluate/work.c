#include "pipeline/evaluate/work.h"

#include "kernels/ablation/cut.h"
#include "kernels/base/number.h"
#include "kernels/measure/sample.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/huge_pages.h"
#include "pipeline/run/block.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static const struct network *net_of(const struct design *design)
{
    return &design->run->model.net;
}

static size_t channels_of(const struct network *net)
{
    size_t channels = 0;

    for (size_t k = 0; k <= net->nlinks; k++)
        channels += network_shape(net, k).channels;
    return channels;
}

/* Flows that the test of them compares. */
static void choose_flows(bool *flows, const struct design *design)
{
    const struct network *net = net_of(design);

    memset(flows, 0, NETWORK_MAX_EDGES * sizeof *flows);
    for (size_t r = design->first[TEST_FLOWS]; r < design->first[TEST_FLOWS + 1]; r++)
        if (design->results[r].kind == DESIGN_CURVES)
            flows[net->links[design->results[r].variable - 1].first_edge] = true;
}

/* Places of their edges in scores. */
static void place_edges(struct evaluate_work *work)
{
    const struct network *net = net_of(work->design);
    bool flows[NETWORK_MAX_EDGES];

    choose_flows(flows, work->design);
    work->edges = 0;
    for (size_t k = 0; k <= net->nlinks; k++) {
        bool chosen = k > 0 && flows[net->links[k - 1].first_edge];
        work->edge_first[k] = chosen ? work->edges : SIZE_MAX;
        work->edges += chosen ? cut_edges_of(&net->links[k - 1]).count : 0;
    }
}

/* The configuration's measure of one image at a time; derived weights do not depend on the number of slots. */
static void plan_own(struct measure_plan *plan, const struct design *design, enum measure_given given)
{
    const struct model *model = &design->run->model;
    struct measure_options options = model->plan.options;

    options.group = 1;
    options.images = true;
    options.given = given;
    choose_flows(options.flows, design);
    measure_plan_init(plan, &model->net, &options, model->weights.memory);
    measure_forms_bind(plan, model->forms.memory);
}

static void plan_gradient(struct measure_plan *plan, const struct design *design)
{
    const struct model *model = &design->run->model;
    struct measure_options options = model->plan.options;

    options.group = 1;
    options.images = true;
    options.given = GIVEN_NONE;
    options.variation_limit = INFINITY; /* where it is finite it is the gradient, however it cancels */
    choose_flows(options.flows, design);
    rule_composite(options.rules, "zero", &model->net);
    measure_plan_init(plan, &model->net, &options, model->weights.memory);
}

static void plan_all(struct evaluate_work *work)
{
    plan_own(&work->plan, work->design, work->design->run->model.plan.options.given);
    plan_own(&work->plain, work->design, GIVEN_NONE);
    plan_gradient(&work->gradient, work->design);
    place_edges(work);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static size_t most_units(const struct design *design)
{
    const struct network *net = net_of(design);
    size_t most = shape_neurons(net->input);

    for (size_t k = 0; k <= net->nlinks; k++)
        most = larger(most, network_shape(net, k).channels);
    for (size_t i = 0; i < design->nresults; i++)
        most = larger(most, design->results[i].units);
    return most;
}

static void place_scores(struct evaluate_scores *scores, const struct network *net, size_t edges, struct arena *arena)
{
    for (size_t o = 0; o < ORDER_MEASURED; o++) {
        scores->channels[o] = arena_doubles(arena, channels_of(net));
        scores->pixels[o] = arena_doubles(arena, shape_neurons(net->input));
        scores->edges[o] = arena_doubles(arena, edges);
    }
}

static void place(struct evaluate_work *work, struct arena *arena)
{
    const struct network *net = net_of(work->design);
    size_t most = most_units(work->design), largest = 0;

    for (size_t k = 0; k <= net->nlinks; k++)
        largest = larger(largest, layout_floats(network_layout(net, k)));
    work->inputs = arena_floats(arena, 2 * shape_neurons(net->input));
    measure_result_place(&work->result, &work->plan, arena);
    measure_result_place(&work->other_result, &work->plan, arena);
    place_scores(&work->predicted, net, work->edges, arena);
    place_scores(&work->second, net, 0, arena);
    measure_workspace_place(&work->own, &work->plan, arena);
    trials_place(&work->trials, &work->plan, most, work->design->tests[TEST_FLOWS], arena);
    similarity_place(&work->similarity, most, arena);
    work->score = arena_doubles(arena, most);
    work->values = arena_doubles(arena, most);
    work->order = arena_bytes(arena, most * sizeof *work->order);
    work->scratch = arena_bytes(arena, most * sizeof *work->scratch);
    work->planar = arena_floats(arena, largest);
    work->first = arena_bytes(arena, (net->nlinks + 1) * sizeof *work->first);
    work->source = arena_bytes(arena, (net->nlinks + 1) * sizeof *work->source);
    size_t mark = arena_mark(arena); /* the other measures take turns */
    measure_workspace_place(&work->other, &work->plan, arena);
    arena_release(arena, mark);
    measure_workspace_place(&work->other_plain, &work->plain, arena);
    arena_release(arena, mark);
    measure_workspace_place(&work->other_gradient, &work->gradient, arena);
}

/* Also of its plans, which are large. */
static size_t bytes_of(struct evaluate_work *work)
{
    struct arena arena = arena_over(NULL, 0);

    place(work, &arena);
    return arena.peak;
}

size_t evaluate_work_bytes(const struct design *design)
{
    struct evaluate_work *work = calloc(1, sizeof *work);
    size_t nbytes = 0;

    if (!work)
        return 0;
    work->design = design;
    plan_all(work);
    nbytes = bytes_of(work);
    free(work);
    return nbytes;
}

static enum status allocate(struct evaluate_work *work, struct error *err)
{
    const struct run_plan *run = work->design->run;
    size_t nbytes = bytes_of(work);
    enum status rc = OK;

    work->memory = huge_pages_alloc(nbytes);
    if (!work->memory)
        return error_set(err, FAIL_SYSTEM, "no memory for the %zu MiB that a rank works in", nbytes >> 20);
    struct arena arena = arena_over(work->memory, nbytes);
    place(work, &arena);
    rc = reader_open(&work->reader, run->listing.memory, &run->model.preprocessing, 1, work->inputs, err);
    return rc;
}

enum status evaluate_work_init(struct evaluate_work *work, const struct design *design, const struct node *node,
                               struct log *log, struct error *err)
{
    const struct model *model = &design->run->model;
    float low[IMAGE_MAX_CHANNELS], high[IMAGE_MAX_CHANNELS];
    enum status rc = OK;

    *work = (struct evaluate_work){.design = design, .log = log, .reports = 20};
    plan_all(work);
    TRY(node_shared_alloc(node, &work->gradient_forms, measure_forms_floats(&work->gradient) * sizeof(float), err));
    model_bounds(&model->preprocessing, low, high);
    if (work->gradient_forms.holder)
        measure_forms_compute(&work->gradient, work->gradient_forms.memory, (struct link_bounds){low, high});
    node_barrier(node);
    measure_forms_bind(&work->gradient, work->gradient_forms.memory);
    TRY(agree(node->world, allocate(work, err), err));
done:
    return rc;
}

void evaluate_work_free(struct evaluate_work *work)
{
    reader_close(work->reader);
    work->reader = NULL;
    free(work->memory);
    work->memory = NULL;
    node_shared_free(&work->gradient_forms);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void evaluate_work_ahead(struct evaluate_work *work, size_t index)
{
    reader_ahead(work->reader, index, index + 1);
}

/* The preprocessed image; NULL with its status if it cannot be read. */
static enum status take_input(const float **input, enum store_status *status, struct evaluate_work *work, size_t index,
                              struct error *err)
{
    const struct reader_batch *batch = reader_take(work->reader, index, index + 1);
    const struct reader_image *image = &batch->images[0];

    *input = image->rc == OK ? batch->inputs : NULL;
    *status = image->rc == OK                 ? STORE_IMAGE_OK
              : image->rc == FAIL_UNSUPPORTED ? STORE_IMAGE_UNSUPPORTED
                                              : STORE_IMAGE_UNREAD;
    if (image->rc == FAIL_RESOURCE)
        return error_set(err, image->rc, "image %zu: %s", index, image->why.message);
    if (image->rc != OK && work->reports > 0 && work->reports--)
        log_error(work->log, "image failed index=%zu reason=\"%s\"", index, image->why.message);
    return OK;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static void fill_nan(double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = NAN;
}

/* What cannot be told from zero among flows whose largest magnitude is one: convolutions by kernels/layer/winograd.h
 * leave some 1e-9 where a flow is exactly zero, and equal scores must stay equal. */
#define NO_FLOW 1e-8

static void clear_noise(double *flow, size_t n)
{
    double most = 0;

    for (size_t e = 0; e < n; e++)
        most = fmax(most, fabs(flow[e]));
    for (size_t e = 0; e < n; e++)
        flow[e] = fabs(flow[e]) <= NO_FLOW * most ? 0 : flow[e];
}

/* Scores of edges; only of the first target. */
static void take_edges(struct evaluate_work *work, enum order order, size_t edge, const float *joint)
{
    size_t link = work->plan.net->edges[edge].link;
    const struct link *l = &work->plan.net->links[link];
    double *to = work->predicted.edges[order] + work->edge_first[link + 1];

    for (size_t e = 0; e < cut_edges_of(l).count; e++)
        to[e] = (double)joint[cut_flow_place(l, e)];
    clear_noise(to, cut_edges_of(l).count);
}

/* One measure, in progress. */
struct measuring {
    struct evaluate_work *work;
    const struct measure_plan *plan;
    struct evaluate_scores *scores;
    enum order order;
    bool keep; /* the image's arrays */
};

static void sum_plain(double *sums, const struct measure_plan *plan, const struct measure_image *image)
{
    for (size_t k = 0; k <= plan->net->nlinks; k++)
        layout_channel_sums(sums + plan->channel[k], image->r[k], network_layout(plan->net, k));
}

static void take_pixels(double *pixels, struct evaluate_work *work, const float *r, const float *h)
{
    struct layout layout = network_layout(work->plan.net, 0);

    layout_products_to_planar(work->planar, r, h, layout);
    for (size_t i = 0; i < shape_neurons(layout.shape); i++)
        pixels[i] = (double)work->planar[i];
}

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct measuring *m = context;
    struct evaluate_work *work = m->work;
    double *plain = m->scores->channels[ORDER_RELEVANCE_NONE];

    (void)slot;
    if (m->keep)
        work->image = *image;
    take_pixels(m->scores->pixels[m->order], work, image->m[0], image->h[0]);
    if (m->order != ORDER_RELEVANCE)
        return;
    sum_plain(plain, m->plan, image);
    take_pixels(m->scores->pixels[ORDER_RELEVANCE_NONE], work, image->r[0], NULL);
}

static void take_flow(void *context, size_t slot, size_t edge, const float *joint, const double *to_bias,
                      const double *absorbed)
{
    struct measuring *m = context;

    (void)slot, (void)to_bias, (void)absorbed;
    if (m->scores == &m->work->predicted)
        take_edges(m->work, m->order, edge, joint);
}

/* Scores of one order, with relevance also those without the condition. */
static void measure(struct measuring *m, struct measure_result *result, struct measure_workspace *memory,
                    const float *input, struct measure_target target)
{
    const struct network *net = m->plan->net;
    size_t channels = m->plan->channel[net->nlinks + 1];
    size_t last = m->order == ORDER_RELEVANCE ? ORDER_RELEVANCE_NONE : m->order;

    for (size_t o = m->order; o <= last; o++) {
        fill_nan(m->scores->channels[o], channels);
        fill_nan(m->scores->pixels[o], shape_neurons(net->input));
        if (m->scores == &m->work->predicted)
            fill_nan(m->scores->edges[o], m->work->edges);
    }
    measure_group(result, m->plan, &input, &target,
                  (struct measure_sink){.context = m, .flow = take_flow, .image = take_image}, memory);
    if (result->status == MEASURE_OK)
        memcpy(m->scores->channels[m->order], result->relevance, channels * sizeof(double));
}

/* The class with the highest logit besides the target. */
static size_t find_second(const float *z, size_t classes, size_t target)
{
    size_t second = target == 0 ? 1 : 0;

    for (size_t c = 0; c < classes; c++)
        if (c != target && z[c] > z[second])
            second = c;
    return second;
}

static void fill_head(float *row, struct evaluate_work *work)
{
    const struct network *net = net_of(work->design);
    size_t classes = network_shape(net, net->nlinks).channels;
    const float *z = work->image.a[net->nlinks];
    double outcome[CURVE_OUTCOMES];

    curve_outcome(outcome, z, classes, work->result.target);
    row[ROW_TARGET] = (float)work->result.target;
    row[ROW_PREDICTED] = (float)work->result.predicted;
    row[ROW_SECOND] = (float)find_second(z, classes, work->result.target);
    for (size_t i = 0; i < CURVE_OUTCOMES; i++)
        row[ROW_OUTCOME + i] = work->base[i] = (float)outcome[i];
}

/* Flows without the condition. Its other scores come with those under it. */
static void measure_plain_flows(struct evaluate_work *work, const float *input, struct measure_target target)
{
    struct measuring plain = {work, &work->plain, &work->predicted, ORDER_RELEVANCE_NONE, false};

    measure_group(&work->other_result, &work->plain, &input, &target,
                  (struct measure_sink){.context = &plain, .flow = take_flow}, &work->other_plain);
}

/* The measures besides the first. */
static void measure_others(struct evaluate_work *work, const float *input, size_t second)
{
    const struct design *design = work->design;
    struct measure_target target = {TARGET_CLASS, work->result.target, 0}, other = {TARGET_CLASS, second, 0};
    struct measuring own = {work, &work->plan, &work->second, ORDER_RELEVANCE, false};
    struct measuring gradient = {work, &work->gradient, &work->predicted, ORDER_GRADIENT, false};

    if (design->tests[TEST_TARGETS])
        measure(&own, &work->other_result, &work->other, input, other);
    if (design->tests[TEST_FLOWS] && design->orders[ORDER_RELEVANCE_NONE])
        measure_plain_flows(work, input, target);
    if (!design->orders[ORDER_GRADIENT])
        return;
    measure(&gradient, &work->other_result, &work->other_gradient, input, target);
    gradient.scores = &work->second;
    if (design->tests[TEST_TARGETS])
        measure(&gradient, &work->other_result, &work->other_gradient, input, other);
}

enum status evaluate_work_measure(struct evaluate_work *work, float *row, size_t index, struct error *err)
{
    const struct run_plan *run = work->design->run;
    struct measuring own = {work, &work->plan, &work->predicted, ORDER_RELEVANCE, true};
    struct measure_target target;
    enum store_status status;
    const float *input;
    enum status rc = OK;

    for (size_t i = 0; i < work->design->row; i++)
        row[i] = NAN;
    work->index = index;
    row[ROW_TARGET] = row[ROW_PREDICTED] = row[ROW_SECOND] = -1;
    TRY(take_input(&input, &status, work, index, err));
    bool targeted = block_target(&target, run->config, dataset_listing_label(run->listing.memory, index));
    if (status == STORE_IMAGE_OK && !targeted)
        status = STORE_IMAGE_UNDEFINED;
    if (status == STORE_IMAGE_OK) {
        measure(&own, &work->result, &work->own, input, target);
        status = work->result.status == MEASURE_OK ? STORE_IMAGE_OK : STORE_IMAGE_EXPLODED;
    }
    row[ROW_STATUS] = (float)status;
    if (status != STORE_IMAGE_OK)
        goto done;
    fill_head(row, work);
    measure_others(work, input, (size_t)row[ROW_SECOND]);
done:
    return rc;
}

/* ---- mean activations -------------------------------------------------------------------------------------------- */

struct averaging {
    const struct measure_plan *plan;
    double *means;
};

static void average(void *context, size_t variable, float *a, size_t n)
{
    const struct averaging *averaging = context;
    struct layout layout = network_layout(averaging->plan->net, variable);
    double *sums = averaging->means + averaging->plan->channel[variable];

    (void)n;
    layout_channel_sums(sums, a, layout);
    for (size_t c = 0; c < layout.shape.channels; c++)
        sums[c] /= (double)shape_positions(layout.shape);
}

enum status evaluate_work_activations(struct evaluate_work *work, double *means, bool *ok, size_t index,
                                      struct error *err)
{
    struct averaging averaging = {&work->plan, means};
    struct layout layout = network_layout(work->plan.net, 0);
    enum store_status status;
    const float *input;
    enum status rc = OK;

    TRY(take_input(&input, &status, work, index, err));
    *ok = status == STORE_IMAGE_OK;
    if (!*ok)
        goto done;
    layout_from_planar(work->planar, input, layout);
    struct measure_image image = {.a = {work->planar}};
    average(&averaging, 0, ablation_start(&work->trials.ablation, &image, 0, 1), 1);
    ablation_forward(&work->trials.ablation, &image, 0, 1, (struct ablation_hook){&averaging, average, NULL});
done:
    return rc;
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static void score_measured(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    memcpy(score, work->predicted.channels[order] + work->plan.channel[k],
           network_shape(work->plan.net, k).channels * sizeof *score);
}

static void score_activation(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    (void)order;
    layout_channel_sums(score, ablation_activations(&work->trials.ablation, &work->image, k),
                        network_layout(work->plan.net, k));
}

static void score_random(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    (void)order;
    for (size_t c = 0; c < network_shape(work->plan.net, k).channels; c++)
        score[c] = sample_uniform(work->design->seed, work->index, (uint32_t)k, (uint32_t)c);
}

/* Of the link that writes the variable; zero if it has no weights. */
static void score_weight(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    const struct link_plan *plan = k > 0 ? &work->plan.links[k - 1] : NULL;
    size_t channels = network_shape(work->plan.net, k).channels;
    bool weighted = plan && (plan->link->kind == LINK_CONVOLUTION || plan->link->kind == LINK_DENSE);
    size_t each = weighted ? network_weight_floats(plan->link) / channels : 0;

    (void)order;
    for (size_t c = 0; c < channels; c++) {
        score[c] = 0;
        for (size_t i = 0; i < each; i++)
            score[c] += fabs((double)plan->weight[c * each + i]);
    }
}

static void score_nothing(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    (void)order;
    fill_nan(score, network_shape(work->plan.net, k).channels);
}

void evaluate_work_score(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    static void (*const functions[ORDERS])(double *score, struct evaluate_work *work, enum order order, size_t k) = {
        [ORDER_RELEVANCE] = score_measured, [ORDER_RELEVANCE_NONE] = score_measured,
        [ORDER_GRADIENT] = score_measured,  [ORDER_ACTIVATION] = score_activation,
        [ORDER_RANDOM] = score_random,      [ORDER_WEIGHT] = score_weight,
        [ORDER_PRODUCT] = score_nothing,    [ORDER_MAGNITUDE] = score_nothing,
    };

    functions[order](score, work, order, k);
}

/* Product of the relevance of both channels, or the magnitude of the weights times the lower activation. */
static void score_pairs(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    const struct link_plan *plan = &work->plan.links[k - 1];
    size_t lower = network_edge(work->plan.net, k - 1, 0)->lower;
    const double *relevance = work->predicted.channels[ORDER_RELEVANCE];
    const double *upper = relevance + work->plan.channel[k], *below = relevance + work->plan.channel[lower];

    cut_magnitudes(score, plan->weight, cut_edges_of(plan->link));
    if (order == ORDER_WEIGHT)
        layout_channel_sums(work->values, work->image.a[lower], network_layout(work->plan.net, lower));
    for (size_t e = 0; e < cut_edges_of(plan->link).count; e++) {
        size_t d = cut_upper_channel(plan->link, e), c = cut_lower_channel(plan->link, e);
        score[e] = order == ORDER_WEIGHT ? score[e] * work->values[c] : upper[d] * below[c];
    }
}

void evaluate_work_score_edges(double *score, struct evaluate_work *work, enum order order, size_t k)
{
    size_t n = cut_edges_of(&work->plan.net->links[k - 1]).count;

    if (order < ORDER_MEASURED)
        memcpy(score, work->predicted.edges[order] + work->edge_first[k], n * sizeof *score);
    else if (order != ORDER_RANDOM)
        score_pairs(score, work, order, k);
    for (size_t e = 0; e < n && order == ORDER_RANDOM; e++)
        score[e] = sample_uniform(work->design->seed, work->index, (uint32_t)k, (uint32_t)e);
}
