#include "pipeline/analysis/walk_ranking_exact.h"

#include "kernels/base/number.h"
#include "kernels/measure/walk_measure.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/results/origin.h"
#include "pipeline/run/probe.h"
#include "pipeline/sets/sets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SWEEP_BYTES: memory for a rank's sweeps; a single sweep gets what it needs. MESSAGE: numbers in one message. */
enum { SWEEP_BYTES = 256 << 20, MESSAGE = 1 << 20 };

/* The state of a verification. */
struct verification {
    struct walk_ranking *found;
    const struct store_reader *reader;
    const char *path;
    const struct node *node;
    struct origin origin; /* of the store */
    char *given;          /* its condition */
    struct probe probe;
    float *masks[NETWORK_MAX_VARIABLES];
    size_t variables[WALK_SEARCH_MOST_LAYERS];
    size_t *channels; /* [nwalks][nlayers] sorted */
    size_t *order;    /* [nwalks] which walk each of them is */
    void *memory;
    struct walk_work work;
    double *relevance; /* [images][nwalks] in the sorted order */
    struct error *err;
};

/* ---- the store's configuration ----------------------------------------------------------------------------------- */

static enum status read_stored(struct verification *v)
{
    enum status rc = OK;

    TRY(origin_read(&v->origin, v->reader, v->path, v->err));
    v->given = strdup(v->origin.config.measure.given);
    if (!v->given)
        rc = error_set(v->err, FAIL_SYSTEM, "no memory for the store's condition");
done:
    return rc;
}

/* Whether a rule's shares are never negative, whatever the activations. Those of zbox with the user's bounds can be. */
static bool nonnegative_rule(const struct rule *rule)
{
    if (rule->kind == RULE_ALPHABETA)
        return rule->b == 0;
    return rule->kind == RULE_ZPLUS || rule->kind == RULE_FLAT || rule->kind == RULE_WSQUARE ||
           (rule->kind == RULE_ZBOX && rule->input_bounds);
}

