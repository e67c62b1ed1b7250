#include "pipeline/evaluate/circuit.h"

#include "kernels/ablation/ranking.h"
#include "kernels/base/number.h"
#include "pipeline/evaluate/edges.h"
#include "pipeline/evaluate/own.h"
#include "pipeline/evaluate/sources.h"
#include "pipeline/evaluate/variant.h"
#include "pipeline/mpi/agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)CIRCUIT_SHARES <= (int)OWN_MOST, "every share is a copy");

const double circuit_shares[CIRCUIT_SHARES] = {0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.35, 0.5, 0.75};

/* The state of the work. What is owned is of rank 0, but for the last two. */
struct work {
    struct circuit *out;
    const struct circuit_options *options;
    const struct run_plan *plan;
    struct answers_record *record; /* NULL: none */
    const struct node *node;
    struct store_reader *readers[CIRCUIT_STORES];
    struct edges_source sources[CIRCUIT_STORES];
    int activations; /* the first store has mean activations; on all ranks */
    struct edges edges;
    double *score;                    /* [edges] */
    size_t *order, *scratch;          /* [edges] */
    float *keep;                      /* [edges] */
    struct answers_row *rows, *first; /* [images] of the order at hand; [shares][images] of the first order */
    struct answers_choice choice;
    struct variant variant;
    struct answers answers;
};

static const struct ablation_hook no_hook = {.context = NULL};

/* ---- orders: rank 0 ---------------------------------------------------------------------------------------------- */

/* How edges are scored; `store` is the number of the store that it is by. */
struct order {
    const char *name;
    bool by_class;    /* also where flows are of a class */
    bool activations; /* needs them */
    enum status (*score)(struct work *w, size_t store, struct error *err);
};

static enum status score_flow(struct work *w, size_t store, struct error *err)
{
    return edges_score_flow(w->score, &w->edges, &w->sources[store], err);
}

static enum status score_product(struct work *w, size_t store, struct error *err)
{
    return edges_score_product(w->score, &w->edges, &w->sources[store], err);
}

static enum status score_weight(struct work *w, size_t store, struct error *err)
{
    (void)store, (void)err;
    edges_score_weight(w->score, &w->edges, w->plan->model.weights.memory);
    return OK;
}

static enum status score_activation(struct work *w, size_t store, struct error *err)
{
    return edges_score_activation(w->score, &w->edges, &w->sources[store], w->plan->model.weights.memory, err);
}

static enum status score_random(struct work *w, size_t store, struct error *err)
{
    (void)store, (void)err;
    edges_score_random(w->score, &w->edges, w->options->seed);
    return OK;
}

static const struct order flow = {"flow", true, false, score_flow};
static const struct order others[] = {
    {"product", false, false, score_product},
    {"weight", true, false, score_weight},
    {"weight_activation", false, true, score_activation},
    {"random", true, false, score_random},
};

