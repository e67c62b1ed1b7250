/* A run: images in, store out. */
#ifndef NRMFLOW_PIPELINE_RUN_RUN_H
#define NRMFLOW_PIPELINE_RUN_RUN_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/stop.h"
#include "pipeline/util/log.h"

struct run_options {
    const char *output; /* path of the store; part files are in <output>.parts until it is complete */
    bool restart;       /* delete an existing store */
    bool same_images;   /* continue although sizes or times of image files have changed */
    bool mixed;         /* continue an unfinished store of another machine or version (mpi/provenance.h) */
};

/* Compute the store that the configuration describes. An existing store must be of the same run: a complete one is
 * left as it is, an unfinished one is continued.
 *
 *   stop  started with stop_start; afterwards stop->reason is STOP_NONE, or why the run left an unfinished store
 * Errors, the same on all ranks: those of all stages; FAIL_LIMIT if more images failed than data.max_failed allows
 * (the store is complete even so). Collective. */
enum status run_store(const struct config *config, const struct run_options *options, struct stop *stop,
                      const struct node *node, struct log *log, struct error *err);

#endif
