/* Progress of a run: one line that refreshes on a terminal, a line a minute elsewhere.
 *
 *   images 12345/50000 (24.7 %)  31.2 images/s (3.9 a rank)  time left 20 min  failed 3
 *
 * Ranks add to counters in a window of rank 0; no rank waits for another before progress_finish. If more than 1 %
 * of the first 1,000 images fail, rank 0 warns once, immediately.
 */
#ifndef NRMFLOW_PIPELINE_MPI_PROGRESS_H
#define NRMFLOW_PIPELINE_MPI_PROGRESS_H

#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mpi.h>

enum { PROGRESS_LINE = 160 };

struct progress_counts {
    int64_t done, failed; /* images; failed ones are among those done */
};

struct progress {
    MPI_Comm comm; /* borrowed */
    MPI_Win window;
    int64_t *counts; /* in the window: done, failed; used through MPI only */
    struct log *log; /* borrowed */
    int rank, nranks;
    size_t before, total;
    double start, shown; /* monotonic seconds of the start and of the last line */
    double interval;     /* seconds between two lines */
    bool judged;         /* the first 1,000 images */
};

/* Start counting. `total` images of which `before` were done by an earlier run. Collective over `comm`. */
void progress_init(struct progress *p, struct log *log, size_t before, size_t total, MPI_Comm comm);

/* Count `done` images of which `failed` failed. Not collective. */
void progress_add(struct progress *p, size_t done, size_t failed);

/* On rank 0, show the line if it is time; elsewhere nothing. Not collective; cheap. */
void progress_poll(struct progress *p);

/* Images done and failed in this run so far, on all ranks together. Not collective. */
struct progress_counts progress_read(struct progress *p);

/* Wait until all ranks are here, showing the line meanwhile, then log the final one. Collective. */
void progress_finish(struct progress *p);

/* Collective. All zero is fine. */
void progress_free(struct progress *p);

/* The line above, for counts reached in `seconds`. */
void progress_line(char line[PROGRESS_LINE], struct progress_counts counts, size_t before, size_t total, double seconds,
                   int nranks);

/* Do these counts show that too many of the first images fail? `final` if no more will come. */
bool progress_alarming(struct progress_counts counts, bool final);

#endif
