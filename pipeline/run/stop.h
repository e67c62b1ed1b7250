/* The wish to stop a run before its end.
 *
 * SIGUSR1, SIGINT and SIGTERM ask for a stop at the next clean point, and so do a time limit and a file <output>.stop. The
 * wish of signals is process-wide, as signals are. A second signal of the same kind ends the process at once; within the
 * first second it counts as the same one, because a launcher and a batch system may both pass on the one that was sent.
 *
 * What launchers make of signals: mpirun and srun hand USR1 on to all ranks. mpirun answers INT and TERM by SIGTERM to the
 * ranks after odls_base_sigkill_timeout (1 s by default), and kills them after as long again; its exit status is 1. srun
 * answers TERM by killing the ranks, and a single INT by a line of status.
 */
#ifndef NRMFLOW_PIPELINE_RUN_STOP_H
#define NRMFLOW_PIPELINE_RUN_STOP_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

#include <limits.h>

/* Why a run stops; of several reasons the last one here is told. */
enum stop_reason { STOP_NONE, STOP_FILE, STOP_LIMIT, STOP_SLURM, STOP_USR1, STOP_INT, STOP_TERM };

/* What the command line says about the end. */
struct stop_times {
    double began;   /* log_seconds() when the command line was read */
    double limit;   /* seconds from then; INFINITY: none */
    double reserve; /* seconds of it that are left for the last blocks and the store; NAN: by default */
};

struct stop {
    enum stop_reason reason; /* the run has stopped before its end */
    enum stop_reason timed;  /* STOP_LIMIT or STOP_SLURM, whichever ends first */
    double end;              /* log_seconds() at which the process must have ended; INFINITY: none */
    double reserve;          /* as above; the default is stop_reserve */
    double least;            /* of the default */
    double block, save;      /* longest so far on this rank, seconds */
    double looked;           /* log_seconds() of the last look for the file */
    char file[PATH_MAX];     /* rank 0; empty elsewhere */
};

/* Install the handlers; before MPI_Init, as USR1 kills a process that has none. */
void stop_install(void);

/* Read the options --time-limit and --reserve; NULL if they are not given. Errors: FAIL_CONFIG. Not collective. */
enum status stop_read_times(struct stop_times *out, const char *limit, const char *reserve, struct error *err);

/* Rank 0 finds out when the run must have ended, the earlier of the limit and Slurm's end time (SLURM_JOB_END_TIME), and
 * where the stop file of `output` would be. Errors, the same on all ranks: FAIL_CONFIG if it is there already. Collective. */
enum status stop_start(struct stop *stop, const struct stop_times *times, const char *output, const struct node *node,
                       struct log *log, struct error *err);

/* Why this rank should take no more blocks, if so: a signal has come, only the reserve is left, or (rank 0) the file is
 * there. Not collective; cheap. */
enum stop_reason stop_poll(struct stop *stop);

/* Tell how long a block has taken, and writing an unfinished store. Not collective. */
void stop_took_block(struct stop *stop, double seconds);
void stop_took_save(struct stop *stop, double seconds);

/* Seconds before the end at which no more blocks are taken: what was asked for, else time for a block and two savings as
 * long as the longest so far, and at least a minute, or half the time there was at the start. */
double stop_reserve(const struct stop *stop);

/* "SIGUSR1", "the time limit", ... */
const char *stop_reason_name(enum stop_reason reason);

#endif
