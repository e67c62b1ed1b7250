#include "pipeline/evaluate/answers_file.h"

#include "kernels/base/number.h"
#include "pipeline/evaluate/file.h"
#include "pipeline/run/place.h"
#include "pipeline/run/save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 256, VALUES = 2 * CURVE_OUTCOMES /* of a share, at most */ };

/* ---- place ------------------------------------------------------------------------------------------------------- */

enum status answers_file_check(const char *path, const struct run_plan *plan, bool restart, struct error *err)
{
    struct store_reader *store = NULL;
    bool exists = false;
    enum status rc = OK;

    TRY(place_check(&exists, path, plan->config, restart, err));
    if (exists && store_open_read(&store, path, NULL) == OK)
        rc = file_check_kind(store, path, err);
done:
    store_close(store);
    return rc;
}

/* Numbers that are none are said with the file and what to do. */
static enum status read_record(struct answers_record *record, const struct store_reader *store, const char *file,
                               const struct run_plan *plan, struct error *err)
{
    struct error why = {0};
    enum status rc = answers_record_read(record, store, run_plan_classes(plan), &why);

    return rc == OK ? OK : error_set(err, rc, "%s: %s; begin anew with --restart", file, why.message);
}

enum status answers_file_read(bool *complete, const char *path, const struct run_plan *plan, const char *settings,
                              struct answers_record *record, struct error *err)
{
    struct store_reader *store = NULL;
    struct provenance provenance = plan->provenance;
    struct identity mine = file_identity(plan);
    bool exists;
    enum status rc = OK;

    *complete = false;
    TRY(place_check(&exists, path, plan->config, false, err));
    if (!exists)
        goto done;
    TRY(store_open_read(&store, path, err));
    TRY(place_compare(complete, &provenance, path, &mine, false, err));
    TRY(file_compare_settings(store, path, settings, err));
    if (!*complete)
        TRY(read_record(record, store, path, plan, err));
done:
    store_close(store);
    return rc;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* A file that is being written. */
struct writing {
    const struct answers_contents *contents;
    struct store *store;
    double *values; /* [shares][CURVE_OUTCOMES] */
    struct error *err;
};

/* Columns: a member of struct answers_summary, as means or errors. */
struct column {
    const char *name;
    size_t offset, count; /* of struct answers_mean */
    bool error, difference;
};

#define MEMBER(member, n) offsetof(struct answers_summary, member), n

static const struct column columns[] = {
    {"accuracy", MEMBER(accuracy, 1), false, false},
    {"accuracy_error", MEMBER(accuracy, 1), true, false},
    {"accuracy_difference", MEMBER(accuracy, 1), false, true},
    {"accuracy_difference_error", MEMBER(accuracy, 1), true, true},
    {"agreement", MEMBER(agreement, 1), false, false},
    {"agreement_error", MEMBER(agreement, 1), true, false},
    {"outcome_mean", MEMBER(outcome, CURVE_OUTCOMES), false, false},
    {"outcome_error", MEMBER(outcome, CURVE_OUTCOMES), true, false},
};

static enum status put_column(struct writing *w, const char *group, const struct column *column,
                              const struct answers_line *line, size_t n)
{
    const struct answers_summary *summaries = column->difference ? line->excess : line->at;
    size_t dims[] = {n, CURVE_OUTCOMES};
    char path[PATH];

    if (!summaries)
        return OK;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < column->count; j++) {
            struct answers_mean mean;
            memcpy(&mean, (const char *)&summaries[i] + column->offset + j * sizeof mean, sizeof mean);
            w->values[i * column->count + j] = column->error ? mean.error : mean.value;
        }
    snprintf(path, sizeof path, "%s/%s", group, column->name);
    return store_write(w->store, path, w->values, column->count > 1 ? 2 : 1, dims, w->err);
}

