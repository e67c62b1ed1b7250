#include "pipeline/analysis/report_evaluation.h"

#include "pipeline/results/origin.h"
#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HALVES = 3, VALUES = 3, OUTCOMES = 3, PATH = 4 * STORE_NAME };

/* An evaluation that is being read. */
struct reading {
    const struct store_reader *reader;
    const char *path;
    json_t *results;
    struct error *err;
};

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

/* ---- answers of circuits and of pruned networks ------------------------------------------------------------------ */

/* What the page shows of the answers, and where an order's group has it: an entry of n, or one column of [n][columns].
 */
static const struct {
    const char *name, *values, *errors;
    size_t columns, column;
} answers[] = {
    {"accuracy", "accuracy", "accuracy_error", 1, 0},
    {"agreement", "agreement", "agreement_error", 1, 0},
    {"p", "outcome_mean", "outcome_error", OUTCOMES, 0},
    {"margin", "outcome_mean", "outcome_error", OUTCOMES, 2},
    {"difference", "accuracy_difference", "accuracy_difference_error", 1, 0},
};

/* A column, as a list of numbers; null if the group does not have it. */
static enum status add_column(json_t *object, const char *key, const struct reading *r, const char *group,
                              const char *name, size_t columns, size_t column)
{
    size_t dims[] = {STORE_ANY, columns};
    double *values = NULL;
    char path[PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "%.*s/%s", PATH - 64, group, name);
    if (!store_has(r->reader, path)) {
        json_object_set_new(object, key, json_null());
        return OK;
    }
    TRY(store_read_real(&values, r->reader, path, columns > 1 ? 2 : 1, dims, r->err));
    json_object_set_new(object, key, numbers(values + column, dims[0], columns));
done:
    free(values);
    return rc;
}

static enum status add_answers(json_t *object, const struct reading *r, const char *group)
{
    json_t *found = json_object();
    enum status rc = OK;

    json_object_set_new(object, "answers", found);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        json_t *answer = json_object();
        size_t columns = answers[i].columns, column = answers[i].column;
        json_object_set_new(found, answers[i].name, answer);
        TRY(add_column(answer, "values", r, group, answers[i].values, columns, column));
        TRY(add_column(answer, "errors", r, group, answers[i].errors, columns, column));
    }
done:
    return rc;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static enum status add_values(json_t *object, const struct reading *r, const char *group, const char *stem)
{
    static const char *const names[] = {"mean", "error", "difference", "difference_error"};
    enum status rc = OK;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        TRY(add_means(object, r, group, stem, names[i]));
    TRY(add_curve(object, r, group, "curve_morf"));
    TRY(add_curve(object, r, group, "curve_lerf"));
done:
    return rc;
}

static enum status add_gains(json_t *object, const struct reading *r, const char *group)
{
    return add_values(object, r, group, "gain");
}

static enum status add_similarities(json_t *object, const struct reading *r, const char *group)
{
    return add_values(object, r, group, "similarity");
}

/* What an order's group can hold: the dataset that tells, and how it is read. */
static const struct kind {
    const char *dataset;
    enum status (*add)(json_t *object, const struct reading *r, const char *group);
} kinds[] = {
    {"gain_mean", add_gains},
    {"similarity_mean", add_similarities},
    {"agreement", add_answers},
};

/* NULL if the group is of no order. */
static const struct kind *find_kind(const struct reading *r, const char *group)
{
    char path[PATH];

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "%.*s/%s", PATH - 64, group, kinds[i].dataset);
        if (store_has(r->reader, path))
            return &kinds[i];
    }
    return NULL;
}

static enum status add_result(const struct reading *r, const char *test, const char *place, const char *order)
{
    char group[PATH];
    json_t *object = json_pack("{s:o,s:o,s:o}", "test", json_output_text(test), "place", json_output_text(place),
                               "order", json_output_text(order));
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s/%s/%s", test, place, order);
    const struct kind *kind = find_kind(r, group);
    if (!kind)
        goto done;
    TRY(add_fractions(object, r, group));
    TRY(kind->add(object, r, group));
    json_array_append(r->results, object);
done:
    json_decref(object);
    return rc;
}

static enum status add_place(const struct reading *r, const char *test, const char *place)
{
    struct store_names names = {0};
    char group[PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s/%s", test, place);
    TRY(store_list(&names, r->reader, group, r->err));
    for (size_t i = 0; i < names.count; i++)
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
    size_t images = STORE_ANY, ok = 0;
    int64_t *status = NULL;
    enum status rc = OK;

    TRY(store_get_text(&settings, r->reader, "evaluation", "settings", r->err));
    if (store_has_attribute(r->reader, "evaluation", "verdicts"))
        TRY(store_get_text(&verdicts, r->reader, "evaluation", "verdicts", r->err));
    TRY(store_get_int(&complete, r->reader, "", "complete", r->err));
    TRY(store_read_int(&status, r->reader, "images/status", 1, &images, r->err));
    for (size_t i = 0; i < images; i++)
        ok += status[i] == STORE_IMAGE_OK;
    json_object_set_new(object, "file", json_output_file_name(r->path));
    json_object_set_new(object, "settings", json_output_text(settings));
    json_object_set_new(object, "verdicts", lines_of(verdicts ? verdicts : ""));
    json_object_set_new(object, "complete", json_boolean(complete != 0));
    json_object_set_new(object, "images", json_integer((json_int_t)images));
    json_object_set_new(object, "ok", json_integer((json_int_t)ok));
done:
    free(status);
    free(settings);
    free(verdicts);
    return rc;
}

static enum status add_evaluation(json_t *list, const struct store_reader *store, const char *path, struct error *err)
{
    struct reading r = {.path = path, .results = json_array(), .err = err};
    struct store_reader *reader = NULL;
    struct store_names names = {0};
    json_t *object = json_object();
    enum status rc = OK;

    json_array_append_new(list, object);
    json_object_set_new(object, "results", r.results);
    TRY(store_open_read(&reader, path, err));
    r.reader = reader;
    TRY(origin_compare_evaluation(reader, path, store, err));
    TRY(add_head(object, &r));
    TRY(store_list(&names, reader, "evaluation", err));
    for (size_t i = 0; i < names.count; i++)
        TRY(add_test(&r, names.names[i]));
done:
    store_names_free(&names);
    store_close(reader);
    return rc;
}

enum status report_evaluation_add(json_t *json, const struct store_reader *store, const struct option_list *paths,
                                  struct error *err)
{
    json_t *list = json_array();
    enum status rc = OK;

    json_object_set_new(json, "evaluations", list);
    for (size_t i = 0; i < paths->count && rc == OK; i++)
        rc = add_evaluation(list, store, paths->items[i], err);
    return rc;
}
