#include "io/image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

enum {
    /* Deflate cannot expand more: a file whose header announces more pixels is truncated. */
    MAX_EXPANSION = 1032,
    SLACK = 4096
};

struct reader {
    png_structp codec;
    png_infop info;
    const unsigned char *next;
    size_t left;
    jmp_buf escape;
    char message[128];
};

static void on_error(png_structp codec, png_const_charp message)
{
    struct reader *r = png_get_error_ptr(codec);

    snprintf(r->message, sizeof r->message, "%s", message);
    longjmp(r->escape, 1);
}

static void on_warning(png_structp codec, png_const_charp message)
{
    (void)codec;
    (void)message;
}

static void on_read(png_structp codec, png_bytep bytes, size_t nbytes)
{
    struct reader *r = png_get_io_ptr(codec);

    if (nbytes > r->left)
        png_error(codec, "the file is truncated");
    memcpy(bytes, r->next, nbytes);
    r->next += nbytes;
    r->left -= nbytes;
}

/* Entries beyond the end of the file's palette are grey levels, as in PIL. */
static void copy_palette(struct reader *r, struct image_decoded *decoded)
{
    png_colorp colours = NULL;
    int ncolours = 0;

    png_get_PLTE(r->codec, r->info, &colours, &ncolours);
    for (int i = 0; i < 256; i++) {
        unsigned char *rgb = decoded->palette[i];
        if (i < ncolours) {
            rgb[0] = colours[i].red;
            rgb[1] = colours[i].green;
            rgb[2] = colours[i].blue;
        } else {
            memset(rgb, i, 3);
        }
    }
}

/* Request whole bytes and no other conversion: PIL ignores gamma, colour profiles and transparency. */
static void choose_layout(struct reader *r, struct image_decoded *decoded)
{
    static const enum image_layout layouts[] = {
        [PNG_COLOR_TYPE_GRAY] = IMAGE_GREY,       [PNG_COLOR_TYPE_RGB] = IMAGE_RGB,
        [PNG_COLOR_TYPE_PALETTE] = IMAGE_INDEXED, [PNG_COLOR_TYPE_GRAY_ALPHA] = IMAGE_GREY_ALPHA,
        [PNG_COLOR_TYPE_RGB_ALPHA] = IMAGE_RGBA,
    };

    int type = png_get_color_type(r->codec, r->info), depth = png_get_bit_depth(r->codec, r->info);

    decoded->layout = layouts[type];
    if (type == PNG_COLOR_TYPE_PALETTE) {
        copy_palette(r, decoded);
        png_set_packing(r->codec);
    } else if (type == PNG_COLOR_TYPE_GRAY && depth == 16) {
        decoded->layout = IMAGE_GREY_16;
    } else if (type == PNG_COLOR_TYPE_GRAY) {
        png_set_expand_gray_1_2_4_to_8(r->codec);
    } else {
        png_set_strip_16(r->codec);
    }
}

static enum status decode(struct reader *r, struct image *out, struct image_decoded *decoded, size_t nbytes,
                          struct error *err)
{
    enum status rc;

    png_set_error_fn(r->codec, r, on_error, on_warning);
    png_set_read_fn(r->codec, r, on_read);
    png_set_user_limits(r->codec, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_option(r->codec, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
    png_read_info(r->codec, r->info);
    size_t width = png_get_image_width(r->codec, r->info), height = png_get_image_height(r->codec, r->info);
    TRY(image_check_size(width, height, err));
    if (png_get_rowbytes(r->codec, r->info) * height / MAX_EXPANSION > nbytes + SLACK)
        return error_set(err, FAIL_FORMAT, "the PNG file is truncated: %zu bytes cannot hold %zu x %zu pixels", nbytes,
                         width, height);
    choose_layout(r, decoded);
    TRY(image_reshape_layout(out, width, height, decoded->layout, err));
    int npasses = png_set_interlace_handling(r->codec);
    png_read_update_info(r->codec, r->info);
    if (png_get_rowbytes(r->codec, r->info) != width * out->channels)
        return error_set(err, FAIL_FORMAT, "the PNG file has rows of an unexpected length");
    for (int pass = 0; pass < npasses; pass++)
        for (size_t y = 0; y < height; y++)
            png_read_row(r->codec, out->pixels + y * width * out->channels, NULL);
done:
    return rc;
}

static enum status guard(struct reader *r, struct image *out, struct image_decoded *decoded, size_t nbytes,
                         struct error *err)
{
    if (setjmp(r->escape))
        return error_set(err, FAIL_FORMAT, "the PNG file is damaged: %s", r->message);
    return decode(r, out, decoded, nbytes, err);
}

enum status image_png_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                             size_t nbytes, struct error *err)
{
    struct reader reader = {.next = bytes, .left = nbytes};
    enum status rc;

    reader.codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, on_warning);
    reader.info = reader.codec ? png_create_info_struct(reader.codec) : NULL;
    rc = reader.info ? guard(&reader, out, decoded, nbytes, err)
                     : error_set(err, FAIL_RESOURCE, "no memory for the PNG decoder");
    png_destroy_read_struct(&reader.codec, &reader.info, NULL);
    return rc;
}
