/* An evaluation from beginning to end: plan, images, file. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_EVALUATE_H
#define NRMFLOW_PIPELINE_EVALUATE_EVALUATE_H

#include "io/base/error.h"
#include "pipeline/evaluate/gains.h"
#include "pipeline/run/probe.h"
#include "pipeline/run/stop.h"

struct evaluate_options {
    struct probe_options probe; /* source and images */
    struct design_options design;
    const char *output;
    bool restart;
};

/* Members borrow from each other: it must not be moved. */
struct evaluation {
    struct config config;
    struct run_plan run;
    struct design design;
    float *rows;        /* rank 0: [images][design.row] */
    struct gains gains; /* rank 0 */
    bool complete;
};

/* What an evaluation costs. */
struct evaluate_cost {
    size_t images, ranks, bytes; /* of memory, a rank */
    double flops;                /* of an image */
    double seconds;              /* of an image on the slowest rank, measured */
};

/* Compute an evaluation, or read a complete one that is there, and write its file.
 *
 *   out   out  to be freed with evaluate_free on all ranks, also after a failure
 *   stop  in   its `reason` says why the evaluation stopped early; the same options continue it
 * Errors, the same on all ranks: as run_plan_init, design_init, file_read, file_write. Collective. */
enum status evaluate_run(struct evaluation *out, const struct evaluate_options *options, struct stop *stop,
                         const struct node *node, struct log *log, struct error *err);

/* Plan it, and compute the first image on every rank to measure the time. Nothing is written. Errors as above.
 * Collective. */
enum status evaluate_dry(struct evaluation *out, struct evaluate_cost *cost, const struct evaluate_options *options,
                         const struct node *node, struct log *log, struct error *err);

/* All zero is fine. Collective. */
void evaluate_free(struct evaluation *evaluation);

#endif
