/* Images as PIL decodes them and torchvision prepares them.
 *
 * Pixels are 8-bit, [H][W][channels] without gaps, channels 1 (grey) or 3 (red, green, blue). Nothing here touches
 * files; functions are thread-safe on distinct objects.
 */
#ifndef NRMFLOW_IO_IMAGE_IMAGE_H
#define NRMFLOW_IO_IMAGE_IMAGE_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Larger images are refused before memory is allocated. The limits are PIL's on pixels and libpng's on a side. */
enum { IMAGE_MAX_PIXELS = 178956970, IMAGE_MAX_SIDE = 1000000, IMAGE_MAX_CHANNELS = 4 };

struct image {
    size_t width, height, channels;
    unsigned char *pixels; /* [H][W][channels]; owned, grows and is reused */
    size_t capacity;       /* bytes behind pixels */
};

void image_init(struct image *image);

/* Release the pixels; the image may be used again as after image_init. NULL is fine. */
void image_free(struct image *image);

/* Set the shape of the image; its pixels are then undefined.
 * Errors: FAIL_LIMIT above the limits, FAIL_SYSTEM without memory; the image is then unchanged. */
enum status image_reshape(struct image *image, size_t width, size_t height, size_t channels, struct error *err);

/* Decode a JPEG, PNG or WebP file in memory to the pixels of PIL's Image.open(..).convert("RGB") or convert("L").
 *
 *   out       the image; undefined on failure, but still to be freed or reused
 *   bytes     in  [nbytes] the file; its first bytes determine its type
 *   channels  3 for RGB, 1 for L
 *
 * Alpha is dropped, not composited; palettes are applied; 16-bit colour keeps its high byte; 16-bit grey is clipped at
 * 255 (PIL reads it as 32-bit integers); CMYK is inverted as Adobe writes it; EXIF rotation is ignored.
 * Errors: FAIL_FORMAT when empty, truncated, damaged or not an image; FAIL_UNSUPPORTED for other known types
 * (GIF, BMP, TIFF, animated WebP, PNM); FAIL_LIMIT when too large; FAIL_SYSTEM without memory. Damage inside JPEG data
 * that libjpeg conceals is no error, as in PIL. The message has no path. */
enum status image_decode(struct image *out, const unsigned char *bytes, size_t nbytes, size_t channels,
                         struct error *err);

/* The same conversions for an image in memory: grey to RGB repeats, RGB to grey is PIL's luma. In place. */
enum status image_convert(struct image *image, size_t channels, struct error *err);

/* Memory that image_resize and image_preprocess reuse between calls. */
struct image_scratch {
    struct image resized; /* after both passes */
    struct image rows;    /* after the horizontal pass */
    int *weights;         /* fixed-point filters of both directions, and the bounds of their windows */
    size_t nweights;
};

void image_scratch_init(struct image_scratch *scratch);
void image_scratch_free(struct image_scratch *scratch);

/* PIL's BILINEAR, a triangle, and BICUBIC, a cubic spline with a = -0.5. */
enum image_filter { IMAGE_BILINEAR, IMAGE_BICUBIC };

/* PIL's Image.resize(.., filter): a filter that is widened when shrinking, in 8-bit fixed point; bit-exact.
 *
 *   out     the resized image; must not be `in` nor belong to scratch.rows
 * Errors: FAIL_LIMIT above the limits, FAIL_SYSTEM without memory. */
enum status image_resize(struct image *out, struct image_scratch *scratch, const struct image *in, size_t width,
                         size_t height, enum image_filter filter, struct error *err);

/* How an image becomes the input of a network, in torchvision's order: Resize(resize), CenterCrop(crop),
 * Pad(pad), then (value / divisor - mean) / std in float32. */
struct preprocessing {
    size_t resize;                  /* length of the short side; 0: unchanged */
    enum image_filter filter;       /* of the resizing */
    size_t crop;                    /* side of the central square, black where the image is smaller; 0: no crop */
    size_t pad;                     /* black pixels added on each of the four sides */
    size_t channels, height, width; /* of the network's input; the image must have the same channels */
    bool reversed;                  /* the network reads blue, green, red */
    float divisor;                  /* 255, or 1 for networks that read 0 to 255 */
    float mean[IMAGE_MAX_CHANNELS]; /* in the network's order of channels and after the division */
    float std[IMAGE_MAX_CHANNELS];
};

/* Prepare one image; equal to torchvision on PIL images bit for bit.
 *
 *   out  [channels][height][width]
 *   in   the decoded image
 * Errors: FAIL_MISMATCH when the prepared image does not have the network's shape (the message has both shapes and
 * the keys to set); FAIL_LIMIT, FAIL_SYSTEM as image_resize. */
enum status image_preprocess(float *out, struct image_scratch *scratch, const struct image *in,
                             const struct preprocessing *p, struct error *err);

#endif
