/* `nrmflow export virelay`: a store, and the relevance of every pixel of its images, as files that ViRelAy opens.
 *
 * A store has the relevance of channels. The relevance of pixels is computed again with the configuration of the
 * store's run, and compared with the store's ledger. An analysis takes a layer's channel relevance, which the store
 * must have for every image (store.per_image), class by class: principal components, spectral embedding, k-means
 * clusters of the embedding.
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_EXPORT_VIRELAY_H
#define NRMFLOW_PIPELINE_ANALYSIS_EXPORT_VIRELAY_H

#include "io/base/error.h"
#include "pipeline/config/load.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXPORT_LEAST_IMAGES = 16, /* of a class: smaller classes are not analysed */
    EXPORT_DIMENSIONS = 8,    /* of an embedding, or the layer's channels if these are fewer */
    EXPORT_LEAST_CLUSTERS = 2,
    EXPORT_MOST_CLUSTERS = 8
};

struct export_options {
    const char *store, *folder; /* paths */
    struct config_source source;
    struct option_list layers; /* to analyse; none: the highest cut below the head with rows in the store */
};

struct export_analysis {
    char layer[64];
    size_t categories, small; /* classes analysed; classes with too few images */
};

struct export_result {
    size_t images, ok; /* rows of the store; those with relevance */
    size_t nanalyses;
    struct export_analysis *analyses; /* [nanalyses] owned; on rank 0 */
};

/* Write the files.
 *
 *   out  out  caller frees with export_free, also after a failure
 * Errors, the same on all ranks: as probe_begin and probe_run; FAIL_CONFIG if the store lacks rows; FAIL_MISMATCH
 * if the configuration is another run's, or the computed numbers are not the store's. Collective. */
enum status export_virelay(struct export_result *out, const struct export_options *options, const struct node *node,
                           struct log *log, struct error *err);

void export_free(struct export_result *result);

#endif
