/* The measure of a graph by the float32 kernels of kernels/measure, beside graph_reference.h's double precision. */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_MEASURE_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_MEASURE_H

#include "kernels/measure/measure.h"
#include "tests/support/graph_case.h"

enum { GRAPH_MEASURE_GROUP = 8 /* slots at most */ };

/* A case planned, with images for all slots: that of slot 0 is the case's. Everything is owned but the case. */
struct graph_measure {
    const struct graph_case *c;
    struct measure_options options;
    struct measure_plan plan;
    struct measure_workspace work;
    float *forms;
    void *memory;
    double *planar[NETWORK_MAX_VARIABLES]; /* the sets of the condition, as graph_reference.h takes them */
    float *masks[NETWORK_MAX_VARIABLES];   /* and as measure.h does */
    float *inputs[GRAPH_MEASURE_GROUP];
};

/* What is computed of one slot, in planar order. */
struct graph_outcome {
    struct measure_result result;
    float *neurons[NETWORK_MAX_VARIABLES]; /* R, or R(j, B) under a condition */
    float *joint[NETWORK_MAX_EDGES];       /* [K][C], or [K] of diagonal links */
    double *to_bias[NETWORK_MAX_LINKS], *absorbed[NETWORK_MAX_LINKS];
};

/* Plan a case for a group of slots under a condition; GIVEN_SETS takes random sets of one to three variables. All flows
 * are on. */
void graph_measure_init(struct graph_measure *m, const struct graph_case *c, enum measure_given given, size_t group,
                        struct random *random);
void graph_measure_free(struct graph_measure *m);

/* Plan again after a change of the options. */
void graph_measure_plan(struct graph_measure *m);

/* The masks for graph_reference_condition; NULL without a condition. */
const double *const *graph_measure_masks(const struct graph_measure *m);

/* Measure the slots that are present, all if that is NULL. Outcomes [group] are for graph_outcomes_free. `image` gets
 * the arrays of every image, if options.images is on; NULL: nobody does. */
typedef void (*graph_measure_visitor)(void *context, size_t slot, const struct measure_image *image);

void graph_measure_run(struct graph_outcome *outcomes, struct graph_measure *m, const bool *present,
                       graph_measure_visitor image, void *context);
void graph_outcomes_free(struct graph_outcome *outcomes, const struct graph_measure *m);

/* Entries of an edge's flow. */
size_t graph_measure_entries(const struct network *net, size_t edge);

#endif