/* Whether an order is among those of this work, besides flows. On all ranks. */
static bool has_order(const struct work *w, const struct order *order)
{
    return (order->by_class || w->choice.class < 0) && (!order->activations || w->activations);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* "flow", or "flow of zero.h5"; with the number of the store where others have the same file name. */
static void name_order(char name[CIRCUIT_NAME], const struct work *w, const struct order *order, size_t store)
{
    enum { SHOWN = 60 };

    const struct option_list *stores = &w->options->stores;
    const char *file = file_name(stores->items[store]);
    size_t alike = 0;

    for (size_t i = 1; i < stores->count; i++)
        alike += strncmp(file_name(stores->items[i]), file, SHOWN) == 0;
    if (store == 0)
        snprintf(name, CIRCUIT_NAME, "%s", order->name);
    else if (alike > 1)
        snprintf(name, CIRCUIT_NAME, "%s of store %zu %.*s", order->name, store + 1, (int)SHOWN, file);
    else
        snprintf(name, CIRCUIT_NAME, "%s of %.*s", order->name, (int)SHOWN, file);
}

/* ---- preparation: rank 0 ----------------------------------------------------------------------------------------- */

/* The row of the class among those that have flows of their own. */
static enum status find_class(size_t *row, const struct work *w, const struct edges_source *source, struct error *err)
{
    size_t n = STORE_ANY;
    int64_t *classes = NULL;
    enum status rc = OK;

    *row = SIZE_MAX;
    if (w->choice.class < 0)
        return OK;
    if (!store_has(source->reader, "flow_class"))
        return error_set(err, FAIL_CONFIG, "%s has no flows by class; run again with store.class_flows = %d",
                         source->path, w->choice.class);
    TRY(store_read_int(&classes, source->reader, "flow_class", 1, &n, err));
    for (size_t i = 0; i < n; i++)
        *row = classes[i] == w->choice.class ? i : *row;
    if (*row == SIZE_MAX)
        rc = error_set(err, FAIL_CONFIG, "%s has no flows of class %d; run again with it in store.class_flows",
                       source->path, w->choice.class);
done:
    free(classes);
    return rc;
}

static enum status open_store(struct work *w, size_t store, struct error *err)
{
    struct edges_source *source = &w->sources[store];
    enum status rc = OK;

    *source = (struct edges_source){.path = w->options->stores.items[store], .by = w->options->by};
    TRY(sources_open(&w->readers[store], source->path, w->plan, err));
    source->reader = w->readers[store];
    TRY(find_class(&source->class_row, w, source, err));
    TRY(sources_images(&source->images, source->reader, source->path, w->choice.class, err));
done:
    return rc;
}

static enum status open_stores(struct work *w, struct error *err)
{
    const struct option_list *stores = &w->options->stores;
    enum status rc = OK;

    if (stores->count > CIRCUIT_STORES)
        TRY(error_set(err, FAIL_CONFIG, "%zu stores are given, but at most %d can be compared", stores->count,
                      CIRCUIT_STORES));
    for (size_t i = 0; i < stores->count; i++)
        TRY(open_store(w, i, err));
    TRY(edges_init(&w->edges, &w->plan->model.net, w->readers[0], stores->items[0], err));
done:
    return rc;
}

static enum status allocate(struct work *w, struct error *err)
{
    size_t n = w->edges.count, images = w->plan->images.end - w->plan->images.first;

    w->score = calloc(n, sizeof *w->score);
    w->order = calloc(n, sizeof *w->order);
    w->scratch = calloc(n, sizeof *w->scratch);
    w->keep = calloc(n, sizeof *w->keep);
    w->rows = calloc(images, sizeof *w->rows);
    w->first = calloc(CIRCUIT_SHARES * images, sizeof *w->first);
    w->out->rows = calloc(images, sizeof *w->out->rows);
    if (!w->out->rows || !w->score || !w->order || !w->scratch || !w->keep || !w->rows || !w->first)
        return error_set(err, FAIL_SYSTEM, "no memory for %zu edges and the answers to %zu images", n, images);
    return OK;
}

/* Score by every order for nothing but its errors, which are not to come after hours of work. */
static enum status check_orders(struct work *w, struct error *err)
{
    enum status rc = OK;

    for (size_t store = 0; store < w->options->stores.count; store++)
        TRY(flow.score(w, store, err));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has_order(w, &others[i]))
            TRY(others[i].score(w, 0, err));
done:
    return rc;
}

static enum status prepare(struct work *w, struct error *err)
{
    enum status rc = OK;

    TRY(open_stores(w, err));
    TRY(allocate(w, err));
    w->activations = edges_has_activations(&w->edges, w->readers[0]);
    TRY(check_orders(w, err));
    w->out->edges = w->edges.count;
    w->out->links = w->edges.nlinks;
    w->out->whole_links = w->edges.nwhole;
    for (size_t s = 0; s < CIRCUIT_SHARES; s++)
        w->out->kept[s] = curve_count(circuit_shares[s], w->edges.count);
done:
    return rc;
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* Keep the first edges of the order in w->order. Collective. */
static void keep_share(struct work *w, size_t share)
{
    float *weights = variant_weights(&w->variant, w->node);

    if (weights) {
        curve_keep(w->keep, w->order, w->edges.count, w->edges.count - w->out->kept[share], CURVE_LERF);
        edges_cut(weights, w->plan->model.weights.memory, w->keep, &w->edges);
    }
    variant_update(&w->variant, w->node);
}

/* The network whose edges of highest score are kept. Collective. */
static enum status ask_share(struct work *w, size_t share, struct circuit_order *result, struct error *err)
{
    size_t images = w->plan->images.end - w->plan->images.first, order = w->out->norders;
    struct answers_row *rows = w->rows, *first = w->node->rank == 0 ? w->first + share * images : NULL;

