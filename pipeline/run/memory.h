/* The memory that a run needs on a node, planned before any work, with that for reading its largest image. */
#ifndef NRMFLOW_PIPELINE_RUN_MEMORY_H
#define NRMFLOW_PIPELINE_RUN_MEMORY_H

#include "pipeline/run/plan.h"

#include <stddef.h>

/* Bytes. */
struct memory_plan {
    size_t ranks;   /* of this node */
    size_t work;    /* a rank's working memory, and that of its libraries */
    size_t rows;    /* most finished rows that a rank keeps; an epoch ends before there are more */
    size_t shared;  /* once per node, or once per rank where memory cannot be shared */
    size_t writing; /* world rank 0 in addition, while it writes the store */
    size_t node;    /* all of it */
};

/* Plan the memory of a run on a node of `ranks` ranks. If run.memory is below the usual need, ranks keep fewer rows.
 * Errors: FAIL_CONFIG if run.memory is too low even so. Not collective. */
enum status memory_plan(struct memory_plan *out, const struct run_plan *plan, size_t ranks, struct error *err);

/* Bytes in MiB, rounded up. */
size_t memory_mebibytes(size_t nbytes);

#endif
