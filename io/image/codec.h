/* What the decoders of the file types share; private to io/image/. */
#ifndef NRMFLOW_IO_IMAGE_CODEC_H
#define NRMFLOW_IO_IMAGE_CODEC_H

#include "io/image/image.h"

/* Layout of the bytes of one decoded pixel; the table of layouts is in image.c. */
enum image_layout {
    IMAGE_GREY,
    IMAGE_GREY_ALPHA,
    IMAGE_GREY_16, /* big-endian */
    IMAGE_RGB,
    IMAGE_RGBA,
    IMAGE_CMYK, /* Adobe's: 255 is no ink */
    IMAGE_INDEXED,
    IMAGE_LAYOUTS
};

struct image_decoded {
    enum image_layout layout;
    unsigned char palette[256][3]; /* IMAGE_INDEXED only */
};

/* FAIL_FORMAT for an empty image, FAIL_LIMIT for one above the limits. */
enum status image_check_size(size_t width, size_t height, struct error *err);

/* Set the shape of the image, with room for pixels of this layout and of any result; as image_reshape. */
enum status image_reshape_layout(struct image *image, size_t width, size_t height, enum image_layout layout,
                                 struct error *err);

/* Convert the pixels from the decoder's layout to 1 or 3 channels, as image_decode does. In place; there is room. */
void image_convert_layout(struct image *image, const struct image_decoded *decoded, size_t channels);

/* Decode without conversion; out->pixels are [H][W] in the layout's bytes. Errors as image_decode. */
enum status image_jpeg_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                              size_t nbytes, struct error *err);
enum status image_webp_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                              size_t nbytes, struct error *err);
enum status image_png_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                             size_t nbytes, struct error *err);

#endif
