#include "pipeline/results/summary.h"

#include "kernels/base/number.h"
#include "pipeline/config/composite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 4096, MAX_VARIABLES = 1024 };

static void *new_array(size_t count, size_t nbytes, enum status *rc, struct error *err)
{
    void *array = calloc(count + 1, nbytes);

    *rc = array ? OK : error_system(err, "no memory for a summary of the store");
    return array;
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static enum status read_attributes(struct summary *out, const struct store_reader *reader, struct error *err)
{
    static const char *const names[] = {
        "network",
        "composite",
        "bias",
        "pool",
        "given",
        "target",
        "dataset",
        "dataset_sha256",
        "pixel_preprocessing",
        "pixel_scale",
        "pixel_order",
        "pixel_mean",
        "pixel_std",
        "pixel_resize",
        "pixel_resampling",
        "pixel_crop",
        "pixel_pad",
        "model_sha256",
        "program_version",
        "isa",
        "blas_core",
        "seed",
        "shard",
    };
    enum status rc = OK;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct summary_attribute *attribute = &out->attributes[out->nattributes];

        if (!store_has_attribute(reader, "", names[i]))
            continue;
        *attribute = (struct summary_attribute){.name = names[i]};
        if (store_get_int(&attribute->integer, reader, "", names[i], NULL) != OK)
            TRY(store_get_text(&attribute->text, reader, "", names[i], err));
        out->nattributes++;
    }
    if (store_has_attribute(reader, "", "config"))
        TRY(store_get_text(&out->config, reader, "", "config", err));
done:
    return rc;
}

/* An attribute's text; "" if there is none. */
static const char *text_of(const struct summary *summary, const char *name)
{
    for (size_t i = 0; i < summary->nattributes; i++)
        if (strcmp(summary->attributes[i].name, name) == 0 && summary->attributes[i].text)
            return summary->attributes[i].text;
    return "";
}

/* A flag of the root: true if it is an integer other than 0, or anything that is no integer. */
static bool read_flag(const struct store_reader *reader, const char *name)
{
    int64_t value = 1;

    if (!store_has_attribute(reader, "", name))
        return false;
    return store_get_int(&value, reader, "", name, NULL) != OK || value != 0;
}

static int slower_first(const void *a, const void *b)
{
    const struct summary_stage *first = a, *second = b;

    if (first->seconds != second->seconds)
        return first->seconds < second->seconds ? 1 : -1;
    return strcmp(first->name, second->name);
}

static enum status read_stages(struct summary *out, const struct store_reader *reader, struct error *err)
{
    enum status rc = OK;
    struct store_names names = {0};

    TRY(store_list_attributes(&names, reader, "", err));
    out->stages = new_array(names.count, sizeof *out->stages, &rc, err);
    TRY(rc);
    for (size_t i = 0; i < names.count; i++) {
        struct summary_stage *stage = &out->stages[out->nstages];

        if (!has_prefix(names.names[i], "seconds_") ||
            store_get_real(&stage->seconds, reader, "", names.names[i], NULL) != OK || !isfinite(stage->seconds))
            continue;
        snprintf(stage->name, sizeof stage->name, "%s", names.names[i] + strlen("seconds_"));
        out->nstages++;
    }
    qsort(out->stages, out->nstages, sizeof *out->stages, slower_first);
done:
    store_names_free(&names);
    return rc;
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Rows that are not finished read as unread, like images that could not be read; `finished` tells them apart. */
static enum status count_images(struct summary *out, const struct store_reader *reader, const int64_t *status,
                                struct error *err)
{
    enum status rc = OK;
    int64_t finished = (int64_t)out->images;

    for (size_t i = 0; i < out->images; i++) {
        if (status[i] < 0 || status[i] >= STORE_NSTATUS)
            return error_set(err, FAIL_FORMAT, "/images/status: row %zu holds the unknown status %lld", i,
                             (long long)status[i]);
        out->by_status[status[i]]++;
    }
    size_t unread = out->by_status[STORE_IMAGE_UNREAD];