/* Whether no relevance down to variable `lowest` can be negative. */
static bool nonnegative(const struct verification *v, size_t lowest)
{
    const struct model *model = probe_model(&v->probe);
    bool yes = v->probe.config.measure.target.kind != CONFIG_TARGET_CONTRAST;

    for (size_t k = lowest; k < model->net.nlinks; k++)
        yes = yes && (!network_has_rule(&model->net.links[k]) || !model->net.swept[k + 1] ||
                      nonnegative_rule(&model->plan.options.rules[k]));
    return yes;
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

static enum measure_given kind_of(const char *given)
{
    if (strcmp(given, "none") == 0)
        return GIVEN_NONE;
    return strcmp(given, "input") == 0 ? GIVEN_INPUT : GIVEN_SETS;
}

/* The store's condition, once its masks are computed. */
static struct walk_condition condition_of(const struct verification *v)
{
    struct walk_condition condition = {.given = kind_of(v->given), .masks = (const float *const *)v->masks};

    while (condition.given == GIVEN_SETS && !v->masks[condition.lowest])
        condition.lowest++;
    return condition;
}

static int by_channels(const void *left, const void *right)
{
    const struct walk *a = *(const struct walk *const *)left, *b = *(const struct walk *const *)right;

    for (size_t k = 0; k < WALK_SEARCH_MOST_LAYERS; k++) /* unused channels are zero */
        if (a->channels[k] != b->channels[k])
            return a->channels[k] < b->channels[k] ? -1 : 1;
    return 0;
}

/* Sort the walks so that those with the same beginning are neighbours. */
static enum status sort_walks(struct verification *v)
{
    size_t n = v->found->nwalks, nlayers = v->found->nlayers;
    const struct walk **sorted = calloc(n + 1, sizeof(struct walk *));

    v->channels = calloc(n * nlayers + 1, sizeof *v->channels);
    v->order = calloc(n + 1, sizeof *v->order);
    if (!sorted || !v->channels || !v->order) {
        free(sorted);
        return error_set(v->err, FAIL_SYSTEM, "no memory for %zu walks", n);
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = &v->found->walks[i];
    qsort(sorted, n, sizeof(struct walk *), by_channels);
    for (size_t i = 0; i < n; i++) {
        memcpy(v->channels + i * nlayers, sorted[i]->channels, nlayers * sizeof *v->channels);
        v->order[i] = (size_t)(sorted[i] - v->found->walks);
    }
    free(sorted);
    return OK;
}

static enum status place_walks(struct verification *v)
{
    const struct model *model = probe_model(&v->probe);
    struct walk_list list = {v->found->nlayers, v->variables, v->found->nwalks, v->channels};
    struct arena arena = arena_over(NULL, 0);

    walk_measure_place(&v->work, &model->plan, list, condition_of(v), SWEEP_BYTES, &arena);
    v->memory = aligned_alloc(ARENA_ALIGNMENT, (arena.peak / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);
    v->relevance = calloc(v->probe.count * v->found->nwalks, sizeof *v->relevance);
    if (!v->memory || !v->relevance)
        return error_set(v->err, FAIL_SYSTEM, "no memory for %zu walks through %zu images; ask for fewer",
                         v->found->nwalks, v->probe.count);
    arena = arena_over(v->memory, arena.peak);
    walk_measure_place(&v->work, &model->plan, list, condition_of(v), SWEEP_BYTES, &arena);
    return OK;
}

static void take_image(void *context, size_t index, const struct measure_result *result,
                       const struct measure_image *image)
{
    struct verification *v = context;

    (void)result;
    walk_measure_image(v->relevance + (index - v->probe.first) * v->found->nwalks, &v->work, image);
}

/* Gather the numbers on rank 0: each is on one rank, and zero on the others. */
static void gather(struct verification *v)
{
    size_t n = v->probe.count * v->found->nwalks;

    for (size_t done = 0; done < n; done += MESSAGE) {
        double *at = v->relevance + done;
        int count = (int)smaller(n - done, MESSAGE);
        MPI_Reduce(v->node->rank == 0 ? MPI_IN_PLACE : at, at, count, MPI_DOUBLE, MPI_SUM, 0, v->node->world);
    }
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

static bool counts(const struct verification *v, const struct probe_image *image)
{
    int class = v->probe.config.store.class_by == CONFIG_BY_LABEL ? image->label : image->target;

    return image->status == STORE_IMAGE_OK && (!v->found->by_class || class == (int)v->found->class_number);
}

static enum status average(struct walk_ranking_verified *verified, const struct verification *v)
{
    size_t n = v->probe.count, nwalks = v->found->nwalks;
    bool conditioned = strcmp(v->given, "none") != 0;
    double *value = calloc(2 * n, sizeof *value);

    verified->means = calloc(nwalks + 1, sizeof *verified->means);
    if (!value || !verified->means) {
        free(value);
        return error_set(v->err, FAIL_SYSTEM, "no memory for the means of %zu walks", nwalks);
    }
    for (size_t i = 0; i < n; i++) {
        const struct probe_image *image = &v->probe.images[i];
        value[n + i] = !counts(v, image) ? NAN : conditioned ? image->value : 1;
    }
    for (size_t w = 0; w < nwalks; w++) {
        for (size_t i = 0; i < n; i++)
            value[i] = v->relevance[i * nwalks + w];
        verified->means[v->order[w]] = queries_mean(value, value + n, n);
    }
    verified->images = nwalks ? verified->means[0].images : 0;
    free(value);
    return OK;
}

/* ---- the verification -------------------------------------------------------------------------------------------- */

/* Find the layers in the network. Those of a damaged store need not fit. */
static enum status find_variables(struct verification *v, const struct network *net)
{
    for (size_t k = 0; k < v->found->nlayers; k++) {
        v->variables[k] = network_find(net, v->found->layers[k]);
        if (v->variables[k] > net->nlinks || (k > 0 && v->variables[k] >= v->variables[k - 1]) ||
            network_shape(net, v->variables[k]).channels != v->found->channels[k])
            return error_set(v->err, FAIL_FORMAT, "%s: layer %s is not that of the network", v->path,
                             v->found->layers[k]);
    }
    return OK;
}

/* The store's masks and walks for the model; the same on all ranks. */
static enum status prepare(struct verification *v, struct walk_ranking_verified *verified,
                           const struct walk_ranking_options *wanted)
{
    const struct network *net = &probe_model(&v->probe)->net;
    struct walk_ranking_options options = *wanted;
    size_t lowest;
    enum status rc = OK;

    if (kind_of(v->given) == GIVEN_SETS)
        TRY(sets_masks(v->masks, v->given, net, v->err));
    TRY(walk_ranking_search(v->found, v->reader, v->path, &options, v->err));
    TRY(origin_compare(&v->origin, &v->probe.config, probe_model(&v->probe)->sha256, v->found->by_class, v->err));
    TRY(find_variables(v, net));
    lowest = v->variables[v->found->nlayers - 1];
    if (condition_of(v).given != GIVEN_NONE && condition_of(v).lowest < lowest)
        lowest = condition_of(v).lowest;
    verified->nonnegative = nonnegative(v, lowest);
    verified->same_images =
        origin_same_images(&v->origin, v->probe.plan.dataset_sha256, v->probe.first, v->probe.count);
    if (verified->nonnegative) {
        options.bound = true;
        walk_ranking_free(v->found);
        TRY(walk_ranking_search(v->found, v->reader, v->path, &options, v->err));
    }
    if (v->found->nwalks == 0)
        TRY(error_set(v->err, FAIL_CONFIG, "%s: all flows between these layers are zero", v->path));
    TRY(sort_walks(v));
    TRY(place_walks(v));
done:
    return rc;
}

enum status walk_ranking_exact(struct walk_ranking *found, struct walk_ranking_verified *verified,
                               const struct store_reader *reader, const char *path,
                               const struct walk_ranking_exact_options *options, const struct node *node,
                               struct log *log, struct error *err)
{
    struct verification v = {.found = found, .reader = reader, .path = path, .node = node, .err = err};
    struct probe_options probe = {.source = options->source, .images = options->images};
    enum status rc = OK;

    *found = (struct walk_ranking){.nlayers = 0};
    *verified = (struct walk_ranking_verified){.images = 0};
    TRY(agree(node->world, read_stored(&v), err));
    probe.query = strcmp(v.given, "none") == 0 ? "input" : v.given;
    TRY(probe_begin(&v.probe, &probe, node, log, err));
    TRY(agree(node->world, prepare(&v, verified, options->search), err));
    TRY(probe_run(&v.probe, (struct block_watcher){&v, take_image}, (struct probe_round){NULL, NULL}, err));
    gather(&v);
    TRY(agree(node->world, node->rank == 0 ? average(verified, &v) : OK, err));
done:
    probe_end(&v.probe);
    origin_free(&v.origin);
    sets_masks_free(v.masks);
    free(v.given);
    free(v.channels);
    free(v.order);
    free(v.memory);
    free(v.relevance);
    return rc;
}

void walk_ranking_exact_free(struct walk_ranking_verified *verified)
{
    free(verified->means);
    *verified = (struct walk_ranking_verified){.images = 0};
}
