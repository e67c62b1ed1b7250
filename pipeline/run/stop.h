/* Requests to stop a run early: signals, time limit, stop file.
 *
 * SIGUSR1, SIGINT, SIGTERM, a time limit and a file <output>.stop stop the run after the current blocks. Signals are
 * process-wide. A second signal of the same kind ends the process at once, unless it comes within a second of the
 * first: a launcher and a batch system may both forward the same signal.
 *
 * Launchers treat signals differently. mpirun and srun forward USR1 to all ranks. On INT and TERM, mpirun sends
 * SIGTERM to the ranks after odls_base_sigkill_timeout (1 s by default), and kills them after the same time again; its
 * exit status is 1. On TERM, srun kills the ranks; on a single INT it prints a line of status.
 */
#ifndef NRMFLOW_PIPELINE_RUN_STOP_H
#define NRMFLOW_PIPELINE_RUN_STOP_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

#include <limits.h>

/* Why a run stops; STOP_FAILED: too many images fail. If there are several reasons, the last one in this order is
 * reported. */
enum stop_reason { STOP_NONE, STOP_FILE, STOP_LIMIT, STOP_SLURM, STOP_USR1, STOP_INT, STOP_TERM, STOP_FAILED };

/* The options of the command line. */
struct stop_times {
    double began;   /* log_seconds() when the command line was read */
    double limit;   /* seconds from then; INFINITY: none */
    double reserve; /* seconds of the limit kept for the last blocks and the store; NAN: the default */
};

struct stop {
    enum stop_reason reason; /* of a run that has stopped early */
    enum stop_reason timed;  /* STOP_LIMIT or STOP_SLURM, whichever comes first */
    double end;              /* log_seconds() at which the process must have ended; INFINITY: none */
    double reserve;          /* of stop_times */
    double least;            /* lower bound of the default reserve */
    double block, save;      /* longest so far on this rank, seconds */
    double looked;           /* log_seconds() of the last check for the file */
    char file[PATH_MAX];     /* rank 0; empty elsewhere */
};

/* Install the signal handlers. Call before MPI_Init: without a handler USR1 kills the process. */
void stop_install(void);

/* Read the options --time-limit and --reserve; NULL if they are not given. Errors: FAIL_CONFIG. Not collective. */
enum status stop_read_times(struct stop_times *out, const char *limit, const char *reserve, struct error *err);

/* Find out when the run must have ended, the earlier of the limit and Slurm's end time (SLURM_JOB_END_TIME), and the
 * path of the stop file of `output`. Errors, the same on all ranks: FAIL_CONFIG if the stop file exists already.
 * Collective. */
enum status stop_start(struct stop *stop, const struct stop_times *times, const char *output, const struct node *node,
                       struct log *log, struct error *err);

/* Whether this rank should take no more blocks, and why: a signal, only the reserve is left, or (rank 0) the stop
 * file. Not collective; cheap. */
enum stop_reason stop_poll(struct stop *stop);

/* Report how long a block has taken, and the writing of an unfinished store. Not collective. */
void stop_took_block(struct stop *stop, double seconds);
void stop_took_save(struct stop *stop, double seconds);

/* Seconds before the end at which no more blocks are taken: the option's value, else the time of one block and two
 * saves, each as long as the longest so far, and at least a minute, or half the time left at the start if that is
 * less. */
double stop_reserve(const struct stop *stop);

/* "SIGUSR1", "the time limit", ... */
const char *stop_reason_name(enum stop_reason reason);

#endif
