/* One rank's work on an image: read it, measure it, run the tests. Not collective but for init. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_WORK_H
#define NRMFLOW_PIPELINE_EVALUATE_WORK_H

#include "io/base/error.h"
#include "kernels/ablation/similarity.h"
#include "pipeline/evaluate/design.h"
#include "pipeline/evaluate/trials.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/reader.h"

/* What the measures of one target say, of orders below ORDER_MEASURED; NaN where a measure does not exist. */
struct evaluate_scores {
    double *channels[ORDER_MEASURED]; /* [all channels] */
    double *pixels[ORDER_MEASURED];   /* [neurons of the input] planar */
    double *edges[ORDER_MEASURED];    /* [edges of the links of `flows`] of the target only */
};

/* Members borrow from each other: it must not be moved. */
struct evaluate_work {
    const struct design *design;        /* borrowed */
    struct measure_plan plan, gradient; /* for one image: the configuration's, and composite zero */
    struct measure_plan plain;          /* the first without its condition, for flows */
    size_t edges,
        edge_first[NETWORK_MAX_VARIABLES]; /* in scores, by the variable that the link writes; SIZE_MAX: none */
    struct node_block gradient_forms;
    struct reader *reader;               /* owned */
    void *memory;                        /* owned: everything below */
    float *inputs;                       /* [2][neurons] of the reader */
    struct measure_workspace own, other; /* of the image, and of its other measures; the second is reused */
    struct measure_workspace other_gradient, other_plain;
    struct measure_result result, other_result;
    struct evaluate_scores predicted, second; /* of the target and of the runner-up */
    struct trials trials;
    struct similarity_work similarity;
    double *score, *values;  /* [most units] */
    size_t *order, *scratch; /* the same */
    float *planar;           /* [floats of the largest variable] */
    size_t *first, *source;  /* [variables] of trials_units */
    const float *means;      /* [all channels] mean activations; NULL: replace by zero. Borrowed, set by the caller */
    size_t reports;          /* failed images that are still logged */
    struct log *log;         /* borrowed */

    /* The current image: */
    size_t index;
    struct measure_image image;
    float base[CURVE_OUTCOMES]; /* nothing replaced */
};

/* Bytes of a rank's memory. */
size_t evaluate_work_bytes(const struct design *design);

/* Set up a rank. Errors, the same on all ranks: FAIL_SYSTEM; as reader_open. Collective. Caller frees it with
 * evaluate_work_free, also after a failure. */
enum status evaluate_work_init(struct evaluate_work *work, const struct design *design, const struct node *node,
                               struct log *log, struct error *err);

/* All zero is fine. Not collective. */
void evaluate_work_free(struct evaluate_work *work);

/* Begin to read the image that will be taken next. */
void evaluate_work_ahead(struct evaluate_work *work, size_t index);

/* Read image `index` and measure it. Fills the head of its row, and the rest with NaN. Returns FAIL_RESOURCE where
 * memory is short; a failed image is a status in its row. */
enum status evaluate_work_measure(struct evaluate_work *work, float *row, size_t index, struct error *err);

/* Mean activation of every channel of image `index`, [all channels]; false if the image cannot be read. Errors:
 * FAIL_RESOURCE. */
enum status evaluate_work_activations(struct evaluate_work *work, double *means, bool *ok, size_t index,
                                      struct error *err);

/* The scores of an order for the channels of variable k, [its channels], of the image that was measured last. NaN
 * where there are none. */
void evaluate_work_score(double *score, struct evaluate_work *work, enum order order, size_t k);

/* The same for the edges of the link that writes variable k, which a result of `flows` is about. */
void evaluate_work_score_edges(double *score, struct evaluate_work *work, enum order order, size_t k);

#endif
