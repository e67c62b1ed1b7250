/* Deliberate failures: they let tests walk through every place where a run can fail.
 *
 * A *fault point* is a kind of call. The program asks fault_hit before each such call. NRMFLOW_FAULT selects one
 * occurrence of one point, in each process separately:
 *
 *   write:3        the third write fails, as if the system had refused it
 *   write:3:kill   the process is killed before its third write, as by SIGKILL
 *   count          nothing fails; at its end the program prints how often each point was reached
 *
 * This module has global state, as no other module below pipeline/ has: the selected failure, and how often each point
 * was reached. The checked calls are the lowest in the program (malloc is one of them), and no argument could carry the
 * state to them. fault_start writes the selection once, before anything else runs; the counts are atomic. Without
 * NRMFLOW_FAULT a point costs one comparison.
 */
#ifndef NRMFLOW_IO_BASE_FAULT_H
#define NRMFLOW_IO_BASE_FAULT_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum fault_point {
    FAULT_ALLOCATE,    /* memory; its calls are replaced in pipeline/command/main_allocate.c */
    FAULT_OPEN,        /* open a file for reading */
    FAULT_READ,        /* read from it */
    FAULT_DECODE,      /* decode an image */
    FAULT_FOLDER,      /* create the folder of part files */
    FAULT_LOCK,        /* lock it */
    FAULT_CREATE,      /* create a temporary file that is renamed into place later */
    FAULT_WRITE,       /* write to it, or to the lock file */
    FAULT_TRUNCATE,    /* set its length */
    FAULT_SYNC,        /* sync it to disk */
    FAULT_RENAME,      /* rename it into place */
    FAULT_SYNC_FOLDER, /* sync its folder */
    FAULT_REMOVE,      /* remove a part file that is no longer needed */
    FAULT_SHARE,       /* create a node's shared memory */
    FAULT_REDUCE,      /* add up the ranks' sums */
    FAULT_NPOINTS
};

/* Select the failure that `text` describes; NULL or "" for none. Called once, before everything else.
 * Errors: FAIL_CONFIG, with a list of the points, if `text` is not valid. */
enum status fault_start(const char *text, struct error *err);

/* Whether the call that follows must fail; errno is then set as the system would set it. Does not return if the process
 * is to be killed. Thread-safe. */
bool fault_hit(enum fault_point point);

/* Whether NRMFLOW_FAULT is `count`, so that the counts are printed. */
bool fault_counting(void);

/* A point's name, as in NRMFLOW_FAULT, and how often it was reached so far (0 unless NRMFLOW_FAULT is set). */
const char *fault_name(enum fault_point point);
size_t fault_met(enum fault_point point);

#endif
