#include "pipeline/evaluate/prune.h"

#include "kernels/ablation/cut.h"
#include "kernels/ablation/ranking.h"
#include "kernels/measure/sample.h"
#include "pipeline/evaluate/sources.h"
#include "pipeline/mpi/agree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const prune_by_names[PRUNE_BYS] = {"mean", "absolute"};

/* The channels of a convolution among all. */
struct layer {
    size_t variable, first, count;
};

struct work {
    struct prune *out;
    const struct prune_options *options;
    const struct run_plan *plan;
    struct answers_record *record; /* NULL: none */
    const struct node *node;
    struct store_reader *reader; /* rank 0 */
    size_t nlayers, channels;
    struct layer layers[NETWORK_MAX_VARIABLES];
    size_t of_variable[NETWORK_MAX_VARIABLES]; /* in layers; SIZE_MAX: none */
    double *score;                             /* [channels]; these three of rank 0 */
    size_t *order, *scratch;
    float *keep;                      /* [channels] on all ranks */
    struct answers_row *rows, *first; /* rank 0: [images] of the network at hand; [rates][images] of the first order */
    struct answers answers;
};

/* ---- rates ------------------------------------------------------------------------------------------------------- */

enum status prune_parse_rates(struct prune_options *options, const char *text, struct error *err)
{
    double first, last, step;
    char rest;

    if (sscanf(text, "%lf:%lf:%lf%c", &first, &last, &step, &rest) != 3 || !(first >= 0) || !(last > first) ||
        !(last <= 1) || !(step > 0))
        return error_set(err, FAIL_CONFIG, "--rates %.40s: give A:B:STEP with 0 <= A < B <= 1, such as 0:0.5:0.05",
                         text);
    double steps = floor((last - first) / step + 1e-9) + 1; /* B itself is meant, whatever its rounding */
    if (steps < 2)
        return error_set(err, FAIL_CONFIG, "--rates %.40s: the step leads beyond %g; give one of at most %g", text,
                         last, last - first);
    if (steps > PRUNE_RATES)
        return error_set(err, FAIL_CONFIG, "--rates %.40s: %.0f rates are more than %d", text, steps, PRUNE_RATES);
    options->nrates = (size_t)steps;
    for (size_t i = 0; i < options->nrates; i++)
        options->rates[i] = first + (double)i * step;
    return OK;
}

/* ---- scores: rank 0 ---------------------------------------------------------------------------------------------- */

static void find_layers(struct work *w)
{
    const struct network *net = &w->plan->model.net;

    for (size_t k = 0; k <= net->nlinks; k++)
        w->of_variable[k] = SIZE_MAX;
    for (size_t k = 0; k < net->nlinks; k++) {
        if (net->links[k].kind != LINK_CONVOLUTION || !net->swept[k + 1])
            continue;
        w->of_variable[k + 1] = w->nlayers;
        w->layers[w->nlayers++] = (struct layer){k + 1, w->channels, net->links[k].upper.channels};
        w->channels += net->links[k].upper.channels;
    }
}

static enum status score_layer(struct work *w, const struct layer *layer, struct error *err)
{
    static const char *const columns[PRUNE_BYS][2] = {{"mean", NULL}, {"mean_positive", "mean_negative"}};
    const char *const *names = columns[w->options->by];
    const struct sources_store source = {w->reader, w->options->store};
    const struct network *net = &w->plan->model.net;
    double *plus = NULL, *minus = NULL, *score = w->score + layer->first;
    enum status rc = OK;

    TRY(sources_read_channels(&plus, &source, net, layer->variable, names[0], err));
    if (names[1])
        TRY(sources_read_channels(&minus, &source, net, layer->variable, names[1], err));
    for (size_t c = 0; c < layer->count; c++)
        score[c] = plus[c] - (minus ? minus[c] : 0);
    if (w->options->unit_layers)
        sources_make_unit(score, layer->count);
done:
    free(plus);
    free(minus);
    return rc;
}

static enum status score_store(struct work *w, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < w->nlayers && rc == OK; i++)
        rc = score_layer(w, &w->layers[i], err);
    return rc;
}

