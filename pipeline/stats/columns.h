/* Where the numbers of edges' flows belong in the flow of an adjacent pair (flows.h). An edge's flow is [K][C] of its
 * link's channels and those of the variable it reads, or [K] where the link is diagonal; the pair's is [K][C_lower] of
 * the variable that they come from, or [K]. Numbers of the same place add up. */
#ifndef NRMFLOW_PIPELINE_STATS_COLUMNS_H
#define NRMFLOW_PIPELINE_STATS_COLUMNS_H

#include "io/base/error.h"
#include "pipeline/stats/flows.h"

#include <stdint.h>

/* Column `from` of the edge's flow belongs to column `to` of the pair's; for a diagonal pair, number `from` of the
 * edge's to number `from` of the pair's, whose lower channel is `to`. */
struct columns_item {
    uint32_t edge, from, to;
};

struct columns {
    const struct network *net; /* borrowed */
    struct flows_adjacent pair;
    size_t upper, lower; /* channels */
    bool whole;          /* the pair's flow is that of one edge as it is */
    size_t count;
    struct columns_item *items; /* owned; by edge, then `from` */
};

/* Errors: FAIL_SYSTEM. Caller frees with columns_free, also after a failure. */
enum status columns_init(struct columns *out, const struct network *net, const struct flows_adjacent *pair,
                         struct error *err);

/* All zero is fine. */
void columns_free(struct columns *columns);

/* Row k of a pair's flow from those of its edges, joints[edge]; for a diagonal pair row 0 is all of it.
 *
 *   out  out  [lower], or [upper] for a diagonal pair */
void columns_row(double *out, const struct columns *columns, const float *const *joints, size_t k);

/* Lower channel of every upper channel of a diagonal pair; -1 where there is none. [upper] */
void columns_lower(int32_t *out, const struct columns *columns);

#endif
