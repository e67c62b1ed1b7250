/* Search for walks through channels by scores that only need the flow matrices of pairs.
 *
 * A walk through channels takes one channel c_0, c_1, ..., c_n of each of n + 1 layers, from the top down. The flow
 * matrices J_k[c_k, c_{k+1}] of consecutive layers do not determine its joint relevance, because they are sums over
 * positions (and images). They give two scores:
 *
 *   product     J_0[c_0, c_1] prod_{k>0} J_k[c_k, c_{k+1}] / V_k[c_k],   V_k[c] = max(|R_k(c)|, sum_c' |J_k[c, c']|)
 *               a heuristic: the joint relevance if walks continued below each channel independently of how they came
 *               to it. If nothing is negative, V is the channel's relevance R.
 *   bottleneck  min_k |J_k[c_k, c_{k+1}]|
 *               an upper bound of the joint relevance of a measure that is nowhere negative
 *
 * Neither score grows when a walk is extended, so keeping the best walks to every channel finds the best of all
 * exactly.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_WALK_SEARCH_H
#define NRMFLOW_PIPELINE_RESULTS_WALK_SEARCH_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { WALK_SEARCH_MOST_LAYERS = 32 };

enum walk_score { WALK_PRODUCT, WALK_BOTTLENECK };

/* One pair of consecutive layers; borrowed. */
struct walk_pair {
    size_t upper, lower;     /* channels */
    const double *joint;     /* [upper][lower] */
    const double *relevance; /* [upper] R of the upper channels */
};

/* A walk through channels. */
struct walk {
    size_t channels[WALK_SEARCH_MOST_LAYERS]; /* from the top down */
    double product, bottleneck;               /* both scores; the product has a sign */
};

struct walk_found {
    struct walk
        *walks; /* [most] the caller's; largest |score| first, among equals the lower channels, from the bottom up */
    size_t count;
    double others; /* upper bound of all other walks' |score|; zero if these are all walks of a score other than zero */
};

/* Find the walks of largest |score|, except those of score zero.
 *
 *   found  in/out  with walks set
 *   pairs  in      [npairs] from the top down; pairs[k].lower == pairs[k + 1].upper; 1 <= npairs <
 *                  WALK_SEARCH_MOST_LAYERS. Values that are not finite count as zero.
 * Errors: FAIL_SYSTEM without memory. Not collective. */
enum status walk_search(struct walk_found *found, const struct walk_pair *pairs, size_t npairs, enum walk_score score,
                        size_t most, struct error *err);

/* Both scores of a walk whose channels are set. */
void walk_search_score(struct walk *walk, const struct walk_pair *pairs, size_t npairs);

#endif
