/* The exact joint relevance of walks that were found in a store, on the images of a configuration. Collective. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_WALK_RANKING_EXACT_H
#define NRMFLOW_PIPELINE_ANALYSIS_WALK_RANKING_EXACT_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/mpi/node.h"
#include "pipeline/results/walk_ranking.h"
#include "pipeline/stats/queries.h"
#include "pipeline/util/log.h"

#include <stdbool.h>
#include <stddef.h>

struct walk_ranking_exact_options {
    const struct walk_ranking_options *search; /* of the store; borrowed */

    const char *config;      /* path */
    const char *images;      /* a range, "0:100"; NULL: those of the configuration */
    const char *const *sets; /* [nsets] "section.key=value" */
    size_t nsets;
};

/* What was found out; on rank 0. */
struct walk_ranking_verified {
    struct queries_mean *means; /* [nwalks] of the walks, relative to the store's condition; owned */
    size_t images;              /* that count */
    bool nonnegative;           /* no rule hands down anything negative, so that bottlenecks bound joint relevance */
    bool same_images;           /* those of the store: its flows are means over the same images */
};

/* Search a store, and compute the walks that are found.
 *
 * The store's condition and class are those that count. With rules that hand down nothing negative, walks of largest
 * bottleneck are among the candidates, and found->others bounds all other walks.
 *
 *   found     out  for walk_ranking_free, also after a failure
 *   verified  out  for walk_ranking_exact_free, also after a failure
 * Errors, the same on all ranks: as walk_ranking_search and run_store; FAIL_CONFIG if the configuration is of another measure
 * than the store. Collective. */
enum status walk_ranking_exact(struct walk_ranking *found, struct walk_ranking_verified *verified,
                               const struct store_reader *reader, const char *path,
                               const struct walk_ranking_exact_options *options, const struct node *node,
                               struct log *log, struct error *err);

void walk_ranking_exact_free(struct walk_ranking_verified *verified);

#endif
