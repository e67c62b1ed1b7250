#include "pipeline/evaluate/edges.h"

#include "kernels/base/network_origin.h"
#include "kernels/measure/sample.h"
#include "pipeline/evaluate/sources.h"
#include "pipeline/results/flow_matrix.h"
#include "pipeline/stats/flows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH = FLOW_MATRIX_GROUP + 64 };

/* In the place of a channel in the counter of sample_uniform; no channel has this number. */
static const uint32_t of_edges = 0xFFFFFFFD;

/* ---- which edges ------------------------------------------------------------------------------------------------- */

/* The variable that a link with edges reads. */
static size_t lower_of(const struct network *net, size_t link)
{
    return network_edge(net, link, 0)->lower;
}

static struct network_origin origin_of(const struct network *net, size_t link, size_t channel)
{
    return network_origin(net, lower_of(net, link), channel);
}

/* Whether the store has the flows between a link and all variables that its channels come from. */
static bool has_flows(const struct network *net, size_t link, const struct store_reader *reader)
{
    bool marked[NETWORK_MAX_VARIABLES];
    char name[FLOWS_NAME], path[PATH];

    flows_origins(marked, net, link);
    for (size_t k = 0; k <= link; k++) {
        if (!marked[k])
            continue;
        flows_name(name, net, (struct far_pair){k, link + 1, 0});
        snprintf(path, sizeof path, "flows/%s", name);
        if (!store_has(reader, path))
            return false;
    }
    return true;
}

enum status edges_init(struct edges *edges, const struct network *net, const struct store_reader *reader,
                       const char *path, struct error *err)
{
    *edges = (struct edges){.net = net};
    for (size_t k = 0; k < net->nlinks; k++) {
        struct cut_edges own = cut_edges_of(&net->links[k]);
        if (own.count == 0)
            continue;
        if (!net->swept[k + 1] || !has_flows(net, k, reader)) {
            edges->nwhole++;
            continue;
        }
        edges->links[edges->nlinks++] = (struct edges_link){k, edges->count, own};
        edges->count += own.count;
    }
    if (edges->count == 0)
        return error_set(err, FAIL_CONFIG,
                         "%s has no flows between neighbouring layers; run again with measure.flows = adjacent", path);
    return OK;
}

/* ---- over images ------------------------------------------------------------------------------------------------- */

const char *const edges_by_names[EDGES_BYS] = {"rms", "absolute", "mean"};

double edges_value(enum edges_by by, double flow)
{
    return by == EDGES_BY_MEAN ? flow : fabs(flow);
}

/* From a mean and, read for rms only, the mean square deviation of single images from it. */
static double score_of(enum edges_by by, double mean, double variance)
{
    return by == EDGES_BY_RMS ? sqrt(mean * mean + variance) : edges_value(by, mean);
}

