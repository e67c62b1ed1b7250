#include "pipeline/run/merge.h"

#include "pipeline/run/plan.h"
#include "pipeline/run/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The state of a merge. */
struct merge {
    const struct merge_parts *all;
    struct run_plan plan; /* an outline */
    void *memory[2];
    struct sums total, part;
    char *dataset, **class_names;
    bool activations; /* all shards have them */
    double seconds[BLOCK_STAGES];
};

/* ---- the plan of the run --------------------------------------------------------------------------------------- */

static enum status make_plan(struct merge *m, struct error *err)
{
    const struct merge_part *first = &m->all->parts[0];
    struct store_reader *store = NULL;
    struct network net;
    size_t classes;
    enum status rc = OK;

    TRY(store_open_read(&store, first->path, err));
    TRY(state_load_network(&net, store, first->path, err));
    TRY(run_plan_outline(&m->plan, &m->all->config, &net, m->all->whole, err));
    snprintf(m->plan.model.sha256, sizeof m->plan.model.sha256, "%s", first->model_sha256);
    snprintf(m->plan.dataset_sha256, sizeof m->plan.dataset_sha256, "%s", first->dataset_sha256);
    m->plan.dataset_count = first->dataset_count;
    classes = network_shape(&net, net.nlinks).channels;
    TRY(store_read_text(&m->class_names, store, "class", &classes, err));
    TRY(store_get_text(&m->dataset, store, "", "dataset", err));
done:
    store_close(store);
    return rc;
}

/* ---- sums ------------------------------------------------------------------------------------------------------ */

/* Add one shard's sums. Its first row is row `before` of the whole. */
static enum status add_sums(struct merge *m, const struct merge_part *part, struct error *err)
{
    size_t before = part->first - m->all->whole.first;
    size_t activation = statistics_moments(&m->plan.statistics, STATISTICS_ACTIVATION, 0)->first;
    struct store_reader *store = NULL;
    bool has = false;
    enum status rc = OK;

    TRY(store_open_read(&store, part->path, err));
    TRY(state_load_sums(&m->part, &has, activation, store, part->rows, err));
    m->activations = m->activations && has;
    sums_shift_images(&m->part, before);
    sums_merge(&m->total, &m->part);
    TRY(sums_accept(&m->total, before + part->rows, err));
    for (size_t i = 0; i < BLOCK_STAGES; i++) {
        double seconds = 0;
        TRY(store_get_real(&seconds, store, "", stage_attribute(i), err));
        m->seconds[i] += seconds;
    }
done:
    store_close(store);
    return rc;
}

static enum status merge_sums(struct merge *m, struct error *err)
{
    const struct sums_plan *plan = &m->plan.statistics.plan;
    struct sums *const sums[] = {&m->total, &m->part};
    enum status rc = OK;

