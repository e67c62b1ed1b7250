/* A run: images in, store out. */
#ifndef NRMFLOW_RUN_H
#define NRMFLOW_RUN_H

#include "config.h"
#include "error.h"
#include "log.h"
#include "node.h"

/* Compute the store that the configuration describes. A store that is there already must be of the same run; if it is
 * complete, nothing is done, and if not, the run goes on where it ended.
 *
 *   output   path of the store; parts of it are kept in <output>.parts until it is whole
 *   restart  replace whatever store is there
 *   stopped  out  the run was asked to stop and has left an unfinished store
 * Errors, the same on all ranks: whatever the stages report; FAIL_LIMIT if more images failed than data.max_failed allows
 * (the store is written all the same). Collective. */
enum status run_store(const struct config *config, const char *output, bool restart, bool *stopped,
                      const struct node *node, struct log *log, struct error *err);

#endif