/* Sums of the magnitudes of the weights that write a channel, of every layer divided by its own sum. */
static enum status score_weight(struct work *w, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < w->nlayers; i++) {
        const struct link *link = &w->plan->model.net.links[w->layers[i].variable - 1];
        const float *weight = (const float *)w->plan->model.weights.memory + link->weight;
        size_t each = network_weight_floats(link) / w->layers[i].count;
        for (size_t c = 0; c < w->layers[i].count; c++)
            cut_magnitudes(w->score + w->layers[i].first + c, weight + c * each,
                           (struct cut_edges){.taps = each, .count = 1});
        sources_make_unit(w->score + w->layers[i].first, w->layers[i].count);
    }
    return OK;
}

static enum status score_random(struct work *w, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < w->nlayers; i++)
        for (size_t c = 0; c < w->layers[i].count; c++)
            w->score[w->layers[i].first + c] =
                sample_uniform(w->options->seed, 0, (uint32_t)w->layers[i].variable, (uint32_t)c);
    return OK;
}

static const struct {
    const char *name;
    enum status (*score)(struct work *w, struct error *err);
} orders[PRUNE_ORDERS] = {{"store", score_store}, {"weight", score_weight}, {"random", score_random}};

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* Replace the channels that are not kept, in all images alike. */
static void replace(void *context, size_t variable, float *a, size_t n)
{
    const struct work *w = context;
    struct layout layout = network_layout(&w->plan->model.net, variable);

    if (w->of_variable[variable] == SIZE_MAX)
        return;
    const struct layer *layer = &w->layers[w->of_variable[variable]];
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < layer->count; c++)
            if (w->keep[layer->first + c] == 0)
                ablation_fill_channel(a + i * layout_floats(layout), c, 0, layout);
}

/* Collective. */
static enum status ask_rate(struct work *w, size_t order, size_t rate, struct error *err)
{
    size_t images = w->plan->images.end - w->plan->images.first, k = curve_count(w->options->rates[rate], w->channels);
    struct prune_order *result = &w->out->orders[order];
    struct answers_choice all = {w->plan, -1};

    if (w->node->rank == 0)
        curve_keep(w->keep, w->order, w->channels, k, CURVE_LERF);
    MPI_Bcast(w->keep, (int)w->channels, MPI_FLOAT, 0, w->node->world);
    enum status rc = answers_compute(w->rows, &w->answers, (struct ablation_hook){.context = w, .reach = replace}, err);
    if (rc != OK || w->node->rank != 0)
        return rc;
    if (order == 0)
        memcpy(w->first + rate * images, w->rows, images * sizeof *w->rows);
    w->out->replaced[rate] = k;
    result->at[rate] = answers_summarise(w->rows, NULL, all);
    result->excess[rate] = answers_summarise(w->first + rate * images, w->rows, all);
    return OK;
}

/* Area of accuracy over the rates. */
static double area_of(const struct prune_order *order, const struct prune_options *options)
{
    double values[PRUNE_RATES];

    for (size_t i = 0; i < options->nrates; i++) {
        const struct answers_summary *at = &order->at[i];
        values[i] = isnan(at->accuracy.value) ? at->agreement.value : at->accuracy.value;
    }
    return curve_area(values, options->rates, options->nrates);
}

static enum status ask_order(struct work *w, size_t order, struct error *err)
{
    enum status rc = OK;

    w->out->orders[order].name = orders[order].name;
    if (w->node->rank == 0)
        rc = orders[order].score(w, err);
    TRY(agree(w->node->world, rc, err));
    if (w->node->rank == 0)
        ranking_order(w->order, w->scratch, w->score, w->channels);
    for (size_t rate = 0; rate < w->options->nrates; rate++) {
        char status[128];
        snprintf(status, sizeof status, "%s: without %g %% of the channels", orders[order].name,
                 100 * w->options->rates[rate]);
        log_status(w->answers.log, status);
        TRY(ask_rate(w, order, rate, err));
    }
    w->out->orders[order].area = area_of(&w->out->orders[order], w->options);
done:
    log_status(w->answers.log, "");
    return rc;
}

static enum status ask_all(struct work *w, struct error *err)
{
    enum status rc = OK;

