/* Failures on purpose, so that tests can walk through every place where a run can be hit.
 *
 * A *point* is a kind of call: wherever the program makes it, it asks fault_hit first. NRMFLOW_FAULT chooses one meeting
 * of one point, in each process by itself:
 *
 *   write:3        the third write fails, as if the system had refused it
 *   write:3:kill   the process is killed before its third write, as by SIGKILL
 *   count          nothing fails; main prints at the end how often each point was met
 *
 * This module keeps state of its own, the only one below pipeline/ that does: which failure is wished, and how often each
 * point was met. The calls it stands before are at the bottom of everything, among them malloc's, and have no argument
 * through which such state could come. It is written once, by fault_start, before anything else runs; the counts are
 * atomic. Without NRMFLOW_FAULT a point costs one comparison.
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
    FAULT_FOLDER,      /* make the folder of parts */
    FAULT_LOCK,        /* lock it */
    FAULT_CREATE,      /* create a file that is written aside */
    FAULT_WRITE,       /* write to it, or to the lock's note */
    FAULT_TRUNCATE,    /* give it its length */
    FAULT_SYNC,        /* make it durable */
    FAULT_RENAME,      /* make it visible */
    FAULT_SYNC_FOLDER, /* make its name durable */
    FAULT_REMOVE,      /* remove a part that is no longer needed */
    FAULT_SHARE,       /* create a node's shared memory */
    FAULT_REDUCE,      /* add up the ranks' sums */
    FAULT_NPOINTS
};

/* Choose the failure that `text` describes; NULL or "" for none.
 * Errors: FAIL_CONFIG, naming the points, if it describes none. Once, before everything else. */
enum status fault_start(const char *text, struct error *err);

/* Whether the call that is about to be made shall fail; errno is then what the system would say. Does not return if the
 * process shall be killed. Thread-safe. */
bool fault_hit(enum fault_point point);

/* Whether meetings are counted to be printed. */
bool fault_counting(void);

/* A point's name, as in NRMFLOW_FAULT, and how often it was met so far; the latter 0 unless NRMFLOW_FAULT is set. */
const char *fault_name(enum fault_point point);
size_t fault_met(enum fault_point point);

#endif