    for (size_t i = 0; i < 2; i++) {
        m->memory[i] = aligned_alloc(SUMS_ALIGNMENT, sums_bytes(plan));
        if (!m->memory[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for two sets of sums of %zu MiB", sums_bytes(plan) >> 20));
        sums_attach(sums[i], plan, m->memory[i]);
    }
    sums_reset(&m->total);
    m->activations = true;
    for (size_t i = 0; i < m->all->count; i++)
        TRY(add_sums(m, &m->all->parts[i], err));
    if (!m->activations)
        statistics_forget(&m->plan.statistics, STATISTICS_ACTIVATION);
done:
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static size_t image_count(const struct merge *m)
{
    return m->all->whole.end - m->all->whole.first;
}

static enum status write_paths(struct store *store, const struct merge *m, struct error *err)
{
    size_t n = image_count(m), done = 0;
    const char **names = calloc(n, sizeof *names);
    char ***texts = calloc(m->all->count, sizeof *texts);
    struct store_reader *reader = NULL;
    enum status rc = OK;

    if (!names || !texts)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu images", n));
    for (size_t i = 0; i < m->all->count; i++) {
        size_t rows = m->all->parts[i].rows;
        TRY(store_open_read(&reader, m->all->parts[i].path, err));
        TRY(store_read_text(&texts[i], reader, "images/path", &rows, err));
        for (size_t row = 0; row < rows; row++)
            names[done++] = texts[i][row];
        store_close(reader);
        reader = NULL;
    }
    TRY(store_write_text(store, "images/path", names, n, err));
done:
    store_close(reader);
    for (size_t i = 0; texts && i < m->all->count; i++)
        free(texts[i]);
    free(texts);
    free(names);
    return rc;
}

static enum status count_status(size_t *counts, const struct store_reader *reader, const struct merge_part *part,
                                struct error *err)
{
    int64_t *status = NULL;
    size_t rows = part->rows;
    enum status rc = store_read_int(&status, reader, "images/status", 1, &rows, err);

    for (size_t i = 0; rc == OK && i < rows; i++) {
        if (status[i] < 0 || status[i] >= STORE_NSTATUS)
            rc = error_set(err, FAIL_FORMAT, "%s: /images/status holds the unknown status %lld", part->path,
                           (long long)status[i]);
        else
            counts[status[i]]++;
    }
    free(status);
    return rc;
}

/* The rows of a shard's column. Shards of early versions, which are of chains, have no bypass: it is zero. */
static enum status copy_column(struct store *store, const struct merge *m, size_t column,
                               const struct store_reader *reader, size_t before, size_t rows, struct error *err)
{
    const char *path = m->plan.layout.paths[column];
    double *zeros = NULL;

    if (strcmp(path, "images/bypass") != 0 || store_has(reader, path))
        return store_copy_rows(store, path, before, reader, rows, err);
    zeros = calloc(rows * m->plan.layout.columns[column].width, sizeof *zeros);
    if (!zeros)
        return error_set(err, FAIL_SYSTEM, "no memory for the rows of %zu images", rows);
    enum status rc = store_write_rows(store, path, before, rows, zeros, err);
    free(zeros);
    return rc;
}

static enum status copy_part(struct store *store, struct save_summary *summary, const struct merge *m,
                             const struct merge_part *part, struct error *err)
{
    const struct rows_layout *layout = &m->plan.layout;
    size_t before = part->first - m->all->whole.first;
    struct store_reader *reader = NULL;
    enum status rc = OK;

    TRY(store_open_read(&reader, part->path, err));
    TRY(count_status(summary->counts, reader, part, err));
    TRY(store_copy_rows(store, "images/label", before, reader, part->rows, err));
    for (size_t column = 0; column < layout->ncolumns; column++)
        TRY(copy_column(store, m, column, reader, before, part->rows, err));
done:
    store_close(reader);
    return rc;
}

static enum status merge_rows(struct store *store, struct save_summary *summary, const struct merge *m,
                              struct error *err)
{
    const struct rows_layout *layout = &m->plan.layout;
    size_t n = image_count(m);
    enum status rc = OK;

    TRY(store_create_rows(store, "images/label", 1, &n, err));
    for (size_t column = 0; column < layout->ncolumns; column++) {
        size_t dims[] = {n, layout->columns[column].width};
        TRY(store_create_rows(store, layout->paths[column], layout->wide[column] ? 2 : 1, dims, err));
    }
    for (size_t i = 0; i < m->all->count; i++)
        TRY(copy_part(store, summary, m, &m->all->parts[i], err));
done:
    return rc;
}

/* ---- queries --------------------------------------------------------------------------------------------------- */

/* Value and condition of a query, [image_count] each. */
static enum status read_query(double *value, double *given, const struct merge *m, size_t query, struct error *err)
{
    const struct rows_layout *layout = &m->plan.layout;
    struct store_reader *reader = NULL;
    enum status rc = OK;

    for (size_t i = 0; i < m->all->count; i++) {
        const struct merge_part *part = &m->all->parts[i];
        size_t before = part->first - m->all->whole.first, column = layout->query + 2 * query;
        TRY(store_open_read(&reader, part->path, err));
        TRY(store_read_rows(value + before, reader, layout->paths[column], 0, part->rows, 1, err));
        TRY(store_read_rows(given + before, reader, layout->paths[column + 1], 0, part->rows, 1, err));
        store_close(reader);
        reader = NULL;
    }
done:
    store_close(reader);
    return rc;
}

static enum status merge_queries(struct store *store, struct queries_weak *weak, const struct merge *m,
                                 struct error *err)
{
    size_t n = image_count(m);
    double *value = malloc(n * sizeof *value), *given = malloc(n * sizeof *given);
    enum status rc = OK;

    if (!value || !given)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the queries of %zu images", n));
    for (size_t i = 0; i < m->plan.queries.count; i++) {
        TRY(read_query(value, given, m, i, err));
        TRY(queries_finish(store, weak, &m->plan.queries.items[i], value, given, n, err));
    }
done:
    free(value);
    free(given);
    return rc;
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

static enum status write_merged(struct save_summary *summary, const struct merge *m, const char *output,
                                struct error *err)
{
    struct save_inputs what = {
        .plan = &m->plan, .provenance = &m->all->provenance, .dataset = m->dataset, .class_names = m->class_names};
    struct finish_given given = finish_given(&m->plan.statistics, &m->total);
    struct store_reader *first = NULL;
    struct store *store = NULL;
    enum status rc = OK;

    memcpy(what.seconds, m->seconds, sizeof what.seconds);
    *summary = (struct save_summary){.images = image_count(m), .given = given};
    TRY(store_open_read(&first, m->all->parts[0].path, err));
    what.origin = first;
    TRY(store_create(&store, output, (unsigned)m->all->config.store.compression, err));
    TRY(save_head(store, &what, given, true, err));
    TRY(write_paths(store, m, err));
    TRY(merge_rows(store, summary, m, err));
    TRY(merge_queries(store, &summary->weak_queries, m, err));
    TRY(finish_statistics(store, &m->plan.statistics, &m->total, err));
    rc = store_commit(store, err);
    store = NULL;
done:
    store_close(first);
    store_discard(store);
    return rc;
}

enum status merge_stores(struct save_summary *summary, const struct merge_parts *parts, const char *output,
                         struct error *err)
{
    struct merge *m = calloc(1, sizeof *m);
    enum status rc = OK;

    if (!m)
        return error_set(err, FAIL_SYSTEM, "no memory for a merge");
    m->all = parts;
    TRY(make_plan(m, err));
    TRY(merge_sums(m, err));
    TRY(write_merged(summary, m, output, err));
done:
    free(m->memory[0]);
    free(m->memory[1]);
    free(m->dataset);
    free(m->class_names);
    run_plan_free(&m->plan);
    free(m);
    return rc;
}