    if (store_has_attribute(reader, "", "finished"))
        TRY(store_get_int(&finished, reader, "", "finished", err));
    else if (!out->complete)
        finished -= (int64_t)unread;
    if (finished < 0 || (size_t)finished > out->images || out->images - (size_t)finished > unread)
        return error_set(err, FAIL_FORMAT, "%lld finished images contradict /images/status", (long long)finished);
    out->finished = (size_t)finished;
    out->by_status[STORE_IMAGE_UNREAD] -= out->images - out->finished;
    out->failed = out->by_status[STORE_IMAGE_UNREAD] + out->by_status[STORE_IMAGE_UNSUPPORTED];
done:
    return rc;
}

static enum status count_correct(struct summary *out, const struct store_reader *reader, struct error *err)
{
    enum status rc = OK;
    int64_t *label = NULL, *predicted = NULL;

    if (!store_has(reader, "images/label") || !store_has(reader, "images/predicted"))
        return OK;
    TRY(store_read_int(&label, reader, "images/label", 1, &out->images, err));
    TRY(store_read_int(&predicted, reader, "images/predicted", 1, &out->images, err));
    for (size_t i = 0; i < out->images; i++) {
        bool known = label[i] >= 0 && predicted[i] >= 0;

        out->labels += label[i] >= 0;
        out->labelled += known;
        out->correct += known && label[i] == predicted[i];
    }
done:
    free(label);
    free(predicted);
    return rc;
}

static enum status read_given(struct summary *out, const struct store_reader *reader, const int64_t *status,
                              struct error *err)
{
    enum status rc = OK;
    double *given = NULL, sum = 0, squares = 0;
    size_t n = out->by_status[STORE_IMAGE_OK];

    if (n == 0 || !store_has(reader, "images/given_mass"))
        return OK;
    TRY(store_read_real(&given, reader, "images/given_mass", 1, &out->images, err));
    for (size_t i = 0; i < out->images; i++)
        sum += status[i] == STORE_IMAGE_OK ? given[i] : 0;
    out->given_mean = sum / (double)n;
    for (size_t i = 0; i < out->images; i++)
        if (status[i] == STORE_IMAGE_OK)
            squares += (given[i] - out->given_mean) * (given[i] - out->given_mean);
    out->given_error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN;
    out->has_given = true;
done:
    free(given);
    return rc;
}

/* ---- ledger ---------------------------------------------------------------------------------------------------- */

enum { MASS, BYPASS, BIAS, ABSORBED, VARIATION, NTERMS };

/* Add rows of all terms, each [nrows][nvariables], of the images with status ok. */
static void add_rows(struct summary_layer *layers, double *const *terms, const int64_t *status, size_t nrows,
                     size_t nvariables)
{
    for (size_t i = 0; i < nrows; i++) {
        double most = 1;

        if (status[i] != STORE_IMAGE_OK)
            continue;
        for (size_t v = nvariables; v-- > 0;) {
            struct summary_layer *layer = &layers[v];
            size_t at = i * nvariables + v;
            double gap = fabs(terms[MASS][at] + terms[BYPASS][at] + terms[BIAS][at] + terms[ABSORBED][at] - 1);

            layer->mass += terms[MASS][at];
            layer->bypass += terms[BYPASS][at];
            layer->bias += terms[BIAS][at];
            layer->absorbed += terms[ABSORBED][at];
            layer->variation += terms[VARIATION][at];
            most = fmax(most, terms[VARIATION][at]);
            layer->gap = fmax(layer->gap, isfinite(gap) ? gap : INFINITY);
            layer->relative_gap = fmax(layer->relative_gap, isfinite(gap) ? gap / most : INFINITY);
        }
    }
}

static void divide(struct summary_layer *layer, size_t n)
{
    layer->has_ledger = true;
    layer->mass /= (double)n;
    layer->bypass /= (double)n;
    layer->bias /= (double)n;
    layer->absorbed /= (double)n;
    layer->variation /= (double)n;
}

static enum status read_ledger(struct summary *out, const struct store_reader *reader, const int64_t *status,
                               size_t nvariables, struct error *err)
{
    static const char *const paths[NTERMS] = {"images/mass", "images/bypass", "images/bias", "images/absorbed",
                                              "images/variation"};
    enum status rc = OK;
    double *terms[NTERMS] = {0};
    bool has[NTERMS];
    size_t n = out->by_status[STORE_IMAGE_OK];

    for (size_t t = 0; t < NTERMS; t++) {
        has[t] = store_has(reader, paths[t]);
        if (n == 0 || (!has[t] && t != BYPASS)) /* early versions have none: it is zero in a chain */
            goto done;
        terms[t] = new_array(BLOCK_ROWS * nvariables, sizeof **terms, &rc, err);
        TRY(rc);
    }
    for (size_t first = 0; first < out->images; first += BLOCK_ROWS) {
        size_t nrows = smaller(out->images - first, BLOCK_ROWS);

        for (size_t t = 0; t < NTERMS; t++)
            if (has[t])
                TRY(store_read_rows(terms[t], reader, paths[t], first, nrows, nvariables, err));
        add_rows(out->layers, terms, status + first, nrows, nvariables);
    }
    for (size_t v = 0; v < nvariables; v++)
        divide(&out->layers[v], n);
done:
    for (size_t t = 0; t < NTERMS; t++)
        free(terms[t]);
    return rc;
}

static enum status read_images(struct summary *out, const struct store_reader *reader, size_t nvariables,
                               struct error *err)
{
    enum status rc = OK;
    int64_t *status = NULL;