void edges_make_unit(double *score, const struct edges *edges)
{
    for (size_t i = 0; i < edges->nlinks; i++)
        sources_make_unit(score + edges->links[i].first, edges->links[i].edges.count);
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

/* Numbers of a pair, [K][C]; caller frees. */
static enum status read_matrix(double **out, const struct flow_matrix *flow, const char *name,
                               const struct edges_source *source, struct error *err)
{
    char by_class[64];
    enum status rc = OK;

    *out = malloc(flow->upper * flow->lower * sizeof **out);
    if (!*out)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %s", flow->group));
    snprintf(by_class, sizeof by_class, "class_%s", name);
    if (source->class_row == SIZE_MAX)
        TRY(flow_matrix_rows(*out, flow, name, 0, flow->upper, err));
    else
        TRY(flow_matrix_class(*out, flow, by_class, source->class_row, err));
done:
    return rc;
}

/* Scores of all pairs of channels of two layers, [K][columns]; caller frees. */
static enum status read_scores(double **out, size_t *columns, const struct edges_link *at, size_t lower,
                               const struct edges *edges, const struct edges_source *source, struct error *err)
{
    struct flow_matrix flow = {.reader = NULL};
    double *error = NULL, n = (double)source->images;
    char name[FLOWS_NAME];
    enum status rc = OK;

    flows_name(name, edges->net, (struct far_pair){lower, at->link + 1, 0});
    TRY(flow_matrix_open(&flow, source->reader, name, err));
    *columns = flow.lower;
    if (flow.upper != at->edges.upper || flow.lower > network_shape(edges->net, lower).channels)
        TRY(error_set(err, FAIL_FORMAT, "%s: /%s has not the shape of the network's layers", source->path, flow.group));
    TRY(read_matrix(out, &flow, "mean", source, err));
    if (source->by == EDGES_BY_RMS && n > 1)
        TRY(read_matrix(&error, &flow, "std_error", source, err));
    for (size_t i = 0; i < flow.upper * flow.lower; i++)
        (*out)[i] = score_of(source->by, (*out)[i], error ? (n - 1) * error[i] * error[i] : 0);
done:
    free(error);
    flow_matrix_free(&flow);
    return rc;
}

/* Scores of the edges whose lower channels come from variable `lower`. */
static enum status score_pair(double *score, const struct edges_link *at, size_t lower, const struct edges *edges,
                              const struct edges_source *source, struct error *err)
{
    const struct link *link = &edges->net->links[at->link];
    double *pairs = NULL;
    size_t columns = 0;
    enum status rc = read_scores(&pairs, &columns, at, lower, edges, source, err);

    for (size_t e = 0; e < at->edges.count && rc == OK; e++) {
        struct network_origin origin = origin_of(edges->net, at->link, cut_lower_channel(link, e));
        if (origin.variable == lower)
            score[at->first + e] =
                origin.channel < columns ? pairs[cut_upper_channel(link, e) * columns + origin.channel] : 0;
    }
    free(pairs);
    return rc;
}

enum status edges_score_flow(double *score, const struct edges *edges, const struct edges_source *source,
                             struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < edges->nlinks; i++) {
        const struct edges_link *at = &edges->links[i];
        bool marked[NETWORK_MAX_VARIABLES];
        if (!has_flows(edges->net, at->link, source->reader))
            TRY(error_set(err, FAIL_CONFIG, "%s has no flows of %s; run again with measure.flows = dense", source->path,
                          network_variable(edges->net, at->link + 1)));
        flows_origins(marked, edges->net, at->link);
        for (size_t lower = 0; lower <= at->link; lower++)
            if (marked[lower])
                TRY(score_pair(score, at, lower, edges, source, err));
    }
done:
    return rc;
}

/* ---- numbers of channels ---------------------------------------------------------------------------------------- */

/* Of the channels of every variable that is wanted; NULL for others. */
struct channel_scores {
    double *of[NETWORK_MAX_VARIABLES];
};

static void release(struct channel_scores *scores)
{
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(scores->of[k]);
}

/* A column of the statistics of a layer; caller frees. */
static enum status read_column(double **out, const struct edges *edges, size_t variable, const char *column,
                               const struct edges_source *source, struct error *err)
{
    return sources_read_channels(out, &(struct sources_store){source->reader, source->path}, edges->net, variable,
                                 column, err);
}

static enum status read_relevance(double **out, const struct edges *edges, size_t variable,
                                  const struct edges_source *source, struct error *err)
{
    double *deviation = NULL, n = (double)source->images;
    enum status rc = OK;

    TRY(read_column(out, edges, variable, "mean", source, err));
    if (source->by == EDGES_BY_RMS && source->images > 1)
        TRY(read_column(&deviation, edges, variable, "std", source, err));
    for (size_t c = 0; c < network_shape(edges->net, variable).channels; c++)
        (*out)[c] = score_of(source->by, (*out)[c], deviation ? deviation[c] * deviation[c] * (n - 1) / n : 0);
done:
    free(deviation);
    return rc;
}

