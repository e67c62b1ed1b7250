/* The memory that a run needs on a node, planned before any work.
 *
 * Not in the plan is what decoding a single image of unusual size takes, four bytes a pixel.
 */
#ifndef NRMFLOW_PIPELINE_RUN_MEMORY_H
#define NRMFLOW_PIPELINE_RUN_MEMORY_H

#include "pipeline/run/internal.h"

#include <stddef.h>

/* Bytes. */
struct memory_plan {
    size_t ranks;   /* of this node */
    size_t work;    /* a rank's working memory, and what its libraries take */
    size_t rows;    /* most that a rank keeps of finished rows; an epoch ends before there are more */
    size_t shared;  /* once a node, or by every rank where it cannot be shared */
    size_t writing; /* world rank 0 besides, while it writes the store */
    size_t node;    /* all of it */
};

/* Plan the memory of a run whose model, listing and plan are there. Where run.memory allows less than is usual, fewer rows
 * are kept. Errors: FAIL_CONFIG if that is not enough. Not collective. */
enum status memory_plan(struct memory_plan *out, const struct run *run, struct error *err);

/* Bytes in MiB, rounded up. */
size_t memory_mebibytes(size_t nbytes);

#endif
