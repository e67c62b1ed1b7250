/* Circuits of single images: of each image only the edges of its own highest flows are kept. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_OWN_H
#define NRMFLOW_PIPELINE_EVALUATE_OWN_H

#include "pipeline/evaluate/answers.h"
#include "pipeline/evaluate/edges.h"

enum { OWN_MOST = 16 };

struct own_options {
    size_t count; /* images to compute, at most those of the run */
    enum edges_by by;
    bool unit_layers;   /* as in circuit.h */
    const size_t *kept; /* [nkept] numbers of edges */
    size_t nkept;       /* at most OWN_MOST */
};

/* Keep different numbers of edges of the first images of a run, by the flows of the configuration's measure for the
 * class that the whole network predicts. Edges that lead to other classes only have no flow: that the image remains in
 * its class says little, p and margin say more.
 *
 *   rows    out     [nkept][images of the run] on rank 0, zero beyond `count`; NULL elsewhere
 *   edges   in      the same on all ranks
 *   record  in/out  as in answers_init
 * Errors, the same on all ranks: FAIL_SYSTEM without memory; as dataset_open and answers_compute. Collective. */
enum status own_circuits(struct answers_row *rows, const struct run_plan *plan, const struct edges *edges,
                         struct own_options options, struct answers_record *record, const struct node *node,
                         struct error *err);

#endif