/* fraction: [n] shares of the units that are gone. */
static enum status put_line(struct writing *w, const struct answers_part *part, const struct answers_line *line,
                            const double *fraction, size_t n)
{
    char group[PATH - 64], path[PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s/%s", part->name, line->name);
    for (char *c = group; *c; c++)
        *c = *c == ' ' ? '_' : *c;
    snprintf(path, sizeof path, "%s/fraction", group);
    TRY(store_write(w->store, path, fraction, 1, &n, w->err));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        TRY(put_column(w, group, &columns[i], line, n));
done:
    return rc;
}

static enum status put_part(struct writing *w, const struct answers_part *part)
{
    const struct answers_table *table = &part->table;
    struct answers_line whole = {"whole", &table->whole, NULL};
    double *fraction = malloc(table->nshares * sizeof *fraction), none = 0;
    enum status rc = OK;

    w->values = malloc(table->nshares * VALUES * sizeof *w->values);
    if (!fraction || !w->values)
        TRY(error_set(w->err, FAIL_SYSTEM, "no memory for the tables of an evaluation"));
    for (size_t i = 0; i < table->nshares; i++)
        fraction[i] = table->kept ? 1 - table->shares[i] : table->shares[i];
    TRY(put_line(w, part, &whole, &none, 1));
    for (size_t i = 0; i < table->nlines; i++)
        TRY(put_line(w, part, &table->lines[i], fraction, table->nshares));
done:
    free(fraction);
    free(w->values);
    return rc;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Images of which the whole network's answers are known. */
static size_t known_images(const struct answers_contents *contents)
{
    size_t n = contents->plan->images.end - contents->plan->images.first;

    return contents->record ? smaller(n, contents->record->known) : n;
}

static enum status put_images(struct writing *w)
{
    const struct run_plan *plan = w->contents->plan;
    size_t n = plan->images.end - plan->images.first, known = known_images(w->contents);
    int32_t *numbers = malloc(2 * n * sizeof *numbers);
    uint8_t *status = malloc(n);
    enum status rc = OK;

    if (!numbers || !status)
        TRY(error_set(w->err, FAIL_SYSTEM, "no memory for the columns of %zu images", n));
    for (size_t i = 0; i < n; i++) {
        static const struct answers_row unknown = {.read = 0};
        const struct answers_row *row = i < known ? &w->contents->rows[i] : &unknown;
        status[i] = row->read ? STORE_IMAGE_OK : STORE_IMAGE_UNREAD;
        numbers[i] = row->read ? row->target : -1;
        numbers[n + i] = row->read ? row->predicted : -1;
    }
    TRY(save_listing(w->store, plan, w->err));
    TRY(store_write(w->store, "images/status", status, 1, &n, w->err));
    TRY(store_write(w->store, "images/target", numbers, 1, &n, w->err));
    TRY(store_write(w->store, "images/predicted", numbers + n, 1, &n, w->err));
done:
    free(numbers);
    free(status);
    return rc;
}

/* The verdicts of all parts in lines, as the command prints them. */
static enum status put_verdicts(struct writing *w)
{
    char verdict[ANSWERS_VERDICT], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    enum status rc = OK;

    for (size_t p = 0, n = 0; out && p < w->contents->nparts; p++)
        for (size_t i = 0; answers_verdict(verdict, &w->contents->parts[p].table, i); i++)
            fprintf(out, "%s%s", n++ ? "\n" : "", verdict);
    if (!out || fclose(out) != 0)
        TRY(error_set(w->err, FAIL_SYSTEM, "no memory for the verdicts of an evaluation"));
    TRY(store_set_text(w->store, "evaluation", "verdicts", text, w->err));
done:
    free(text);
    return rc;
}

static enum status put_head(struct writing *w)
{
    static const char *const outcomes[CURVE_OUTCOMES] = {"p", "logit", "margin"};
    const struct run_plan *plan = w->contents->plan;
    struct save_inputs inputs = {
        .plan = plan, .provenance = &plan->provenance, .dataset = plan->config->data.path.file};
    enum status rc = OK;

    TRY(save_origin(w->store, &inputs, w->err));
    TRY(store_set_int(w->store, "", "seed", (int64_t)plan->config->run.seed, w->err));
    TRY(store_set_int(w->store, "", "complete", !w->contents->record, w->err));
    if (w->contents->record)
        TRY(store_set_int(w->store, "", "finished", (int64_t)known_images(w->contents), w->err));
    TRY(store_set_text(w->store, "evaluation", "settings", w->contents->settings, w->err));
    TRY(put_verdicts(w));
    TRY(store_write_text(w->store, "class", (const char *const *)plan->class_names, run_plan_classes(plan), w->err));
    TRY(store_write_text(w->store, "outcome", outcomes, CURVE_OUTCOMES, w->err));
done:
    return rc;
}

enum status answers_file_write(const char *path, const struct answers_contents *contents, struct error *err)
{
    struct writing w = {.contents = contents, .err = err};
    enum status rc = OK;

    TRY(store_create(&w.store, path, (unsigned)contents->plan->config->store.compression, err));
    TRY(put_head(&w));
    TRY(put_images(&w));
    for (size_t i = 0; i < contents->nparts; i++)
        TRY(put_part(&w, &contents->parts[i]));
    if (contents->record)
        TRY(answers_record_write(w.store, contents->record, err));
    rc = store_commit(w.store, err);
    w.store = NULL;
done:
    store_discard(w.store);
    return rc;
}