    if (!answers_record_has(w->record, images))
        keep_share(w, share);
    enum status rc = answers_compute(rows, &w->answers, no_hook, err);
    if (rc != OK || w->node->rank != 0)
        return rc;
    if (order == 0)
        memcpy(first, rows, images * sizeof *rows);
    result->at[share] = answers_summarise(rows, NULL, w->choice);
    result->excess[share] = answers_summarise(first, rows, w->choice);
    return OK;
}

/* All networks of an order. Collective. */
static enum status ask_order(struct work *w, const struct order *order, size_t store, struct error *err)
{
    struct circuit_order *result = &w->out->orders[w->out->norders];
    enum status rc = OK;

    name_order(result->name, w, order, store);
    if (w->node->rank == 0)
        rc = order->score(w, store, err);
    TRY(agree(w->node->world, rc, err));
    if (w->node->rank == 0 && w->options->unit_layers)
        edges_make_unit(w->score, &w->edges);
    if (w->node->rank == 0)
        ranking_order(w->order, w->scratch, w->score, w->edges.count);
    for (size_t share = 0; share < CIRCUIT_SHARES; share++) {
        char status[CIRCUIT_NAME + 64];
        snprintf(status, sizeof status, "%s: %g %% of the edges", result->name, 100 * circuit_shares[share]);
        log_status(w->answers.log, status);
        TRY(ask_share(w, share, result, err));
    }
    w->out->norders++;
done:
    return rc;
}

/* Circuits of the first `count` images alone, on all ranks. Collective. */
static enum status ask_own(struct work *w, size_t count, struct error *err)
{
    size_t images = w->plan->images.end - w->plan->images.first;
    struct answers_row *rows = w->node->rank == 0 ? calloc(CIRCUIT_SHARES * images, sizeof *rows) : NULL;
    struct circuit_order *result = &w->out->orders[w->out->norders];
    bool short_of_memory = w->node->rank == 0 && !rows;
    enum status rc = OK;

    snprintf(result->name, sizeof result->name, "own");
    log_status(w->answers.log, "circuits of single images");
    TRY(agree(w->node->world,
              short_of_memory ? error_set(err, FAIL_SYSTEM, "no memory for the answers to %zu images", images) : OK,
              err));
    MPI_Bcast(&w->edges, sizeof w->edges, MPI_BYTE, 0, w->node->world);
    MPI_Bcast(w->out->kept, sizeof w->out->kept, MPI_BYTE, 0, w->node->world);
    w->edges.net = &w->plan->model.net;
    struct own_options own = {count, w->options->by, w->options->unit_layers, w->out->kept, CIRCUIT_SHARES};
    TRY(own_circuits(rows, w->plan, &w->edges, own, w->record, w->node, err));
    for (size_t share = 0; share < CIRCUIT_SHARES && rows; share++) {
        result->at[share] = answers_summarise(rows + share * images, NULL, w->choice);
        result->excess[share] = answers_summarise(w->first + share * images, rows + share * images, w->choice);
    }
    w->out->norders++;
done:
    free(rows);
    return rc;
}

/* Images that get circuits of their own. */
static size_t own_count(const struct work *w)
{
    return smaller(w->options->own, w->plan->images.end - w->plan->images.first);
}

static enum status ask_all(struct work *w, struct error *err)
{
    enum status rc = OK;

    TRY(answers_compute(w->out->rows, &w->answers, no_hook, err));
    if (w->node->rank == 0)
        w->out->whole = answers_summarise(w->out->rows, NULL, w->choice);
    for (size_t store = 0; store < w->options->stores.count; store++)
        TRY(ask_order(w, &flow, store, err));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has_order(w, &others[i]))
            TRY(ask_order(w, &others[i], 0, err));
    if (own_count(w) > 0)
        TRY(ask_own(w, own_count(w), err));
done:
    log_status(w->answers.log, "");
    return rc;
}

