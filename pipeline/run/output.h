/* What makes a run's work durable: the lock on the store, part files, and the store. */
#ifndef NRMFLOW_PIPELINE_RUN_OUTPUT_H
#define NRMFLOW_PIPELINE_RUN_OUTPUT_H

#include "io/base/error.h"
#include "pipeline/mpi/progress.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/mpi/schedule.h"
#include "pipeline/run/parts.h"
#include "pipeline/run/save.h"
#include "pipeline/run/stop.h"
#include "pipeline/run/time_profile.h"
#include "pipeline/run/work.h"

struct run_output {
    const char *path; /* of the store; borrowed, as work */
    struct run_work *work;
    struct provenance provenance; /* the plan's; joined by those of an unfinished store that the run continues */
    struct parts parts;           /* with the lock */
    struct schedule schedule;     /* of the blocks that are not in parts */
    size_t before;                /* images that were finished when this run began */
    struct progress progress;
    struct time_profile profile; /* of this rank, without the stages of blocks: the worker has these */
    struct stop *stop;           /* borrowed; the caller's to set, and NULL where nobody looks at it */
    double started;              /* log_seconds(), the caller's to set */
};

/* Take the lock of a store.
 *
 *   output  out  to be freed with run_output_free, also after a failure
 * Errors, the same on all ranks: as parts_open. Collective. */
enum status run_output_init(struct run_output *output, const char *path, struct run_work *work, struct error *err);

/* Gives the lock back. All zero is fine. Collective; before run_work_free. */
void run_output_free(struct run_output *output);

/* Plan the blocks that hold images of the run and are not in part files; sets output->before. Errors, the same on
 * all ranks: as parts_read. Collective. */
enum status run_output_schedule(struct run_output *output, struct error *err);

/* Make everything so far durable: rank 0 writes the store, complete or not, from all sums and all parts.
 *
 *   summary  out  on rank 0
 * Errors, the same on all ranks: as save_store. Collective. */
enum status run_output_save(struct run_output *output, struct save_summary *summary, bool complete, struct error *err);

#endif
