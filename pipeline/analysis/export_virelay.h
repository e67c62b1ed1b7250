/* `nrmflow export virelay`: a store, and the relevance of every pixel of its images, as files that ViRelAy opens.
 *
 * A store has the relevance of channels; that of pixels is computed again, by the configuration of the store's run, and
 * compared with the store's ledger. Analyses are of a layer's channel relevance, which the store must have for every image
 * (store.per_image), class by class: principal components, spectral embedding, and k-means clusters of the latter.
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_EXPORT_VIRELAY_H
#define NRMFLOW_PIPELINE_ANALYSIS_EXPORT_VIRELAY_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXPORT_LEAST_IMAGES = 16, /* of a class that is analysed */
    EXPORT_DIMENSIONS = 8,    /* of an embedding, or as many as the layer has channels */
    EXPORT_LEAST_CLUSTERS = 2,
    EXPORT_MOST_CLUSTERS = 8
};

struct export_options {
    const char *store, *config, *folder; /* paths */
    const char *const *layers; /* [nlayers] to analyse; none: the highest convolution that the store has rows of */
    size_t nlayers;
    const char *const *sets; /* [nsets] "section.key=value" */
    size_t nsets;
};

struct export_analysis {
    char layer[64];
    size_t categories, small; /* classes in it; classes with too few images */
};

struct export_result {
    size_t images, ok; /* rows of the store; those with relevance */
    size_t nanalyses;
    struct export_analysis *analyses; /* [nanalyses] owned; on rank 0 */
};

/* Write the files.
 *
 *   out  out  to be freed with export_free, also after a failure
 * Errors, the same on all ranks: as probe_begin and probe_run; FAIL_CONFIG if the store lacks rows, or the configuration is
 * another run's; FAIL_MISMATCH if what is computed is not what the store has. Collective. */
enum status export_virelay(struct export_result *out, const struct export_options *options, const struct node *node,
                           struct log *log, struct error *err);

void export_free(struct export_result *result);

#endif