    if (!store_has(reader, "images/status"))
        return OK;
    out->images = STORE_ANY;
    TRY(store_read_int(&status, reader, "images/status", 1, &out->images, err));
    TRY(count_images(out, reader, status, err));
    TRY(count_correct(out, reader, err));
    TRY(read_given(out, reader, status, err));
    TRY(read_ledger(out, reader, status, nvariables, err));
done:
    free(status);
    return rc;
}

/* ---- layers and flows ------------------------------------------------------------------------------------------ */

static enum status list_group(struct store_names *names, const struct store_reader *reader, const char *group,
                              struct error *err)
{
    *names = (struct store_names){0};
    return store_has(reader, group) ? store_list(names, reader, group, err) : OK;
}

static bool listed(const struct summary *summary, const char *name)
{
    for (size_t i = 0; i < summary->nlayers; i++)
        if (strcmp(summary->layers[i].name, name) == 0)
            return true;
    return false;
}

/* Bytes of a group's datasets in the file. */
static enum status group_bytes(uint64_t *out, const struct store_reader *reader, const char *group, struct error *err)
{
    struct store_names names;
    char path[2 * STORE_NAME];
    enum status rc = list_group(&names, reader, group, err);

    *out = 0;
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "%s/%s", group, names.names[i]);
        *out += store_dataset_bytes(reader, path);
    }
    store_names_free(&names);
    return rc;
}

/* The place of a layer in the network, and the sum of its channels' means. */
static enum status read_share(struct summary_layer *layer, const struct store_reader *reader, const char *group,
                              const char *path, struct error *err)
{
    double *means = NULL;
    int64_t cut = 1;
    enum status rc = store_read_real(&means, reader, path, 1, &layer->channels, err);

    for (size_t i = 0; rc == OK && i < layer->channels; i++)
        layer->passes += means[i];
    free(means);
    if (rc == OK && store_has_attribute(reader, group, "cut"))
        rc = store_get_int(&cut, reader, group, "cut", err);
    layer->cut = cut != 0;
    return rc;
}

/* Channels of a layer, if the store has its means. */
static enum status read_channels(struct summary_layer *layer, const struct store_reader *reader, struct error *err)
{
    size_t ndim, dims[STORE_MAX_DIMS];
    char path[STORE_NAME + 16], group[STORE_NAME + 16];
    enum status rc = OK;