    TRY(answers_compute(w->out->rows, &w->answers, (struct ablation_hook){.context = NULL}, err));
    if (w->node->rank == 0)
        w->out->whole = answers_summarise(w->out->rows, NULL, (struct answers_choice){w->plan, -1});
    for (size_t order = 0; order < PRUNE_ORDERS; order++)
        TRY(ask_order(w, order, err));
done:
    return rc;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static enum status prepare(struct work *w, struct error *err)
{
    size_t n = w->channels, images = w->plan->images.end - w->plan->images.first;
    enum status rc = OK;

    w->keep = calloc(n + 1, sizeof *w->keep);
    if (w->node->rank == 0) {
        w->score = calloc(n, sizeof *w->score);
        w->order = calloc(n, sizeof *w->order);
        w->scratch = calloc(n, sizeof *w->scratch);
        w->rows = calloc(images, sizeof *w->rows);
        w->first = calloc(w->options->nrates * images, sizeof *w->first);
        w->out->rows = calloc(images, sizeof *w->out->rows);
    }
    if (n == 0)
        return error_set(err, FAIL_CONFIG, "the network has no convolutions whose channels could be pruned");
    if (!w->keep ||
        (w->node->rank == 0 && (!w->score || !w->order || !w->scratch || !w->rows || !w->first || !w->out->rows)))
        return error_set(err, FAIL_SYSTEM, "no memory for %zu channels and the answers to %zu images", n, images);
    if (w->node->rank == 0)
        rc = sources_open(&w->reader, w->options->store, w->plan, err);
    return rc;
}

static void finish(struct work *w)
{
    if (!w)
        return;
    store_close(w->reader);
    free(w->score);
    free(w->order);
    free(w->scratch);
    free(w->keep);
    free(w->rows);
    free(w->first);
    answers_free(&w->answers);
    free(w);
}

/* Everything before the first network is asked. Caller frees `out` with finish, also after a failure. Collective. */
static enum status begin(struct work **out, struct work start, struct log *log, struct error *err)
{
    struct work *w = *out = calloc(1, sizeof *w);
    enum status rc = OK;

    TRY(agree(start.node->world, w ? OK : error_set(err, FAIL_SYSTEM, "no memory for the evaluation"), err));
    *w = start;
    find_layers(w);
    w->out->channels = w->channels;
    w->out->layers = w->nlayers;
    TRY(agree(w->node->world, prepare(w, err), err));
    TRY(answers_init(&w->answers, w->plan, &w->plan->model.plan, w->record, w->node, log, err));
done:
    return rc;
}

enum status prune_measure(struct prune *out, const struct prune_options *options, const struct run_plan *plan,
                          struct answers_record *record, const struct node *node, struct log *log, struct error *err)
{
    struct work *w;
    enum status rc = OK;

    *out = (struct prune){.channels = 0};
    TRY(begin(&w, (struct work){.out = out, .options = options, .plan = plan, .record = record, .node = node}, log,
              err));
    TRY(ask_all(w, err));
done:
    finish(w);
    return rc;
}

enum status prune_time(struct answers_cost *cost, const struct prune_options *options, const struct run_plan *plan,
                       const struct node *node, struct log *log, struct error *err)
{
    struct prune *out = calloc(1, sizeof *out);
    struct work *w = NULL;
    double mean = (options->rates[0] + options->rates[options->nrates - 1]) / 2;
    enum status rc = OK;

    TRY(agree(node->world, out ? OK : error_set(err, FAIL_SYSTEM, "no memory for the evaluation"), err));
    TRY(begin(&w, (struct work){.out = out, .options = options, .plan = plan, .node = node}, log, err));
    *cost = (struct answers_cost){.networks = PRUNE_ORDERS * options->nrates};
    for (size_t c = 0; c < w->channels; c++) /* as many as the rates replace on average */
        w->keep[c] = curve_count(mean, c + 1) == curve_count(mean, c);
    TRY(answers_time(&cost->batch, &w->answers, (struct ablation_hook){.context = w, .reach = replace}, err));
done:
    finish(w);
    if (out)
        free(out->rows);
    free(out);
    return rc;
}
