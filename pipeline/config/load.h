/* The configuration of a command on all ranks: a file and the command line's changes to it. */
#ifndef NRMFLOW_PIPELINE_CONFIG_LOAD_H
#define NRMFLOW_PIPELINE_CONFIG_LOAD_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/node.h"

/* Read a configuration: rank 0 reads the file, all ranks parse the same text.
 *
 *   out   out  to be freed with config_free, also after a failure
 *   sets  in   [nsets] "section.key=value"
 * Errors, the same on all ranks: as config_read and config_parse. Collective. */
enum status config_load(struct config *out, const char *path, const char *const *sets, size_t nsets,
                        const struct node *node, struct error *err);

#endif
