#include "pipeline/evaluate/rows.h"

#include "kernels/base/number.h"
#include "pipeline/evaluate/compute.h"
#include "pipeline/mpi/agree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_COUNT = 1, TAG_INDEX, TAG_ROW };

static size_t first_of(const struct evaluate_rows *rows)
{
    return rows->design->run->images.first;
}

static size_t images_of(const struct evaluate_rows *rows)
{
    return rows->design->run->images.end - first_of(rows);
}

enum status evaluate_rows_init(struct evaluate_rows *rows, const struct design *design, const struct node *node,
                               struct log *log, struct error *err)
{
    enum status rc = OK;

    *rows = (struct evaluate_rows){.design = design, .node = node, .log = log};
    if (node->rank == 0) {
        rows->rows = malloc(images_of(rows) * design->row * sizeof *rows->rows);
        for (size_t i = 0; rows->rows && i < images_of(rows) * design->row; i++)
            rows->rows[i] = NAN;
        if (!rows->rows)
            rc = error_set(err, FAIL_SYSTEM, "no memory for the results of %zu images", images_of(rows));
    }
    return agree(node->world, rc, err);
}

void evaluate_rows_free(struct evaluate_rows *rows)
{
    schedule_free(&rows->schedule);
    free(rows->rows);
    free(rows->mine);
    free(rows->indices);
    rows->rows = rows->mine = NULL;
    rows->indices = NULL;
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

enum status evaluate_rows_start(struct evaluate_rows *rows, struct error *err)
{
    const struct node *node = rows->node;
    size_t n = images_of(rows), left = 0;
    size_t *waiting = calloc(n + 1, sizeof *waiting);
    enum status rc = OK;

    TRY(agree(node->world, waiting ? OK : error_set(err, FAIL_SYSTEM, "no memory for a list of %zu images", n), err));
    for (size_t i = 0; i < n && node->rank == 0; i++)
        if (isnan(rows->rows[i * rows->design->row + ROW_STATUS]))
            waiting[left++] = i;
    waiting[n] = left;
    MPI_Bcast(waiting, (int)((n + 1) * sizeof *waiting), MPI_BYTE, 0, node->world);
    left = waiting[n];
    progress_init(&rows->progress, rows->log, n - left, n, (struct progress_limits){1, false}, node->world);
    TRY(schedule_init(&rows->schedule, waiting, left, node->world, err));
done:
    free(waiting);
    return rc;
}

static enum status make_room(struct evaluate_rows *rows, struct error *err)
{
    size_t capacity = rows->capacity ? 2 * rows->capacity : 16;

    if (rows->nmine < rows->capacity)
        return OK;
    float *mine = realloc(rows->mine, capacity * rows->design->row * sizeof *mine);
    rows->mine = mine ? mine : rows->mine;
    size_t *indices = realloc(rows->indices, capacity * sizeof *indices);
    rows->indices = indices ? indices : rows->indices;
    if (!mine || !indices)
        return error_set(err, FAIL_SYSTEM, "no memory for the results of %zu images", capacity);
    rows->capacity = capacity;
    return OK;
}

static enum status compute_next(struct evaluate_rows *rows, struct evaluate_work *work, size_t i, struct error *err)
{
    float *row;
    size_t next;
    enum status rc = OK;

    TRY(make_room(rows, err));
    row = rows->mine + rows->nmine * rows->design->row;
    TRY(compute_image(work, row, first_of(rows) + i, err));
    rows->indices[rows->nmine++] = i;
    if (schedule_ahead(&rows->schedule, &next))
        evaluate_work_ahead(work, first_of(rows) + next);
    float status = row[ROW_STATUS];
    progress_add(&rows->progress,
                 (struct progress_counts){
                     1, status == (float)STORE_IMAGE_UNREAD || status == (float)STORE_IMAGE_UNSUPPORTED, 1});
    progress_poll(&rows->progress);
done:
    return rc;
}

/* Rows of an epoch from all ranks to rank 0, one after the other. */
static void gather(struct evaluate_rows *rows)
{
    const struct node *node = rows->node;
    size_t row = rows->design->row;
    unsigned long long count = rows->nmine;

    for (size_t i = 0; i < rows->nmine && node->rank == 0; i++)
        memcpy(rows->rows + rows->indices[i] * row, rows->mine + i * row, row * sizeof *rows->mine);
    if (node->rank != 0)
        MPI_Send(&count, 1, MPI_UNSIGNED_LONG_LONG, 0, TAG_COUNT, node->world);
    for (size_t i = 0; i < rows->nmine && node->rank != 0; i++) {
        unsigned long long index = rows->indices[i];
        MPI_Send(&index, 1, MPI_UNSIGNED_LONG_LONG, 0, TAG_INDEX, node->world);
        MPI_Send(rows->mine + i * row, (int)row, MPI_FLOAT, 0, TAG_ROW, node->world);
    }
    for (int rank = 1; rank < node->nranks && node->rank == 0; rank++) {
        MPI_Recv(&count, 1, MPI_UNSIGNED_LONG_LONG, rank, TAG_COUNT, node->world, MPI_STATUS_IGNORE);
        for (unsigned long long i = 0, index; i < count; i++) {
            MPI_Recv(&index, 1, MPI_UNSIGNED_LONG_LONG, rank, TAG_INDEX, node->world, MPI_STATUS_IGNORE);
            MPI_Recv(rows->rows + index * row, (int)row, MPI_FLOAT, rank, TAG_ROW, node->world, MPI_STATUS_IGNORE);
        }
    }
    rows->nmine = 0;
}

enum status evaluate_rows_epoch(struct evaluate_rows *rows, struct evaluate_work *work, struct stop *stop, bool *more,
                                enum stop_reason *reason, struct error *err)
{
    double end = log_seconds() + rows->design->run->config->run.epoch;
    int mine[2] = {0, (int)stop_poll(stop)}, any[2]; /* more images, stop_reason */
    enum status rc = OK;
    size_t i;

    mine[0] = mine[1] != STOP_NONE;
    while (rc == OK && !mine[0] && schedule_next(&rows->schedule, &i)) {
        double began = log_seconds();
        rc = compute_next(rows, work, i, err);
        stop_took_block(stop, log_seconds() - began);
        mine[1] = (int)stop_poll(stop);
        mine[0] = mine[1] != STOP_NONE || log_seconds() >= end;
    }
    if (rc != OK || mine[1])
        schedule_close(&rows->schedule); /* nobody gets another image */
    MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, rows->node->world);
    *more = any[0];
    *reason = (enum stop_reason)any[1];
    gather(rows);
    return agree(rows->node->world, rc, err);
}

