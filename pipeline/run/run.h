/* A run: images in, store out. */
#ifndef NRMFLOW_PIPELINE_RUN_RUN_H
#define NRMFLOW_PIPELINE_RUN_RUN_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/stop.h"
#include "pipeline/util/log.h"

struct run_options {
    const char *output; /* path of the store; parts of it are kept in <output>.parts until it is whole */
    bool restart;       /* delete whatever store is there */
    bool mixed;         /* continue an unfinished store that another machine (mpi/provenance.h) began */
};

/* Compute the store that the configuration describes. A store that is there already must be of the same run; if it is
 * complete, nothing is done, and if not, the run goes on where it ended.
 *
 *   stop  started with stop_start; stop->reason says in the end whether and why an unfinished store was left
 * Errors, the same on all ranks: whatever the stages report; FAIL_LIMIT if more images failed than data.max_failed allows
 * (the store is written all the same). Collective. */
enum status run_store(const struct config *config, const struct run_options *options, struct stop *stop,
                      const struct node *node, struct log *log, struct error *err);

#endif
