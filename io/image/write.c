#include "io/image/write.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

struct writer {
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr codec)
{
    struct writer *w = codec->client_data;

    codec->err->format_message(codec, w->message);
    longjmp(w->escape, 1);
}

/* Returns false, with w->message set, if libjpeg fails. */
static bool compress(struct writer *w, const struct image *image, int quality, FILE *file)
{
    w->codec.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = on_error;
    w->codec.client_data = w;
    if (setjmp(w->escape)) {
        jpeg_destroy_compress(&w->codec);
        return false;
    }
    jpeg_create_compress(&w->codec);
    w->codec.client_data = w;
    jpeg_stdio_dest(&w->codec, file);
    w->codec.image_width = (JDIMENSION)image->width;
    w->codec.image_height = (JDIMENSION)image->height;
    w->codec.input_components = (int)image->channels;
    w->codec.in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->codec);
    jpeg_set_quality(&w->codec, quality, TRUE);
    jpeg_start_compress(&w->codec, TRUE);
    for (size_t y = 0; y < image->height; y++) {
        JSAMPROW row = image->pixels + y * image->width * image->channels;
        jpeg_write_scanlines(&w->codec, &row, 1);
    }
    jpeg_finish_compress(&w->codec);
    jpeg_destroy_compress(&w->codec);
    return true;
}

enum status image_write_jpeg(const struct image *image, int quality, const char *path, struct error *err)
{
    struct writer writer = {0};
    FILE *file = fopen(path, "wb");

    if (!file)
        return error_system(err, "%s: cannot be written", path);
    bool written = compress(&writer, image, quality, file);
    bool closed = fclose(file) == 0;
    if (!written)
        return error_set(err, FAIL_SYSTEM, "%s: %s", path, writer.message);
    return closed ? OK : error_system(err, "%s: cannot be written", path);
}
