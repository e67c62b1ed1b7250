/* The exact joint relevance of a store's strongest walks, on the images of a configuration. Collective. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_WALK_RANKING_EXACT_H
#define NRMFLOW_PIPELINE_ANALYSIS_WALK_RANKING_EXACT_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/config/load.h"
#include "pipeline/mpi/node.h"
#include "pipeline/results/walk_ranking.h"
#include "pipeline/stats/queries.h"
#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>

struct walk_ranking_exact_options {
    const struct walk_ranking_options *search; /* of the store; borrowed */
    struct config_source source;
    struct range images; /* replaces data.images; end 0: not given */
};

/* The result, on rank 0. */
struct walk_ranking_verified {
    struct queries_mean *means; /* [nwalks] of the walks, relative to the store's condition; owned */
    size_t images;              /* over which the means are */
    bool nonnegative;           /* no rule has negative shares, so bottlenecks bound joint relevance */
    bool same_images;           /* the images are the store's: its flows are means over them */
};

/* Search a store, and compute the walks found.
 *
 * The condition and the class are the store's. With rules that have no negative shares, the walks of largest
 * bottleneck are among the candidates, and found->others bounds all other walks.
 *
 *   found     out  caller frees with walk_ranking_free, also after a failure
 *   verified  out  caller frees with walk_ranking_exact_free, also after a failure
 * Errors, the same on all ranks: as walk_ranking_search and run_store; FAIL_MISMATCH if the configuration's measure is
 * not the store's. Collective. */
enum status walk_ranking_exact(struct walk_ranking *found, struct walk_ranking_verified *verified,
                               const struct store_reader *reader, const char *path,
                               const struct walk_ranking_exact_options *options, const struct node *node,
                               struct log *log, struct error *err);

void walk_ranking_exact_free(struct walk_ranking_verified *verified);

#endif