/* Seconds since `began` on the slowest rank. Collective. */
static double seconds_since(double began, const struct work *w)
{
    double mine = log_seconds() - began, slowest;

    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, w->node->world);
    return slowest;
}

/* The first network is by the order that w->order has at the start, of zeros: its edges do not change the time. */
static enum status time_all(struct answers_cost *cost, struct work *w, struct error *err)
{
    size_t orders = w->options->stores.count;
    double began = log_seconds();
    enum status rc = OK;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        orders += has_order(w, &others[i]);
    *cost = (struct answers_cost){.networks = orders * CIRCUIT_SHARES, .own = own_count(w)};
    keep_share(w, 0);
    cost->change = seconds_since(began, w);
    TRY(answers_time(&cost->batch, &w->answers, no_hook, err));
    began = log_seconds();
    if (cost->own > 0) {
        TRY(ask_own(w, smaller(cost->own, (size_t)w->node->nranks), err));
        cost->own_image = seconds_since(began, w);
    }
done:
    return rc;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* A forward pass needs no more than the run's rules, which choose how links are computed. */
static void choose_measure(struct measure_options *options, const struct run_plan *plan)
{
    *options = plan->model.plan.options;
    options->given = GIVEN_NONE;
    memset(options->flows, 0, sizeof options->flows);
}

static enum status choose_class(struct work *w, struct error *err)
{
    size_t classes = run_plan_classes(w->plan), class = w->options->class;

    w->choice = (struct answers_choice){w->plan, class == SIZE_MAX ? -1 : (int)class};
    if (class != SIZE_MAX && class >= classes)
        return error_set(err, FAIL_CONFIG, "--class %zu: the network has the classes 0 to %zu", class, classes - 1);
    return OK;
}

static void finish(struct work *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < CIRCUIT_STORES; i++)
        store_close(w->readers[i]);
    free(w->score);
    free(w->order);
    free(w->scratch);
    free(w->keep);
    free(w->rows);
    free(w->first);
    answers_free(&w->answers);
    variant_free(&w->variant);
    free(w);
}

/* Everything before the first network is asked. Caller frees `out` with finish, also after a failure. Collective. */
static enum status begin(struct work **out, struct work start, struct log *log, struct error *err)
{
    const struct node *node = start.node;
    const struct run_plan *plan = start.plan;
    struct work *w = *out = calloc(1, sizeof *w);
    struct measure_options *measure = calloc(1, sizeof *measure);
    enum status rc = OK;

    TRY(agree(node->world, w && measure ? OK : error_set(err, FAIL_SYSTEM, "no memory for the evaluation"), err));
    *w = start;
    TRY(choose_class(w, err));
    if (node->rank == 0)
        rc = prepare(w, err);
    TRY(agree(node->world, rc, err));
    MPI_Bcast(&w->activations, 1, MPI_INT, 0, node->world);
    choose_measure(measure, plan);
    TRY(variant_init(&w->variant, &plan->model, measure, node, err));
    TRY(answers_init(&w->answers, plan, &w->variant.plan, w->record, node, log, err));
done:
    free(measure);
    return rc;
}

enum status circuit_measure(struct circuit *out, const struct circuit_options *options, const struct run_plan *plan,
                            struct answers_record *record, const struct node *node, struct log *log, struct error *err)
{
    struct work *w;
    enum status rc = OK;

    *out = (struct circuit){.norders = 0};
    TRY(begin(&w, (struct work){.out = out, .options = options, .plan = plan, .record = record, .node = node}, log,
              err));
    TRY(ask_all(w, err));
done:
    finish(w);
    return rc;
}

enum status circuit_time(struct answers_cost *cost, const struct circuit_options *options, const struct run_plan *plan,
                         const struct node *node, struct log *log, struct error *err)
{
    struct circuit out = {.norders = 0};
    struct work *w;
    enum status rc = OK;

    TRY(begin(&w, (struct work){.out = &out, .options = options, .plan = plan, .node = node}, log, err));
    TRY(time_all(cost, w, err));
done:
    finish(w);
    free(out.rows);
    return rc;
}
