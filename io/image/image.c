#include "io/image/image.h"

#include "io/image/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES_A_PIXEL = 4 };

void image_init(struct image *image)
{
    *image = (struct image){0};
}

void image_free(struct image *image)
{
    if (image) {
        free(image->pixels);
        image_init(image);
    }
}

enum status image_check_size(size_t width, size_t height, struct error *err)
{
    if (width == 0 || height == 0)
        return error_set(err, FAIL_FORMAT, "the image is empty: %zu x %zu pixels", width, height);
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE || width > IMAGE_MAX_PIXELS / height)
        return error_set(err, FAIL_LIMIT, "an image of %zu x %zu pixels is too large (at most %d pixels, %d on a side)",
                         width, height, IMAGE_MAX_PIXELS, IMAGE_MAX_SIDE);
    return OK;
}

/* Keeps the existing pixels. */
static enum status reserve(struct image *image, size_t nbytes, struct error *err)
{
    if (nbytes <= image->capacity)
        return OK;
    unsigned char *grown = realloc(image->pixels, nbytes);
    if (!grown)
        return error_set(err, FAIL_RESOURCE, "no memory for an image of %zu bytes", nbytes);
    image->pixels = grown;
    image->capacity = nbytes;
    return OK;
}

enum status image_reshape(struct image *image, size_t width, size_t height, size_t channels, struct error *err)
{
    enum status rc;

    assert(channels >= 1 && channels <= MAX_BYTES_A_PIXEL);
    TRY(image_check_size(width, height, err));
    TRY(reserve(image, width * height * channels, err));
    image->width = width;
    image->height = height;
    image->channels = channels;
done:
    return rc;
}

/* ---- layouts: conversion of a pixel to red, green, blue as in PIL ---------------------------------------------- */

typedef const unsigned char palette_row[3];

static void from_grey(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette)
{
    (void)palette;
    rgb[0] = rgb[1] = rgb[2] = pixel[0];
}

/* PIL reads 16-bit grey as 32-bit integers, and clips those to a byte. */
static void from_grey_16(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette)
{
    (void)palette;
    rgb[0] = rgb[1] = rgb[2] = pixel[0] ? 255 : pixel[1];
}

static void from_rgb(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette)
{
    (void)palette;
    memcpy(rgb, pixel, 3);
}

/* k - round(c k / 255), where k is the light that the black ink lets through and c the amount of the coloured ink. */
static void from_cmyk(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette)
{
    unsigned k = pixel[3];

    (void)palette;
    for (size_t i = 0; i < 3; i++) {
        unsigned scaled = (255U - pixel[i]) * k + 128;
        rgb[i] = (unsigned char)(k - ((scaled + (scaled >> 8)) >> 8));
    }
}

static void from_index(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette)
{
    memcpy(rgb, palette[pixel[0]], 3);
}

static const struct {
    size_t nbytes; /* of a pixel */
    void (*to_rgb)(unsigned char rgb[3], const unsigned char *pixel, palette_row *palette);
} layouts[IMAGE_LAYOUTS] = {
    [IMAGE_GREY] = {1, from_grey},     [IMAGE_GREY_ALPHA] = {2, from_grey}, [IMAGE_GREY_16] = {2, from_grey_16},
    [IMAGE_RGB] = {3, from_rgb},       [IMAGE_RGBA] = {4, from_rgb},        [IMAGE_CMYK] = {4, from_cmyk},
    [IMAGE_INDEXED] = {1, from_index},
};

enum status image_reshape_layout(struct image *image, size_t width, size_t height, enum image_layout layout,
                                 struct error *err)
{
    enum status rc;

    TRY(image_check_size(width, height, err));
    TRY(reserve(image, width * height * MAX_BYTES_A_PIXEL, err));
    rc = image_reshape(image, width, height, layouts[layout].nbytes, err);
done:
    return rc;
}

/* ITU-R 601 luma with 16-bit coefficients, which leaves grey unchanged. */
static void store(unsigned char *pixel, const unsigned char rgb[3], size_t channels)
{
    if (channels == 1)
        *pixel = (unsigned char)((19595U * rgb[0] + 38470U * rgb[1] + 7471U * rgb[2] + 0x8000U) >> 16);
    else
        memcpy(pixel, rgb, 3);
}

/* Works from the front if the pixels shrink, from the back if they grow. */
void image_convert_layout(struct image *image, const struct image_decoded *decoded, size_t channels)
{
    size_t from = layouts[decoded->layout].nbytes, npixels = image->width * image->height;
    palette_row *palette = decoded->palette;

    for (size_t k = 0; k < npixels; k++) {
        size_t i = channels > from ? npixels - 1 - k : k;
        unsigned char rgb[3];
        layouts[decoded->layout].to_rgb(rgb, image->pixels + i * from, palette);
        store(image->pixels + i * channels, rgb, channels);
    }
    image->channels = channels;
}

enum status image_convert(struct image *image, size_t channels, struct error *err)
{
    enum status rc = OK;

    assert(channels == 1 || channels == 3);
    assert(image->channels == 1 || image->channels == 3);
    if (image->channels == channels)
        goto done;
    TRY(reserve(image, image->width * image->height * channels, err));
    image_convert_layout(image, &(struct image_decoded){.layout = image->channels == 1 ? IMAGE_GREY : IMAGE_RGB},
                         channels);
done:
    return rc;
}
