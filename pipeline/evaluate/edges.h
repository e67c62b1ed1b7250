/* All edges of a network that can be cut, numbered through its links from the bottom up, and their scores.
 *
 * Edges are those of kernels/ablation/cut.h: pairs of channels of a convolution or a dense link. Adds, averages and
 * passes have no weights that a cut could leave out: what they hand on is cut where it was computed. Not collective.
 */
#ifndef NRMFLOW_PIPELINE_EVALUATE_EDGES_H
#define NRMFLOW_PIPELINE_EVALUATE_EDGES_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/ablation/cut.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edges_link {
    size_t link, first; /* number of its first edge */
    struct cut_edges edges;
};

struct edges {
    const struct network *net; /* borrowed */
    size_t count, nlinks;
    struct edges_link links[NETWORK_MAX_LINKS]; /* [nlinks] */
    size_t nwhole;                              /* links with weights that are left whole */
};

/* The edges of all links that a store has the flows of; the others are left whole. Errors: FAIL_CONFIG if it has
 * none. */
enum status edges_init(struct edges *edges, const struct network *net, const struct store_reader *reader,
                       const char *path, struct error *err);

/* What becomes of a flow over many images, whose signs may differ. */
enum edges_by {
    EDGES_BY_RMS,      /* root of the mean square over the images */
    EDGES_BY_ABSOLUTE, /* magnitude of the mean */
    EDGES_BY_MEAN,     /* the mean: edges that speak against the target come last */
    EDGES_BYS
};

/* "rms", "absolute", "mean" */
extern const char *const edges_by_names[EDGES_BYS];

/* A store to score by. */
struct edges_source {
    const struct store_reader *reader; /* borrowed */
    const char *path;                  /* for messages */
    enum edges_by by;
    size_t class_row; /* in the flows by class; SIZE_MAX: over all images */
    size_t images;    /* that the means are over */
};

/* Scores of all edges, [count]. Errors: FAIL_CONFIG if the store lacks a flow or a layer; as store_read_rows;
 * FAIL_SYSTEM without memory. */

/* The flow of the two channels. */
enum status edges_score_flow(double *score, const struct edges *edges, const struct edges_source *source,
                             struct error *err);

/* The product of the relevance of the two channels, of each over the images alone. Not of a class. */
enum status edges_score_product(double *score, const struct edges *edges, const struct edges_source *source,
                                struct error *err);

/* The score of one image's flow. */
double edges_value(enum edges_by by, double flow);

/* Divide the scores of each link by the sum of their magnitudes. */
void edges_make_unit(double *score, const struct edges *edges);

/* The sum of the magnitudes of an edge's weights. */
void edges_score_weight(double *score, const struct edges *edges, const float *model);

/* The same times the mean activation of the lower channel; whether the store has these, which early versions have not.
 */
bool edges_has_activations(const struct edges *edges, const struct store_reader *reader);
enum status edges_score_activation(double *score, const struct edges *edges, const struct edges_source *source,
                                   const float *model, struct error *err);

/* sample_uniform(seed, number of the edge in its link, link, 2^32 - 3). */
void edges_score_random(double *score, const struct edges *edges, uint64_t seed);

/* Set the weights of all edges that are not kept to zero.
 *
 *   model  out  the network's weights; other links are not touched
 *   from   in   the weights before
 *   keep   in   [count] 0 for edges to be cut */
void edges_cut(float *model, const float *from, const float *keep, const struct edges *edges);

#endif