static enum status read_activation(double **out, const struct edges *edges, size_t variable,
                                   const struct edges_source *source, struct error *err)
{
    return read_column(out, edges, variable, "activation_mean", source, err);
}

/* Of the variables that edges come from, and with `upper` also of those that they lead to. */
static enum status read_channels(struct channel_scores *scores, const struct edges *edges, bool upper,
                                 const struct edges_source *source,
                                 enum status (*read)(double **out, const struct edges *edges, size_t variable,
                                                     const struct edges_source *source, struct error *err),
                                 struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < edges->nlinks; i++) {
        size_t link = edges->links[i].link;
        bool marked[NETWORK_MAX_VARIABLES];
        flows_origins(marked, edges->net, link);
        marked[link + 1] = upper;
        for (size_t k = 0; k <= link + 1; k++)
            if (marked[k] && !scores->of[k])
                TRY(read(&scores->of[k], edges, k, source, err));
    }
done:
    return rc;
}

/* The number of the lower channel of edge e of a link. */
static double lower_score(const struct channel_scores *scores, const struct edges *edges, size_t link, size_t e)
{
    struct network_origin origin = origin_of(edges->net, link, cut_lower_channel(&edges->net->links[link], e));

    return scores->of[origin.variable][origin.channel];
}

enum status edges_score_product(double *score, const struct edges *edges, const struct edges_source *source,
                                struct error *err)
{
    struct channel_scores scores = {{NULL}};
    enum status rc = read_channels(&scores, edges, true, source, read_relevance, err);

    for (size_t i = 0; i < edges->nlinks && rc == OK; i++) {
        const struct edges_link *at = &edges->links[i];
        const struct link *link = &edges->net->links[at->link];
        for (size_t e = 0; e < at->edges.count; e++)
            score[at->first + e] =
                scores.of[at->link + 1][cut_upper_channel(link, e)] * lower_score(&scores, edges, at->link, e);
    }
    release(&scores);
    return rc;
}

bool edges_has_activations(const struct edges *edges, const struct store_reader *reader)
{
    struct network_origin origin = origin_of(edges->net, edges->links[0].link, 0);
    char path[PATH];

    snprintf(path, sizeof path, "layers/%s/activation_mean", network_variable(edges->net, origin.variable));
    return store_has(reader, path);
}

enum status edges_score_activation(double *score, const struct edges *edges, const struct edges_source *source,
                                   const float *model, struct error *err)
{
    struct channel_scores scores = {{NULL}};
    enum status rc = read_channels(&scores, edges, false, source, read_activation, err);

    edges_score_weight(score, edges, model);
    for (size_t i = 0; i < edges->nlinks && rc == OK; i++) {
        const struct edges_link *at = &edges->links[i];
        for (size_t e = 0; e < at->edges.count; e++)
            score[at->first + e] *= fabs(lower_score(&scores, edges, at->link, e));
    }
    release(&scores);
    return rc;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

void edges_score_weight(double *score, const struct edges *edges, const float *model)
{
    for (size_t i = 0; i < edges->nlinks; i++) {
        const struct edges_link *at = &edges->links[i];
        cut_magnitudes(score + at->first, model + edges->net->links[at->link].weight, at->edges);
    }
}

void edges_score_random(double *score, const struct edges *edges, uint64_t seed)
{
    for (size_t i = 0; i < edges->nlinks; i++) {
        const struct edges_link *at = &edges->links[i];
        for (size_t e = 0; e < at->edges.count; e++)
            score[at->first + e] = sample_uniform(seed, e, (uint32_t)at->link, of_edges);
    }
}

void edges_cut(float *model, const float *from, const float *keep, const struct edges *edges)
{
    for (size_t i = 0; i < edges->nlinks; i++) {
        const struct edges_link *at = &edges->links[i];
        size_t weight = edges->net->links[at->link].weight;
        cut_weights(model + weight, from + weight, keep + at->first, at->edges);
    }
}
