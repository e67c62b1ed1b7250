#include "pipeline/mpi/progress.h"

#include <stdio.h>
#include <time.h>

enum { DONE, FAILED, MET, NCOUNTS, FIRST = 1000, PERCENT = 100, WAIT_NANOSECONDS = 5000000 };

static void format_duration(char *out, size_t n, double seconds)
{
    if (seconds < 100)
        snprintf(out, n, "%.0f s", seconds);
    else if (seconds < 100 * 60.0)
        snprintf(out, n, "%.0f min", seconds / 60);
    else if (seconds < 72 * 3600.0)
        snprintf(out, n, "%.1f h", seconds / 3600);
    else
        snprintf(out, n, "%.1f days", seconds / 86400);
}

void progress_line(char line[PROGRESS_LINE], struct progress_counts counts, size_t before, size_t total, double seconds,
                   int nranks)
{
    double rate = seconds > 0 ? (double)counts.done / seconds : 0;
    double done = (double)before + (double)counts.done, left = (double)total - done;
    char time_left[32] = "unknown";

    if (rate > 0)
        format_duration(time_left, sizeof time_left, left / rate);
    snprintf(line, PROGRESS_LINE, "images %.0f/%zu (%.1f %%)  %.3g images/s (%.3g a rank)  time left %s  failed %lld",
             done, total, total ? 100 * done / (double)total : 100, rate, rate / nranks, time_left,
             (long long)counts.failed);
}

bool progress_alarming(struct progress_counts counts, bool final)
{
    int64_t of = counts.done < FIRST && !final ? FIRST : counts.done;

    return counts.failed * PERCENT > of;
}

bool progress_hopeless(struct progress_counts counts, double max_failed, size_t total)
{
    double of = (double)(counts.done < FIRST ? FIRST : counts.done);

    return total > FIRST && (double)counts.failed > max_failed * of;
}

void progress_init(struct progress *p, struct log *log, size_t before, size_t total, struct progress_limits limits,
                   MPI_Comm comm)
{
    *p = (struct progress){.comm = comm, .log = log, .before = before, .total = total, .limits = limits};
    MPI_Comm_rank(comm, &p->rank);
    MPI_Comm_size(comm, &p->nranks);
    MPI_Win_allocate(p->rank == 0 ? NCOUNTS * sizeof *p->counts : 0, sizeof *p->counts, MPI_INFO_NULL, comm, &p->counts,
                     &p->window);
    MPI_Win_lock_all(0, p->window);
    if (p->rank == 0) {
        const int64_t zeros[NCOUNTS] = {0};
        MPI_Accumulate(zeros, NCOUNTS, MPI_INT64_T, 0, 0, NCOUNTS, MPI_INT64_T, MPI_REPLACE, p->window);
        MPI_Win_flush(0, p->window);
    }
    MPI_Barrier(comm);
    p->interval = log->terminal ? 1 : 60;
    p->start = p->shown = log_seconds();
}

void progress_add(struct progress *p, struct progress_counts more)
{
    const int64_t counts[NCOUNTS] = {[DONE] = more.done, [FAILED] = more.failed, [MET] = more.met};

    MPI_Accumulate(counts, NCOUNTS, MPI_INT64_T, 0, 0, NCOUNTS, MPI_INT64_T, MPI_SUM, p->window);
    MPI_Win_flush(0, p->window);
}

struct progress_counts progress_read(struct progress *p)
{
    int64_t counts[NCOUNTS] = {0};

    MPI_Get_accumulate(NULL, 0, MPI_INT64_T, counts, NCOUNTS, MPI_INT64_T, 0, 0, NCOUNTS, MPI_INT64_T, MPI_NO_OP,
                       p->window);
    MPI_Win_flush(0, p->window);
    return (struct progress_counts){counts[DONE], counts[FAILED], counts[MET]};
}

/* Judge the first images once: as soon as there are too many failures among them, or when all are done. */
static void judge(struct progress *p, struct progress_counts counts, bool final)
{
    if (p->judged)
        return;
    p->judged = final || counts.done >= FIRST;
    p->hopeless = !final && progress_hopeless(counts, p->limits.max_failed, p->total - p->before);
    if (p->limits.conditional && !final && p->judged && counts.met == 0 && counts.done > counts.failed)
        log_warn(p->log, "none of the first %lld images meets measure.given: is this the condition that you mean?",
                 (long long)counts.done);
    if (!p->alarmed && progress_alarming(counts, final))
        log_warn(
            p->log,
            "many images fail: is this the right dataset and data.format? The log has the reason for each done=%lld "
            "failed=%lld",
            (long long)counts.done, (long long)counts.failed);
    p->alarmed = p->alarmed || progress_alarming(counts, final);
    p->judged = p->judged || p->hopeless;
}

static void show(struct progress *p, struct progress_counts counts, double now)
{
    char line[PROGRESS_LINE];

    progress_line(line, counts, p->before, p->total, now - p->start, p->nranks);
    if (p->log->terminal)
        log_status(p->log, line);
    else
        log_info(p->log, "%s", line);
    p->shown = now;
}

/* The counters are rank 0's own memory, so reading them at every call costs next to nothing. */
void progress_poll(struct progress *p)
{
    if (p->rank != 0)
        return;
    struct progress_counts counts = progress_read(p);
    double now = log_seconds();
    judge(p, counts, false);
    if (now - p->shown >= p->interval)
        show(p, counts, now);
}

void progress_finish(struct progress *p)
{
    const struct timespec pause = {.tv_nsec = WAIT_NANOSECONDS};
    MPI_Request all_here;
    int done = 0;

    MPI_Ibarrier(p->comm, &all_here);
    for (MPI_Test(&all_here, &done, MPI_STATUS_IGNORE); !done; MPI_Test(&all_here, &done, MPI_STATUS_IGNORE)) {
        progress_poll(p);
        nanosleep(&pause, NULL);
    }
    if (p->rank != 0)
        return;
    struct progress_counts counts = progress_read(p);
    double seconds = log_seconds() - p->start;
    judge(p, counts, true);
    log_info(p->log, "images computed done=%lld failed=%lld seconds=%.1f images_per_second=%.3g",
             (long long)counts.done, (long long)counts.failed, seconds,
             seconds > 0 ? (double)counts.done / seconds : 0.0);
}

void progress_free(struct progress *p)
{
    if (!p->nranks)
        return;
    MPI_Win_unlock_all(p->window);
    MPI_Win_free(&p->window);
    *p = (struct progress){0};
}
