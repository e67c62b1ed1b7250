/* The configuration of a command on all ranks: a file and the command line's changes to it. */
#ifndef NRMFLOW_PIPELINE_CONFIG_LOAD_H
#define NRMFLOW_PIPELINE_CONFIG_LOAD_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/option.h"

struct config_source {
    const char *path;        /* NULL: none, where a command allows that */
    struct option_list sets; /* "section.key=value", applied last */
};

/* Read a configuration: rank 0 reads the file, all ranks parse the same text.
 *
 *   out  out  to be freed with config_free, also after a failure
 * Errors, the same on all ranks: as config_read and config_parse. Collective. */
enum status config_load(struct config *out, const struct config_source *source, const struct node *node,
                        struct error *err);

#endif
