/* Reading images in the background: a thread reads, decodes and preprocesses a rank's next images while the rank
 * computes.
 *
 * The thread does not call MPI. If it cannot be started, images are read when they are taken. The results are the same
 * either way. Not collective; only the thread that opened the reader may call these functions.
 */
#ifndef NRMFLOW_PIPELINE_RUN_READER_H
#define NRMFLOW_PIPELINE_RUN_READER_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "io/image/image.h"

/* The outcome of one image. */
struct reader_image {
    enum status rc;
    struct error why; /* if rc is not OK */
};

/* Images first .. end - 1. */
struct reader_batch {
    size_t first, end;
    struct reader_image *images; /* [end - first] */
    float *inputs;               /* [end - first][neurons of the input], [C][H][W] each; undefined for failed ones */
};

struct reader;

/* Open a dataset.
 *
 *   out       caller closes it with reader_close
 *   listing, preprocessing  borrowed until then
 *   capacity  images of the largest batch
 *   inputs    2 x capacity prepared images; borrowed
 * Errors: FAIL_RESOURCE without memory; as dataset_open. */
enum status reader_open(struct reader **out, const struct dataset_listing *listing,
                        const struct preprocessing *preprocessing, size_t capacity, float *inputs, struct error *err);

/* Images first .. end - 1: wait for them, or load them now. Valid until the next call. */
const struct reader_batch *reader_take(struct reader *reader, size_t first, size_t end);

/* Start to load the images that will probably be taken next. */
void reader_ahead(struct reader *reader, size_t first, size_t end);

/* Seconds spent on loading so far, in either thread. */
double reader_seconds(struct reader *reader);

/* NULL is fine. */
void reader_close(struct reader *reader);

#endif
