/* The walks through channels with the largest joint relevance, estimated from a store's flow matrices. Not collective;
 * reads on the calling rank. */
#ifndef NRMFLOW_PIPELINE_RESULTS_WALK_RANKING_H
#define NRMFLOW_PIPELINE_RESULTS_WALK_RANKING_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/results/walk_search.h"

#include <stdbool.h>
#include <stddef.h>

struct walk_ranking_options {
    const char *from, *to;  /* lowest and highest layer of the walks, which pass the cuts between; NULL: the first and
                               the last cut that is a convolution or an add */
    const char *layers;     /* instead: names of layers, separated by commas, in any order; NULL: from .. to */
    const char *class_name; /* walks of a class, by number or name; NULL: of all images */
    size_t candidates;      /* number of walks to find */
    bool bound;             /* the measure is nowhere negative: also find as many walks of largest bottleneck */
};

/* The walks found, in units of the store: relative to the mean mass of its condition. */
struct walk_ranking {
    size_t nlayers;
    char *layers[WALK_SEARCH_MOST_LAYERS];    /* from the top down; owned */
    size_t channels[WALK_SEARCH_MOST_LAYERS]; /* of every layer */
    size_t nwalks;
    struct walk *walks; /* [nwalks] largest |product| first; owned */
    double others;      /* with `bound`: upper bound of all other walks' joint relevance */
    bool sampled;       /* some flow was estimated by sampling, or lacks rows in some images */
    bool by_class;
    size_t class_number;
};

/* Search a store. Caller frees with walk_ranking_free, also after a failure.
 * Errors: FAIL_CONFIG (no such layer or class, or the flows between the layers were not computed; the message explains
 * what to run), FAIL_SYSTEM, else as store_read_*. */
enum status walk_ranking_search(struct walk_ranking *out, const struct store_reader *reader, const char *path,
                                const struct walk_ranking_options *options, struct error *err);

void walk_ranking_free(struct walk_ranking *ranking);

#endif
