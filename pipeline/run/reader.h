/* Images of a rank, read, decoded and prepared ahead of their use by a thread, so that the rank does not wait for files.
 *
 * The thread does not call MPI. Without a thread to be had everything is read when it is taken. What comes out does not
 * depend on any of this. Not collective; all functions are for the thread that opened the reader.
 */
#ifndef NRMFLOW_PIPELINE_RUN_READER_H
#define NRMFLOW_PIPELINE_RUN_READER_H

#include "io/base/error.h"
#include "io/dataset/dataset.h"
#include "io/image/image.h"

/* What became of an image. */
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

/* Images first .. end - 1, which are waited for or loaded now. Valid until the next call. */
const struct reader_batch *reader_take(struct reader *reader, size_t first, size_t end);

/* Begin to load the images that will be taken next. They need not be. */
void reader_ahead(struct reader *reader, size_t first, size_t end);

/* Seconds that were spent on loading so far, in whichever thread. */
double reader_seconds(struct reader *reader);

/* NULL is fine. */
void reader_close(struct reader *reader);

#endif
