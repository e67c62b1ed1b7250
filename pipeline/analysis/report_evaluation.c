#include "pipeline/analysis/report_evaluation.h"

#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HALVES = 3, VALUES = 3, PATH = 4 * STORE_NAME };

/* An evaluation that is being read. */
struct reading {
    const struct store_reader *reader;
    const char *path;
    json_t *results;
    struct error *err;
};

/* ---- what it is of ----------------------------------------------------------------------------------------------- */

static enum status compare_models(const struct reading *r, const struct store_reader *store)
{
    char *here = NULL, *there = NULL;
    enum status rc = OK;

    if (!store_has(r->reader, "evaluation"))
        TRY(error_set(r->err, FAIL_FORMAT, "%s: is no evaluation; `nrmflow evaluate` writes one", r->path));
    TRY(store_get_text(&here, store, "", "model_sha256", r->err));
    TRY(store_get_text(&there, r->reader, "", "model_sha256", r->err));
    if (strcmp(here, there) != 0)
        TRY(error_set(r->err, FAIL_MISMATCH,
                      "%s: is an evaluation of other weights than those of the store; evaluate "
                      "the store's configuration",
                      r->path));
done:
    free(here);
    free(there);
    return rc;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static json_t *numbers(const double *values, size_t n, size_t step)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_output_real(values[i * step]));
    return list;
}

/* A dataset [halves][values] as a list of lists, if the group has it. */
static enum status add_means(json_t *object, const struct reading *r, const char *group, const char *stem,
                             const char *name)
{
    size_t dims[] = {HALVES, VALUES};
    double *values = NULL;
    char path[PATH];
    json_t *list = json_array();
    enum status rc = OK;

    snprintf(path, sizeof path, "%.*s/%s_%s", PATH - 64, group, stem, name);
    if (store_has(r->reader, path)) {
        TRY(store_read_real(&values, r->reader, path, 2, dims, r->err));
        for (size_t half = 0; half < HALVES; half++)
            json_array_append_new(list, numbers(values + half * VALUES, VALUES, 1));
    }
    json_object_set(object, name, list);
done:
    json_decref(list);
    free(values);
    return rc;
}

/* The mean curve of p over the images that have it. */
static enum status add_curve(json_t *object, const struct reading *r, const char *group, const char *name)
{
    size_t dims[] = {STORE_ANY, STORE_ANY, VALUES}, images = 0;
    double *values = NULL, *mean = NULL;
    char path[PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "%.*s/%s", PATH - 64, group, name);
    if (!store_has(r->reader, path))
        return OK;
    TRY(store_read_real(&values, r->reader, path, 3, dims, r->err));
    mean = calloc(dims[1] + 1, sizeof *mean);
    if (!mean)
        TRY(error_set(r->err, FAIL_SYSTEM, "no memory for a curve"));
    for (size_t i = 0; i < dims[0]; i++) {
        const double *curve = values + i * dims[1] * VALUES;
        bool known = dims[1] > 0 && !isnan(curve[0]);
        images += known;
        for (size_t s = 0; s < dims[1] && known; s++)
            mean[s] += curve[s * VALUES];
    }
    for (size_t s = 0; s < dims[1]; s++)
        mean[s] = images ? mean[s] / (double)images : NAN;
    json_object_set_new(object, name, numbers(mean, dims[1], 1));
done:
    free(values);
    free(mean);
    return rc;
}

