/* Pictures of heatmaps: the preprocessed image, and next to it the same image in grey under the map's colours. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_PICTURE_H
#define NRMFLOW_PIPELINE_ANALYSIS_PICTURE_H

#include "io/base/error.h"
#include "io/image/image.h"

/* A map of one image: one value for every position, whatever the channel. */
struct picture_map {
    const double *values; /* [height][width] */
    size_t height, width;
    double full; /* |value| of full colour, red above zero and blue below; 0 if all values are zero */
};

/* Draw one picture. A position of the map becomes a rectangle, by nearest-neighbour enlargement.
 *
 *   out    out  3 channels
 *   input  in   [channels][height][width] as image_preprocess makes it with `p`
 * Errors: FAIL_LIMIT, FAIL_SYSTEM as image_reshape. */
enum status picture_draw(struct image *out, const float *input, const struct preprocessing *p, struct picture_map map,
                         struct error *err);

#endif
