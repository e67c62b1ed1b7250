/* The answers of an evaluation in the order in which they were asked for, kept so that it can be stopped and go on: who
 * asks again from the beginning gets those that are known, without asking the network. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ANSWERS_RECORD_H
#define NRMFLOW_PIPELINE_EVALUATE_ANSWERS_RECORD_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/ablation/curve.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/stop.h"

#include <stddef.h>
#include <stdint.h>

/* Of one image. */
struct answers_row {
    double outcome[CURVE_OUTCOMES]; /* of the target, see curve.h; zeros unless it was read */
    int32_t predicted, target;
    int32_t read; /* 0: the image cannot be read */
};

struct answers_record {
    struct answers_row *rows; /* rank 0: [known] owned */
    size_t known, taken;      /* rows that there are, and of these taken so far; the same on all ranks */
    size_t capacity;
    struct stop *stop; /* borrowed */
    double epoch;      /* seconds between two saves */
    double saved;      /* log_seconds() of the last one, or of the start */

    /* Writes the record to a file; rank 0. */
    enum status (*save)(void *context, const struct answers_record *record, struct error *err);
    void *context;
};

/* Take the next n rows, as far as they are known, and return their number.
 *
 *   rows  out  [n] on rank 0; NULL elsewhere
 * Not collective, but the same on all ranks. A record of NULL knows nothing. */
size_t answers_record_take(struct answers_row *rows, struct answers_record *record, size_t n);

/* Whether the next n rows are all known. */
bool answers_record_has(const struct answers_record *record, size_t n);

/* Add rows after the last one; save if an epoch is over or a stop is requested.
 *
 *   rows  in  [n] on rank 0
 * Errors, the same on all ranks: FAIL_SYSTEM without memory; FAIL_RESOURCE, with record->stop->reason set, if it stops;
 * as `save`. Collective. */
enum status answers_record_add(struct answers_record *record, const struct answers_row *rows, size_t n,
                               const struct node *node, struct error *err);

/* The dataset state/answers. Rank 0. Errors: as store_write and store_read_real; FAIL_FORMAT for numbers that are no
 * answers of a network of so many classes. */
enum status answers_record_write(struct store *store, const struct answers_record *record, struct error *err);
enum status answers_record_read(struct answers_record *record, const struct store_reader *store, size_t nclasses,
                                struct error *err);

/* All ranks know what rank 0 has read. Collective. */
void answers_record_share(struct answers_record *record, const struct node *node);

/* All zero is fine. */
void answers_record_free(struct answers_record *record);

#endif
