/* A store in a few numbers, for `nrmflow info` and reports.
 *
 * Not collective; reads on the calling rank. Everything except the format attributes may be missing from a store.
 */
#ifndef NRMFLOW_PIPELINE_RESULTS_SUMMARY_H
#define NRMFLOW_PIPELINE_RESULTS_SUMMARY_H

#include "io/store/store.h"

/* One variable. The ledger is that of the plain measure, over the images with status ok. */
struct summary_layer {
    char name[STORE_NAME];
    size_t channels; /* 0 without statistics of the layer */
    uint64_t nbytes; /* of these statistics in the file */
    bool cut;        /* no connection jumps over it; true if the store does not say */
    double passes;   /* share of the condition's walks that pass it: sum of its channels' means */
    bool has_ledger; /* the members below are set */
    double mass, bypass, bias, absorbed, variation; /* means over the images */
    double gap;          /* max |mass + bypass + bias + absorbed - 1|; INFINITY if one is not finite */
    double relative_gap; /* the same, relative to the image's largest total variation of this layer and those above */
};

struct summary_flow {
    char name[STORE_NAME]; /* "conv4_3-conv5_1" */
    size_t upper, lower;   /* channels; lower is 0 for a diagonal one */
    bool diagonal;         /* one number for every upper channel */
    char method[16];       /* "exact", "sampled" or "" */
    uint64_t nbytes;       /* in the file */
};

struct summary_query {
    char name[STORE_NAME];
    char *expression; /* NULL if it is missing */
    double mean, std_error;
    bool weak; /* its condition, */
    double given_mean, given_error;
};

struct summary_stage {
    char name[STORE_NAME];
    double seconds;
};

/* An attribute of the root that describes the run. */
struct summary_attribute {
    const char *name; /* static */
    char *text;       /* NULL for an integer */
    int64_t integer;
};

enum { SUMMARY_MAX_ATTRIBUTES = 32 };

struct summary {
    uint64_t nbytes;       /* of the file */
    uint64_t images_bytes; /* of the per-image rows, and of the state of an unfinished run */
    uint64_t state_bytes;
    bool complete;
    size_t images, finished;         /* rows; finished rows */
    size_t by_status[STORE_NSTATUS]; /* of the finished ones */
    size_t failed;                   /* unread or unsupported */
    size_t labels;                   /* images with a label */
    size_t labelled, correct;        /* images with label and prediction; those where both agree */
    bool has_given, weak_condition;
    bool conditioned;              /* the run has a condition, as far as the store says */
    const char *condition_warning; /* a sentence without full stop if the composite and the condition mislead; static */
    double given_mean, given_error; /* of images/given_mass over the images with status ok, and its standard error */

    size_t nlayers, nflows, nqueries, nstages, nattributes;
    struct summary_layer *layers;  /* [nlayers] from the input to the logits */
    struct summary_flow *flows;    /* [nflows] in the order of the network */
    struct summary_query *queries; /* [nqueries] */
    struct summary_stage *stages;  /* [nstages] slowest first */
    struct summary_attribute attributes[SUMMARY_MAX_ATTRIBUTES];
    char *config;                /* NULL if there is none */
    char *evaluation, *verdicts; /* settings of an evaluation, and what it says in lines; NULL if it is none */
};

/* Read a summary.
 *
 *   out  out  caller frees with summary_free, also after a failure
 * Errors: as store_open_read and store_read_*. */
enum status summary_read(struct summary *out, const char *path, struct error *err);

void summary_free(struct summary *summary);

#endif
