/* Progress of a run: one line that refreshes on a terminal, a line a minute elsewhere.
 *
 *   images 12345/50000 (24.7 %)  31.2 images/s (3.9 a rank)  time left 20 min  failed 3
 *
 * Ranks add to counters in a window of rank 0; no rank waits for another before progress_finish. If more than 1 %
 * of the first 1,000 images fail, rank 0 warns once, immediately; if more of them than may fail at all, the run should
 * end. It also warns if none of them meets the condition.
 */
#ifndef NRMFLOW_PIPELINE_MPI_PROGRESS_H
#define NRMFLOW_PIPELINE_MPI_PROGRESS_H

#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mpi.h>

enum { PROGRESS_LINE = 160 };

/* Images. Those that failed, and those that meet the condition, are among those done. */
struct progress_counts {
    int64_t done, failed, met;
};

/* What is judged once, by the first 1,000 images of a longer run. */
struct progress_limits {
    double max_failed; /* share of the images that may fail */
    bool conditional;  /* images are to meet a condition */
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
    struct progress_limits limits;
    bool judged, alarmed; /* the first 1,000 images */
    bool hopeless;        /* rank 0: too many of them have failed, and the run should end */
};

/* Start counting. `total` images of which `before` were done by an earlier run. Collective over `comm`. */
void progress_init(struct progress *p, struct log *log, size_t before, size_t total, struct progress_limits limits,
                   MPI_Comm comm);

/* Count images. Not collective. */
void progress_add(struct progress *p, struct progress_counts more);

/* On rank 0, show the line if it is time; elsewhere nothing. Not collective; cheap. */
void progress_poll(struct progress *p);

/* Images counted in this run so far, on all ranks together. Not collective. */
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

/* Do they show that a run of `total` images will fail because of too many failures? Of short runs nobody can tell. */
bool progress_hopeless(struct progress_counts counts, double max_failed, size_t total);

#endif