/* ---- mean activations -------------------------------------------------------------------------------------------- */

/* Add the sums of one image of another rank, or of this one; [channels + 1], the last one if the image counts. Rank 0
 * and `rank`. */
static void hand_over(double *total, double *sums, size_t n, int rank, const struct node *node)
{
    if (rank != 0 && node->rank == rank)
        MPI_Send(sums, (int)n, MPI_DOUBLE, 0, TAG_ROW, node->world);
    if (node->rank != 0)
        return;
    if (rank != 0)
        MPI_Recv(sums, (int)n, MPI_DOUBLE, rank, TAG_ROW, node->world, MPI_STATUS_IGNORE);
    for (size_t c = 0; c < n; c++)
        total[c] += sums[c];
}

enum status evaluate_rows_means(double *means, struct evaluate_rows *rows, struct evaluate_work *work,
                                struct error *err)
{
    const struct node *node = rows->node;
    size_t channels = work->plan.channel[work->plan.net->nlinks + 1], ranks = (size_t)node->nranks;
    double *sums = calloc(channels + 1, sizeof *sums), *total = calloc(channels + 1, sizeof *total);
    enum status rc =
        sums && total ? OK : error_set(err, FAIL_SYSTEM, "no memory for the means of %zu channels", channels);

    TRY(agree(node->world, rc, err));
    for (size_t lead = 0; lead < images_of(rows); lead += ranks) {
        size_t i = lead + (size_t)node->rank;
        bool ok = false;
        if (rc == OK && i < images_of(rows))
            rc = evaluate_work_activations(work, sums, &ok, first_of(rows) + i, err);
        if (!ok)
            memset(sums, 0, channels * sizeof *sums);
        sums[channels] = ok;
        for (int rank = 0; rank < node->nranks && lead + (size_t)rank < images_of(rows); rank++)
            if (node->rank == 0 || node->rank == rank)
                hand_over(total, sums, channels + 1, rank, node);
    }
    TRY(agree(node->world, rc, err));
    MPI_Bcast(total, (int)(channels + 1), MPI_DOUBLE, 0, node->world);
    for (size_t c = 0; c < channels; c++)
        means[c] = total[channels] > 0 ? total[c] / total[channels] : 0;
done:
    free(sums);
    free(total);
    return rc;
}
