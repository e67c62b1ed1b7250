/* Dynamic scheduling: a rank that is free takes the next block from one shared counter.
 *
 * The counter is in a window of rank 0 and is advanced by MPI_Fetch_and_op, so there is no master rank. If the
 * interconnect has no one-sided atomics, rank 0 answers when it next enters MPI.
 *
 * For tests, NRMFLOW_ORDER=reverse hands the blocks out backwards and NRMFLOW_ORDER=<number> shuffled with that seed.
 */
#ifndef NRMFLOW_PIPELINE_MPI_SCHEDULE_H
#define NRMFLOW_PIPELINE_MPI_SCHEDULE_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mpi.h>

struct schedule {
    MPI_Win window;
    int64_t *counter; /* in the window; used through MPI only */
    size_t *order;    /* [nblocks] blocks in the order in which they are handed out; owned */
    size_t nblocks;
    int nranks;
    bool has_ahead; /* a block is taken already */
    size_t ahead;   /* its place in the order */
};

/* Make a schedule of the given blocks, or of 0 .. nblocks - 1 if `blocks` is NULL. The list is copied.
 * Errors, the same on all ranks: FAIL_SYSTEM without memory, FAIL_CONFIG if NRMFLOW_ORDER is neither word nor number.
 * Collective over `comm`, the same list everywhere; rank 0 holds the counter. Caller frees with schedule_free, also
 * after a failure. */
enum status schedule_init(struct schedule *s, const size_t *blocks, size_t nblocks, MPI_Comm comm, struct error *err);

/* Take the next block; false if none is left. Every block goes to exactly one rank. Not collective. */
bool schedule_next(struct schedule *s, size_t *block);

/* Take the block after the current one in advance, to prepare it; the next schedule_next returns it. Takes nothing and
 * returns false if so few blocks are left that another rank might be idle before this one starts the block. Not
 * collective. */
bool schedule_ahead(struct schedule *s, size_t *block);

/* End the schedule for all ranks: schedule_next still returns a block that was taken ahead, and then no more. Not
 * collective. */
void schedule_close(struct schedule *s);

/* Collective. All zero is fine. */
void schedule_free(struct schedule *s);

#endif
