/* What a run must know of its image files before it reads them: whether they are those of before, and how large they
 * are. Takes one open file and one read of its beginning for each image, and decodes nothing. */
#ifndef NRMFLOW_IO_DATASET_SURVEY_H
#define NRMFLOW_IO_DATASET_SURVEY_H

#include "io/dataset/dataset.h"

#include <stdint.h>

struct dataset_surveyed {
    int64_t nbytes, time; /* of the file that the image is in, and of its last change, ns since 1970; -1: it cannot be
                           * opened; 0: not known of its kind of dataset */
    size_t width, height; /* 0: not known, or no image that is decoded */
    size_t decode_bytes;  /* of memory that decoding takes, beside the encoded image */
    size_t encoded_bytes;
};

typedef void dataset_survey_take(void *context, size_t index, const struct dataset_surveyed *image);

/* Call take() for images first .. end - 1, in this order. A file that cannot be read is no failure. */
void dataset_survey(const struct dataset_listing *listing, size_t first, size_t end, dataset_survey_take *take,
                    void *context);

#endif