static enum status add_fractions(json_t *object, const struct reading *r, const char *group)
{
    size_t n = STORE_ANY;
    double *values = NULL;
    char path[PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "%.*s/fraction", PATH - 64, group);
    if (!store_has(r->reader, path))
        return OK;
    TRY(store_read_real(&values, r->reader, path, 1, &n, r->err));
    json_object_set_new(object, "fraction", numbers(values, n, 1));
done:
    free(values);
    return rc;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static enum status add_result(const struct reading *r, const char *test, const char *place, const char *order)
{
    static const char *const names[] = {"mean", "error", "difference", "difference_error"};
    char group[PATH], path[PATH];
    json_t *object = json_pack("{s:o,s:o,s:o}", "test", json_output_text(test), "place", json_output_text(place),
                               "order", json_output_text(order));
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s/%s/%s", test, place, order);
    snprintf(path, sizeof path, "%.*s/gain", PATH - 64, group);
    const char *stem = store_has(r->reader, path) ? "gain" : "similarity";
    json_object_set_new(object, "what", json_string(stem));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        TRY(add_means(object, r, group, stem, names[i]));
    TRY(add_fractions(object, r, group));
    TRY(add_curve(object, r, group, "curve_morf"));
    TRY(add_curve(object, r, group, "curve_lerf"));
    json_array_append(r->results, object);
done:
    json_decref(object);
    return rc;
}

/* Whether a name of a place's group is an order: a group with values. */
static bool is_order(const struct reading *r, const char *test, const char *place, const char *name)
{
    char path[PATH];

    snprintf(path, sizeof path, "evaluation/%s/%s/%s/gain_mean", test, place, name);
    if (store_has(r->reader, path))
        return true;
    snprintf(path, sizeof path, "evaluation/%s/%s/%s/similarity_mean", test, place, name);
    return store_has(r->reader, path);
}

static enum status add_place(const struct reading *r, const char *test, const char *place)
{
    struct store_names names = {0};
    char group[PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s/%s", test, place);
    TRY(store_list(&names, r->reader, group, r->err));
    for (size_t i = 0; i < names.count; i++)
        if (is_order(r, test, place, names.names[i]))
            TRY(add_result(r, test, place, names.names[i]));
done:
    store_names_free(&names);
    return rc;
}

static enum status add_test(const struct reading *r, const char *test)
{
    struct store_names names = {0};
    char group[PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s", test);
    TRY(store_list(&names, r->reader, group, r->err));
    for (size_t i = 0; i < names.count; i++)
        TRY(add_place(r, test, names.names[i]));
done:
    store_names_free(&names);
    return rc;
}

/* The lines of a text. */
static json_t *lines_of(const char *text)
{
    json_t *list = json_array();

    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
    }
    return list;
}

static enum status add_head(json_t *object, const struct reading *r)
{
    char *settings = NULL, *verdicts = NULL;
    int64_t complete = 0;
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    TRY(store_get_text(&settings, r->reader, "evaluation", "settings", r->err));
    if (store_has_attribute(r->reader, "evaluation", "verdicts"))
        TRY(store_get_text(&verdicts, r->reader, "evaluation", "verdicts", r->err));
    TRY(store_get_int(&complete, r->reader, "", "complete", r->err));
    TRY(store_shape(&ndim, dims, r->reader, "images/status", r->err));
    json_object_set_new(object, "settings", json_output_text(settings));
    json_object_set_new(object, "verdicts", lines_of(verdicts ? verdicts : ""));
    json_object_set_new(object, "complete", json_boolean(complete != 0));
    json_object_set_new(object, "images", json_integer((json_int_t)dims[0]));
done:
    free(settings);
    free(verdicts);
    return rc;
}

enum status report_evaluation_add(json_t *json, const struct store_reader *store, const char *path, struct error *err)
{
    struct reading r = {.path = path, .results = json_array(), .err = err};
    struct store_reader *reader = NULL;
    struct store_names names = {0};
    json_t *object = json_object();
    enum status rc = OK;

    json_object_set_new(json, "evaluation", object);
    json_object_set_new(object, "results", r.results);
    TRY(store_open_read(&reader, path, err));
    r.reader = reader;
    TRY(compare_models(&r, store));
    TRY(add_head(object, &r));
    TRY(store_list(&names, reader, "evaluation", err));
    for (size_t i = 0; i < names.count; i++)
        TRY(add_test(&r, names.names[i]));
done:
    store_names_free(&names);
    store_close(reader);
    return rc;
}
