#include "pipeline/evaluate/file.h"

#include "pipeline/evaluate/verdict.h"
#include "pipeline/run/place.h"
#include "pipeline/run/save.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void file_group(char group[FILE_GROUP], const struct design_result *result)
{
    if (result->kind == DESIGN_DAMAGES)
        snprintf(group, FILE_GROUP, "evaluation/%s/%s", test_table[result->test].name, result->place);
    else
        snprintf(group, FILE_GROUP, "evaluation/%s/%s/%s", test_table[result->test].name, result->place,
                 order_table[result->order].name);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A file that is being written. */
struct writing {
    const struct file_contents *contents;
    struct store *store;
    size_t images;
    void *buffer; /* for any dataset of all images */
    struct error *err;
};

static enum status put(struct writing *w, const char *group, const char *name, const void *data, size_t ndim,
                       const size_t *dims)
{
    char path[FILE_PATH];

    snprintf(path, sizeof path, "%s/%s", group, name);
    return store_write(w->store, path, data, ndim, dims, w->err);
}

/* Floats of every row, from `at` on. */
static const float *gather(struct writing *w, size_t at, size_t n)
{
    float *to = w->buffer;

    for (size_t i = 0; i < w->images; i++)
        memcpy(to + i * n, w->contents->rows + i * w->contents->design->row + at, n * sizeof *to);
    return to;
}

/* The same as whole numbers; -1 where there is none. */
static const int32_t *gather_whole(struct writing *w, size_t at, size_t n)
{
    int32_t *to = w->buffer;

    for (size_t i = 0; i < w->images * n; i++) {
        float v = w->contents->rows[i / n * w->contents->design->row + at + i % n];
        to[i] = isnan(v) ? -1 : (int32_t)v;
    }
    return to;
}

static enum status put_images(struct writing *w)
{
    uint8_t *status = w->buffer;
    enum status rc = OK;

    TRY(save_listing(w->store, w->contents->design->run, w->err));
    for (size_t i = 0; i < w->images; i++) {
        float v = w->contents->rows[i * w->contents->design->row + ROW_STATUS];
        status[i] = isnan(v) ? STORE_IMAGE_UNREAD : (uint8_t)v;
    }
    TRY(put(w, "images", "status", status, 1, &w->images));
    TRY(put(w, "images", "target", gather_whole(w, ROW_TARGET, 1), 1, &w->images));
    TRY(put(w, "images", "predicted", gather_whole(w, ROW_PREDICTED, 1), 1, &w->images));
    TRY(put(w, "images", "second", gather_whole(w, ROW_SECOND, 1), 1, &w->images));
    TRY(put(w, "images", "probability", gather(w, ROW_OUTCOME + CURVE_P, 1), 1, &w->images));
    TRY(put(w, "images", "logit", gather(w, ROW_OUTCOME + CURVE_LOGIT, 1), 1, &w->images));
    TRY(put(w, "images", "margin", gather(w, ROW_OUTCOME + CURVE_MARGIN, 1), 1, &w->images));
done:
    return rc;
}

static enum status put_curves(struct writing *w, const char *group, const struct design_result *result)
{
    size_t dims[] = {w->images, result->nfractions, CURVE_OUTCOMES}, each = result->nfractions * CURVE_OUTCOMES;
    enum status rc = OK;

    TRY(put(w, group, "fraction", result->fraction, 1, &result->nfractions));
    TRY(put(w, group, "curve_morf", gather(w, result->at, each), 3, dims));
    TRY(put(w, group, "curve_lerf", gather(w, result->at + each, each), 3, dims));
done:
    return rc;
}

static enum status put_damages(struct writing *w, const char *group, const struct design_result *result)
{
    size_t dims[] = {w->images, result->units};
    enum status rc = OK;

    TRY(put(w, group, "drawn", gather_whole(w, result->at, result->units), 2, dims));
    TRY(put(w, group, "damage", gather(w, result->at + result->units, result->units), 2, dims));
done:
    return rc;
}

/* Means or errors of a result as [parts][values]. */
static enum status put_mean(struct writing *w, const char *group, const char *name,
                            struct gains_mean means[GAINS_PARTS][DESIGN_VALUES], bool error)
{
    size_t dims[] = {GAINS_PARTS, DESIGN_VALUES};
    double values[GAINS_PARTS][DESIGN_VALUES];

    for (size_t p = 0; p < GAINS_PARTS; p++)
        for (size_t i = 0; i < DESIGN_VALUES; i++)
            values[p][i] = error ? means[p][i].error : means[p][i].mean;
    return put(w, group, name, values, 2, dims);
}

static enum status put_values(struct writing *w, const char *group, size_t r)
{
    const struct design_result *result = &w->contents->design->results[r];
    struct gains_result *gains = &w->contents->gains->results[r];
    bool similar = result->kind == DESIGN_SIMILARITY || (result->kind == DESIGN_AVERAGE && result->similar);
    const char *stem = similar ? "similarity" : "gain";
    size_t dims[] = {w->images, DESIGN_VALUES};
    char name[64];
    enum status rc = OK;

    TRY(put(w, group, stem, gains_values(w->contents->gains, r), 2, dims));
    snprintf(name, sizeof name, "%s_mean", stem);
    TRY(put_mean(w, group, name, gains->value, false));
    snprintf(name, sizeof name, "%s_error", stem);
    TRY(put_mean(w, group, name, gains->value, true));
    if (result->baseline == SIZE_MAX)
        goto done;
    snprintf(name, sizeof name, "%s_difference", stem);
    TRY(put_mean(w, group, name, gains->difference, false));
    snprintf(name, sizeof name, "%s_difference_error", stem);
    TRY(put_mean(w, group, name, gains->difference, true));
done:
    return rc;
}

static enum status put_result(struct writing *w, size_t r)
{
    const struct design_result *result = &w->contents->design->results[r];
    char group[FILE_GROUP];
    enum status rc = OK;

    file_group(group, result);
    if (result->kind == DESIGN_DAMAGES)
        return put_damages(w, group, result);
    if (result->kind == DESIGN_CURVES)
        TRY(put_curves(w, group, result));
    TRY(put_values(w, group, r));
    if (result->units)
        TRY(store_set_int(w->store, group, "units", (int64_t)result->units, w->err));
done:
    return rc;
}

static enum status put_state(struct writing *w)
{
    const struct design *design = w->contents->design;
    size_t dims[] = {w->images, design->row},
           channels = design->run->model.plan.channel[design->run->model.net.nlinks + 1];
    enum status rc = OK;

    TRY(store_write(w->store, "state/rows", w->contents->rows, 2, dims, w->err));
    if (w->contents->means)
        TRY(store_write(w->store, "state/activation_mean", w->contents->means, 1, &channels, w->err));
done:
    return rc;
}

static enum status put_names(struct writing *w)
{
    static const char *const outcomes[] = {"p", "logit", "margin"}, *const likeness[] = {"cosine", "pearson",
                                                                                         "spearman"};
    const struct run_plan *run = w->contents->design->run;
    const struct network *net = &run->model.net;
    const char *names[NETWORK_MAX_VARIABLES];
    enum status rc = OK;

    for (size_t k = 0; k <= net->nlinks; k++)
        names[k] = network_variable(net, k);
    TRY(store_write_text(w->store, "variable", names, net->nlinks + 1, w->err));
    TRY(store_write_text(w->store, "class", (const char *const *)run->class_names, run_plan_classes(run), w->err));
    TRY(store_write_text(w->store, "outcome", outcomes, 3, w->err));
    TRY(store_write_text(w->store, "likeness", likeness, 3, w->err));
    TRY(store_write_text(w->store, "half", gains_part_names, GAINS_PARTS, w->err));
done:
    return rc;
}

/* The verdicts in lines, as the command prints them. */
static enum status put_verdicts(struct writing *w)
{
    char *text = verdict_text(w->contents->design, w->contents->gains);
    enum status rc = text ? store_set_text(w->store, "evaluation", "verdicts", text, w->err)
                          : error_set(w->err, FAIL_SYSTEM, "no memory for the verdicts of an evaluation");

    free(text);
    return rc;
}

static enum status put_attributes(struct writing *w)
{
    const struct run_plan *run = w->contents->design->run;
    struct save_inputs inputs = {.plan = run, .provenance = &run->provenance, .dataset = run->config->data.path.file};
    char *settings = design_text(w->contents->design);
    enum status rc = OK;

    TRY(save_origin(w->store, &inputs, w->err));
    TRY(store_set_int(w->store, "", "seed", (int64_t)run->config->run.seed, w->err));
    TRY(store_set_int(w->store, "", "complete", w->contents->complete, w->err));
    if (!w->contents->complete)
        TRY(store_set_int(w->store, "", "finished", (int64_t)w->contents->gains->finished, w->err));
    if (!settings)
        TRY(error_set(w->err, FAIL_SYSTEM, "no memory for the settings of an evaluation"));
    TRY(store_set_text(w->store, "evaluation", "settings", settings, w->err));
    TRY(put_verdicts(w));
done:
    free(settings);
    return rc;
}

enum status file_write(const char *path, const struct file_contents *contents, struct error *err)
{
    const struct design *design = contents->design;
    const struct run_plan *run = design->run;
    struct writing w = {.contents = contents, .images = run->images.end - run->images.first, .err = err};
    enum status rc = OK;

    w.buffer = malloc(w.images * design->row * sizeof(float));
    if (!w.buffer)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the columns of %zu images", w.images));
    TRY(store_create(&w.store, path, contents->complete ? (unsigned)run->config->store.compression : 0, err));
    TRY(put_attributes(&w));
    TRY(put_names(&w));
    TRY(put_images(&w));
    for (size_t r = 0; r < design->nresults; r++)
        TRY(put_result(&w, r));
    if (!contents->complete)
        TRY(put_state(&w));
    rc = store_commit(w.store, err);
    w.store = NULL;
done:
    store_discard(w.store);
    free(w.buffer);
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum status file_check_kind(const struct store_reader *store, const char *path, struct error *err)
{
    if (store_has(store, "evaluation"))
        return OK;
    return error_set(err, FAIL_CONFIG,
                     "%s: is a store, but of no evaluation, and is not replaced; choose another "
                     "--output",
                     path);
}

enum status file_check_place(const char *path, const struct design *design, bool restart, struct error *err)
{
    struct store_reader *store = NULL;
    bool exists = false;
    enum status rc = OK;

    TRY(place_check(&exists, path, design->run->config, restart, err));
    if (exists && store_open_read(&store, path, NULL) == OK)
        TRY(file_check_kind(store, path, err));
done:
    store_close(store);
    return rc;
}

enum status file_compare_settings(const struct store_reader *store, const char *path, const char *here,
                                  struct error *err)
{
    char *there = NULL;
    enum status rc = OK;

    TRY(store_get_text(&there, store, "evaluation", "settings", err));
    if (strcmp(here, there) != 0)
        TRY(error_set(err, FAIL_MISMATCH,
                      "%s: this evaluation has other settings: %s; here they are %s; choose another --output, or "
                      "replace it with --restart",
                      path, there, here));
done:
    free(there);
    return rc;
}

static enum status compare_design(const struct store_reader *store, const char *path, const struct design *design,
                                  struct error *err)
{
    char *here = design_text(design);
    enum status rc = here ? file_compare_settings(store, path, here, err)
                          : error_set(err, FAIL_SYSTEM, "no memory for the settings of an evaluation");

    free(here);
    return rc;
}

struct identity file_identity(const struct run_plan *plan)
{
    return (struct identity){.config = plan->config,
                             .model_sha256 = plan->model.sha256,
                             .dataset_sha256 = plan->dataset_sha256,
                             .listing = plan->listing.memory,
                             .images = plan->images};
}

/* Rows of an unfinished evaluation are in its state, as float32 kept in doubles on the way. */
static enum status read_rows(const struct store_reader *store, const struct design *design, float *rows, double *means,
                             struct error *err)
{
    size_t images = design->run->images.end - design->run->images.first, dims[] = {images, design->row};
    size_t channels = design->run->model.plan.channel[design->run->model.net.nlinks + 1];
    double *sums = NULL;
    float *read = NULL;
    enum status rc = OK;

    TRY(store_read_float(&read, store, "state/rows", 2, dims, err));
    memcpy(rows, read, images * design->row * sizeof *rows);
    if (means) {
        TRY(store_read_real(&sums, store, "state/activation_mean", 1, &channels, err));
        memcpy(means, sums, channels * sizeof *means);
    }
done:
    free(read);
    free(sums);
    return rc;
}

/* ---- a complete evaluation as rows ------------------------------------------------------------------------------- */

/* A dataset [images][...][n floats in all] into the rows, from `at` on. */
static enum status read_column(const struct store_reader *store, const char *path, const struct design *design,
                               float *rows, size_t at, size_t n, size_t ndim, struct error *err)
{
    size_t images = design->run->images.end - design->run->images.first, dims[STORE_MAX_DIMS], all = 1;
    float *values = NULL;
    enum status rc = OK;

    for (size_t d = 0; d < STORE_MAX_DIMS; d++)
        dims[d] = STORE_ANY;
    TRY(store_read_float(&values, store, path, ndim, dims, err));
    for (size_t d = 0; d < ndim; d++)
        all *= dims[d];
    if (all != images * n)
        TRY(error_set(err, FAIL_FORMAT, "/%s has %zu numbers, not %zu", path, all, images * n));
    for (size_t i = 0; i < images; i++)
        memcpy(rows + i * design->row + at, values + i * n, n * sizeof *values);
done:
    free(values);
    return rc;
}

static enum status read_result(const struct store_reader *store, const struct design *design,
                               const struct design_result *result, float *rows, struct error *err)
{
    const struct {
        enum design_kind kind;
        const char *name;
        size_t at, n, ndim;
    } datasets[] = {
        {DESIGN_CURVES, "curve_morf", 0, result->nfractions * CURVE_OUTCOMES, 3},
        {DESIGN_CURVES, "curve_lerf", result->nfractions * CURVE_OUTCOMES, result->nfractions * CURVE_OUTCOMES, 3},
        {DESIGN_SIMILARITY, "similarity", 0, DESIGN_VALUES, 2},
        {DESIGN_DAMAGES, "drawn", 0, result->units, 2},
        {DESIGN_DAMAGES, "damage", result->units, result->units, 2},
    };

    char group[FILE_GROUP], path[FILE_PATH];
    enum status rc = OK;

    file_group(group, result);
    for (size_t i = 0; i < sizeof datasets / sizeof datasets[0]; i++) {
        if (datasets[i].kind != result->kind)
            continue;
        snprintf(path, sizeof path, "%s/%s", group, datasets[i].name);
        TRY(read_column(store, path, design, rows, result->at + datasets[i].at, datasets[i].n, datasets[i].ndim, err));
    }
done:
    return rc;
}

static enum status read_columns(const struct store_reader *store, const struct design *design, float *rows,
                                struct error *err)
{
    static const char *const head[ROW_HEAD] = {[ROW_STATUS] = "images/status",
                                               [ROW_TARGET] = "images/target",
                                               [ROW_PREDICTED] = "images/predicted",
                                               [ROW_SECOND] = "images/second",
                                               [ROW_OUTCOME + CURVE_P] = "images/probability",
                                               [ROW_OUTCOME + CURVE_LOGIT] = "images/logit",
                                               [ROW_OUTCOME + CURVE_MARGIN] = "images/margin"};
    enum status rc = OK;

    for (size_t i = 0; i < ROW_HEAD; i++)
        TRY(read_column(store, head[i], design, rows, i, 1, 1, err));
    for (size_t r = 0; r < design->nresults; r++)
        TRY(read_result(store, design, &design->results[r], rows, err));
done:
    return rc;
}

/* ---- both --------------------------------------------------------------------------------------------------------*/

enum status file_read(bool *exists, bool *complete, const char *path, const struct design *design, float *rows,
                      double *means, struct error *err)
{
    const struct run_plan *run = design->run;
    struct identity mine = file_identity(run);
    struct provenance provenance = run->provenance;
    struct store_reader *store = NULL;
    enum status rc = OK;

    *complete = false;
    TRY(place_check(exists, path, run->config, false, err));
    if (!*exists)
        goto done;
    TRY(store_open_read(&store, path, err));
    TRY(file_check_kind(store, path, err));
    TRY(place_compare(complete, &provenance, path, &mine, false, err));
    TRY(compare_design(store, path, design, err));
    if (*complete)
        TRY(read_columns(store, design, rows, err));
    else
        TRY(read_rows(store, design, rows, means, err));
done:
    store_close(store);
    return rc;
}