    snprintf(group, sizeof group, "layers/%s", layer->name);
    snprintf(path, sizeof path, "layers/%s/mean", layer->name);
    layer->cut = true;
    if (!store_has(reader, path))
        return OK;
    TRY(store_shape(&ndim, dims, reader, path, err));
    if (ndim != 1)
        TRY(error_set(err, FAIL_FORMAT, "/%s has %zu axes, one is expected", path, ndim));
    layer->channels = dims[0];
    TRY(read_share(layer, reader, group, path, err));
    rc = group_bytes(&layer->nbytes, reader, group, err);
done:
    return rc;
}

/* The variables of the ledger, followed by other layers. */
static enum status read_layers(struct summary *out, size_t *nvariables, const struct store_reader *reader,
                               struct error *err)
{
    enum status rc = OK;
    struct store_names names = {0};
    char **variables = NULL;

    *nvariables = 0;
    if (store_has(reader, "variable")) {
        *nvariables = STORE_ANY;
        TRY(store_read_text(&variables, reader, "variable", nvariables, err));
        if (*nvariables > MAX_VARIABLES) {
            rc = error_set(err, FAIL_LIMIT, "/variable has %zu rows; no network has as many", *nvariables);
            goto done;
        }
    }
    TRY(list_group(&names, reader, "layers", err));
    out->layers = new_array(*nvariables + names.count, sizeof *out->layers, &rc, err);
    TRY(rc);
    for (size_t i = 0; i < *nvariables; i++)
        snprintf(out->layers[out->nlayers++].name, STORE_NAME, "%s", variables[i]);
    for (size_t i = 0; i < names.count; i++)
        if (!listed(out, names.names[i]))
            snprintf(out->layers[out->nlayers++].name, STORE_NAME, "%s", names.names[i]);
    for (size_t i = 0; i < out->nlayers; i++)
        TRY(read_channels(&out->layers[i], reader, err));
done:
    free(variables);
    store_names_free(&names);
    return rc;
}

static enum status read_flow(struct summary_flow *flow, const struct store_reader *reader, const char *name,
                             struct error *err)
{
    enum status rc = OK;
    size_t ndim, dims[STORE_MAX_DIMS];
    char path[STORE_NAME + 32], *method = NULL;

    snprintf(flow->name, sizeof flow->name, "%s", name);
    snprintf(path, sizeof path, "flows/%s", flow->name);
    if (store_has_attribute(reader, path, "method"))
        TRY(store_get_text(&method, reader, path, "method", err));
    snprintf(flow->method, sizeof flow->method, "%s", method ? method : "");
    TRY(group_bytes(&flow->nbytes, reader, path, err));
    snprintf(path, sizeof path, "flows/%s/diagonal_mean", flow->name);
    flow->diagonal = store_has(reader, path);
    if (!flow->diagonal)
        snprintf(path, sizeof path, "flows/%s/mean", flow->name);
    TRY(store_shape(&ndim, dims, reader, path, err));
    if (ndim != (flow->diagonal ? 1 : 2))
        rc = error_set(err, FAIL_FORMAT, "/%s has %zu axes, %s expected", path, ndim,
                       flow->diagonal ? "one is" : "two are");
    else
        flow->upper = dims[0], flow->lower = flow->diagonal ? 0 : dims[1];
done:
    free(method);
    return rc;
}

static enum status read_flows(struct summary *out, const struct store_reader *reader, struct error *err)
{
    enum status rc = OK;
    struct store_names names = {0};

    TRY(list_group(&names, reader, "flows", err));
    out->flows = new_array(names.count, sizeof *out->flows, &rc, err);
    TRY(rc);
    for (size_t i = 0; i < names.count; i++)
        TRY(read_flow(&out->flows[out->nflows++], reader, names.names[i], err));
done:
    store_names_free(&names);
    return rc;
}

