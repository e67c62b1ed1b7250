#include "pipeline/evaluate/answers_record.h"

#include "kernels/base/number.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/util/log.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of a row in a file. */
enum { WORDS = CURVE_OUTCOMES + 3 };

static const char path[] = "state/answers";

size_t answers_record_take(struct answers_row *rows, struct answers_record *record, size_t n)
{
    if (!record)
        return 0;
    size_t known = smaller(n, record->known - record->taken);
    if (rows && known)
        memcpy(rows, record->rows + record->taken, known * sizeof *rows);
    record->taken += known;
    return known;
}

bool answers_record_has(const struct answers_record *record, size_t n)
{
    return record && record->known - record->taken >= n;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static enum status append(struct answers_record *record, const struct answers_row *rows, size_t n, struct error *err)
{
    if (record->known + n > record->capacity) {
        size_t capacity = larger(2 * record->capacity, record->known + n);
        struct answers_row *more = realloc(record->rows, capacity * sizeof *more);
        if (!more)
            return error_set(err, FAIL_SYSTEM, "no memory for %zu answers", capacity);
        record->rows = more;
        record->capacity = capacity;
    }
    memcpy(record->rows + record->known, rows, n * sizeof *rows);
    return OK;
}

enum status answers_record_add(struct answers_record *record, const struct answers_row *rows, size_t n,
                               const struct node *node, struct error *err)
{
    int mine[2] = {(int)stop_poll(record->stop), node->rank == 0 && log_seconds() >= record->saved + record->epoch},
        any[2]; /* stop_reason, save */
    enum status rc = OK;

    TRY(agree(node->world, node->rank == 0 ? append(record, rows, n, err) : OK, err));
    record->known += n;
    record->taken += n;
    MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, node->world);
    if (any[0] == STOP_NONE && !any[1])
        goto done;
    double began = log_seconds();
    TRY(agree(node->world, node->rank == 0 ? record->save(record->context, record, err) : OK, err));
    record->saved = log_seconds();
    stop_took_save(record->stop, record->saved - began);
    record->stop->reason = (enum stop_reason)any[0];
    if (any[0] != STOP_NONE)
        rc = error_set(err, FAIL_RESOURCE, "stopped early");
done:
    return rc;
}

/* ---- file -------------------------------------------------------------------------------------------------------- */

enum status answers_record_write(struct store *store, const struct answers_record *record, struct error *err)
{
    size_t dims[] = {record->known, WORDS};
    double *words = malloc((record->known + 1) * WORDS * sizeof *words);

    if (!words)
        return error_set(err, FAIL_SYSTEM, "no memory for %zu answers", record->known);
    for (size_t i = 0; i < record->known; i++) {
        const struct answers_row *row = &record->rows[i];
        double *to = words + i * WORDS;
        memcpy(to, row->outcome, sizeof row->outcome);
        to[CURVE_OUTCOMES] = row->predicted;
        to[CURVE_OUTCOMES + 1] = row->target;
        to[CURVE_OUTCOMES + 2] = row->read;
    }
    enum status rc = store_write(store, path, words, 2, dims, err);
    free(words);
    return rc;
}

/* A number from `first` up to below n; false if a number in a file is none. */
static bool whole(int32_t *out, double value, int32_t first, size_t n)
{
    bool fits = value >= first && value < (double)n && value == (double)(int32_t)value;

    *out = fits ? (int32_t)value : first;
    return fits;
}

/* One row of a file. An image that cannot be read has no class. */
static bool take_row(struct answers_row *row, const double *from, size_t nclasses)
{
    memcpy(row->outcome, from, sizeof row->outcome);
    return whole(&row->read, from[CURVE_OUTCOMES + 2], 0, 2) &&
           whole(&row->predicted, from[CURVE_OUTCOMES], row->read ? 0 : -1, nclasses) &&
           whole(&row->target, from[CURVE_OUTCOMES + 1], row->read ? 0 : -1, nclasses);
}

enum status answers_record_read(struct answers_record *record, const struct store_reader *store, size_t nclasses,
                                struct error *err)
{
    size_t dims[] = {STORE_ANY, WORDS};
    double *words = NULL;
    enum status rc = OK;

    TRY(store_read_real(&words, store, path, 2, dims, err));
    record->rows = calloc(dims[0] + 1, sizeof *record->rows);
    if (!record->rows)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu answers", dims[0]));
    record->known = record->capacity = dims[0];
    for (size_t i = 0; i < dims[0]; i++)
        if (!take_row(&record->rows[i], words + i * WORDS, nclasses))
            TRY(error_set(err, FAIL_FORMAT, "/%s: row %zu is no answer of a network of %zu classes", path, i,
                          nclasses));
done:
    free(words);
    return rc;
}

void answers_record_share(struct answers_record *record, const struct node *node)
{
    unsigned long long known = record->known;

    MPI_Bcast(&known, 1, MPI_UNSIGNED_LONG_LONG, 0, node->world);
    record->known = known;
}

void answers_record_free(struct answers_record *record)
{
    free(record->rows);
    *record = (struct answers_record){.rows = NULL};
}
