/* The measure of a graph by its definition: all walks, one by one.
 *
 * A second writing of the rules in double precision, which shares nothing with kernels/layer/reference.c: r(i, e | j)
 * is computed for one upper neuron j and one lower neuron i along one edge e, and walks are products of it. For graphs
 * with few walks.
 */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_WALKS_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_WALKS_H

#include "tests/support/graph_case.h"

#include <stdint.h>

enum graph_end { GRAPH_INPUT, GRAPH_BIAS, GRAPH_ABSORBED };

/* One walk. Its neurons are in planar order, its edges numbers of the network. */
struct graph_walk {
    double measure;
    enum graph_end end;
    size_t last; /* the lowest variable that it passes; it ends there, or in the bias or the absorber of the link
                            that writes it */
    const int32_t *neurons; /* [variables]; -1 of those that it does not pass */
    const int32_t *edges;   /* [variables]: by which it leaves; -1 of `last` and of those that it does not pass */
};

/* All walks of a case. */
struct graph_walks {
    size_t n, variables;
    struct graph_walk *walks;
    int32_t *places;  /* of all walks: neurons and edges */
    double magnitude; /* sum of |measure| */
    double sum;       /* of the measure: one */
};

/* The number of walks of a case; none if its contrast is undefined; SIZE_MAX if they are more than `most`. */
size_t graph_walks_count(const struct graph_case *c, size_t most);

/* Find them. Ends the test if memory is short. */
void graph_walks_init(struct graph_walks *w, const struct graph_case *c);
void graph_walks_free(struct graph_walks *w);

#endif
