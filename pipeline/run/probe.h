/* A probe: a run over some images of a configuration that writes no store.
 *
 * Images are computed in the blocks and groups of a run, so their numbers have the same bits. Statistics and flows are
 * left out, and so is the condition of the configuration.
 */
#ifndef NRMFLOW_PIPELINE_RUN_PROBE_H
#define NRMFLOW_PIPELINE_RUN_PROBE_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/config/load.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/work.h"
#include "pipeline/util/log.h"

struct probe_options {
    struct config_source source;
    struct range images; /* replaces data.images; end 0: not given */
    const char *query;   /* the expression to compute; NULL: none */
    size_t block;        /* images in a block; 0: the configuration's */
    bool given;          /* keep the configuration's condition */
};

struct probe_image {
    enum store_status status;
    int predicted, target, label; /* -1: unknown, or not measured */
    double logit;                 /* NaN where the image was not measured */
    double value, given;          /* of the query; NaN unless the image is OK */
};

/* Which images to compute; all without a function. */
struct probe_choice {
    void *context;
    bool (*has)(void *context, size_t first, size_t end); /* any of images first .. end - 1, a block */
};

struct probe {
    struct config config;
    struct run_plan plan;
    struct run_work work;
    size_t first, count;        /* of the dataset's images */
    struct probe_choice choice; /* set before probe_run; images of blocks that are not chosen stay all zero */
    struct probe_image *images; /* [count], after probe_run on rank 0 */
};

/* The configuration of a probe, for those that compute the images themselves.
 *
 *   out  out  to be freed with config_free, also after a failure
 * Errors, the same on all ranks: as config_load. Collective. */
enum status probe_config(struct config *out, const struct probe_options *options, const struct node *node,
                         struct error *err);

/* Load model and dataset, and plan the query.
 *
 *   out  out  caller frees with probe_end on all ranks, also after a failure
 * Errors, the same on all ranks: as run_store. Collective. */
enum status probe_begin(struct probe *out, const struct probe_options *options, const struct node *node,
                        struct log *log, struct error *err);

/* The model; the query, if there is one. Borrowed. */
const struct model *probe_model(const struct probe *probe);
const struct query *probe_query(const struct probe *probe);

/* Name of a class, on rank 0; "" if there is no such class. */
const char *probe_class(const struct probe *probe, int class);

/* Is called on all ranks when each has computed a block: rank r block `lead` + r, if there is one. Collective; fails
 * with the same status on all ranks or on none. */
struct probe_round {
    void *context;
    enum status (*end)(void *context, size_t lead, struct error *err);
};

/* Compute the images. The watcher is called with those that are OK, on the rank that computes them; in order if there
 * is one rank. Without a function in `round`, ranks do not wait for each other.
 * Errors, the same on all ranks: as block_compute, and those of the round. Collective. */
enum status probe_run(struct probe *probe, struct block_watcher watcher, struct probe_round round, struct error *err);

/* All zero is fine. Collective. */
void probe_end(struct probe *probe);

#endif