static enum status read_scalar(double *out, const struct store_reader *reader, const char *query, const char *field,
                               struct error *err)
{
    char path[STORE_NAME + 32];
    double *value = NULL;

    snprintf(path, sizeof path, "queries/%s/%s", query, field);
    enum status rc = store_read_real(&value, reader, path, 0, NULL, err);

    if (rc == OK)
        *out = *value;
    free(value);
    return rc;
}

static enum status read_query(struct summary_query *query, const struct store_reader *reader, const char *name,
                              struct error *err)
{
    enum status rc = OK;
    char path[STORE_NAME + 16];

    snprintf(query->name, sizeof query->name, "%s", name);
    snprintf(path, sizeof path, "queries/%s", query->name);
    if (store_has_attribute(reader, path, "expression"))
        TRY(store_get_text(&query->expression, reader, path, "expression", err));
    TRY(read_scalar(&query->mean, reader, query->name, "mean", err));
    TRY(read_scalar(&query->std_error, reader, query->name, "std_error", err));
    query->weak = store_has_attribute(reader, path, "weak_condition");
    if (query->weak) {
        TRY(store_get_real(&query->given_mean, reader, path, "given_mean", err));
        TRY(store_get_real(&query->given_error, reader, path, "given_std_error", err));
    }
done:
    return rc;
}

static enum status read_queries(struct summary *out, const struct store_reader *reader, struct error *err)
{
    enum status rc = OK;
    struct store_names names = {0};

    TRY(list_group(&names, reader, "queries", err));
    out->queries = new_array(names.count, sizeof *out->queries, &rc, err);
    TRY(rc);
    for (size_t i = 0; i < names.count; i++)
        TRY(read_query(&out->queries[out->nqueries++], reader, names.names[i], err));
done:
    store_names_free(&names);
    return rc;
}

/* ---- interface ------------------------------------------------------------------------------------------------- */

static enum status read_evaluation(struct summary *out, const struct store_reader *reader, struct error *err)
{
    enum status rc = OK;

    if (!store_has(reader, "evaluation") || !store_has_attribute(reader, "evaluation", "verdicts"))
        return OK;
    TRY(store_get_text(&out->evaluation, reader, "evaluation", "settings", err));
    TRY(store_get_text(&out->verdicts, reader, "evaluation", "verdicts", err));
done:
    return rc;
}

enum status summary_read(struct summary *out, const char *path, struct error *err)
{
    enum status rc = OK;
    struct store_reader *reader = NULL;
    size_t nvariables;

    *out = (struct summary){0};
    TRY(store_open_read(&reader, path, err));
    out->nbytes = store_file_bytes(reader);
    out->complete = read_flag(reader, "complete");
    out->weak_condition = read_flag(reader, "weak_condition");
    TRY(read_attributes(out, reader, err));
    out->conditioned = strcmp(text_of(out, "given"), "none") != 0;
    out->condition_warning = composite_warning(text_of(out, "composite"), text_of(out, "given"));
    TRY(read_stages(out, reader, err));
    TRY(read_layers(out, &nvariables, reader, err));
    TRY(read_images(out, reader, nvariables, err));
    TRY(read_flows(out, reader, err));
    TRY(read_queries(out, reader, err));
    TRY(read_evaluation(out, reader, err));
    TRY(group_bytes(&out->images_bytes, reader, "images", err));
    TRY(group_bytes(&out->state_bytes, reader, "state", err));
done:
    store_close(reader);
    return rc;
}

void summary_free(struct summary *summary)
{
    for (size_t i = 0; i < summary->nattributes; i++)
        free(summary->attributes[i].text);
    free(summary->layers);
    free(summary->flows);
    for (size_t i = 0; i < summary->nqueries; i++)
        free(summary->queries[i].expression);
    free(summary->queries);
    free(summary->stages);
    free(summary->config);
    free(summary->evaluation);
    free(summary->verdicts);
    *summary = (struct summary){0};
}
