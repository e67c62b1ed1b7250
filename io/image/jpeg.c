#include "io/image/codec.h"

#include <jerror.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

enum {
    /* Progressive files may repeat scans without end; libjpeg's own documentation advises a limit. */
    MAX_SCANS = 500,
    /* A Huffman-coded block of 64 pixels takes at least one bit, and a component has at least 1/16 of the pixels. A
     * file whose header announces more pixels is truncated. Checked before memory is allocated. */
    MAX_PIXELS_A_BYTE = 64 * 8 * 16
};

struct reader {
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    enum status status;
    char message[JMSG_LENGTH_MAX];
};

static enum status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY:
        return FAIL_RESOURCE;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
        return FAIL_UNSUPPORTED;
    default:
        return FAIL_FORMAT;
    }
}

static void on_error(j_common_ptr codec)
{
    struct reader *r = codec->client_data;

    codec->err->format_message(codec, r->message);
    r->status = status_of(codec->err->msg_code);
    longjmp(r->escape, 1);
}

/* Damage that libjpeg conceals is no error, as in PIL. */
static void on_message(j_common_ptr codec, int level)
{
    (void)codec;
    (void)level;
}

static void on_progress(j_common_ptr codec)
{
    struct reader *r = codec->client_data;

    if (r->codec.input_scan_number > MAX_SCANS) {
        snprintf(r->message, sizeof r->message, "more than %d scans", MAX_SCANS);
        r->status = FAIL_LIMIT;
        longjmp(r->escape, 1);
    }
}

/* The source has all bytes from the start. When libjpeg needs more, the source suspends, and the call that cannot
 * finish returns; this distinguishes a truncated file from a damaged one. */
static void source_nothing(j_decompress_ptr codec)
{
    (void)codec;
}

static boolean source_more(j_decompress_ptr codec)
{
    (void)codec;
    return FALSE;
}

static void source_skip(j_decompress_ptr codec, long nbytes)
{
    struct jpeg_source_mgr *s = codec->src;
    size_t n = nbytes > 0 ? (size_t)nbytes : 0;

    if (n > s->bytes_in_buffer)
        n = s->bytes_in_buffer;
    s->next_input_byte += n;
    s->bytes_in_buffer -= n;
}

static void init_reader(struct reader *r, const unsigned char *bytes, size_t nbytes)
{
    memset(r, 0, sizeof *r);
    r->codec.err = jpeg_std_error(&r->errors);
    r->codec.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->progress.progress_monitor = on_progress;
    r->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = nbytes,
        .init_source = source_nothing,
        .fill_input_buffer = source_more,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
}

static enum status truncated(struct error *err)
{
    return error_set(err, FAIL_FORMAT, "the JPEG file is truncated");
}

/* Request the colour space that PIL requests. libjpeg itself guesses whether three components are YCbCr or RGB. */
static enum status choose_colours(struct reader *r, struct image_decoded *decoded, struct error *err)
{
    static const struct {
        int components;
        J_COLOR_SPACE space;
        enum image_layout layout;
    } spaces[] = {{1, JCS_GRAYSCALE, IMAGE_GREY}, {3, JCS_RGB, IMAGE_RGB}, {4, JCS_CMYK, IMAGE_CMYK}};

    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (spaces[i].components == r->codec.num_components) {
            r->codec.out_color_space = spaces[i].space;
            decoded->layout = spaces[i].layout;
            return OK;
        }
    return error_set(err, FAIL_UNSUPPORTED, "JPEG images of %d components are not read", r->codec.num_components);
}

static enum status decode(struct reader *r, struct image *out, struct image_decoded *decoded, size_t nbytes,
                          struct error *err)
{
    struct jpeg_decompress_struct *codec = &r->codec;
    enum status rc;

    jpeg_create_decompress(codec);
    codec->src = &r->source;
    codec->progress = &r->progress;
    if (jpeg_read_header(codec, TRUE) != JPEG_HEADER_OK)
        return truncated(err);
    TRY(choose_colours(r, decoded, err));
    TRY(image_check_size(codec->image_width, codec->image_height, err));
    if (!codec->arith_code && (uint64_t)codec->image_width * codec->image_height / MAX_PIXELS_A_BYTE > nbytes)
        return truncated(err);
    TRY(image_reshape_layout(out, codec->image_width, codec->image_height, decoded->layout, err));
    if (!jpeg_start_decompress(codec))
        return truncated(err);
    while (codec->output_scanline < codec->output_height) {
        JSAMPROW row = out->pixels + (size_t)codec->output_scanline * out->width * out->channels;
        if (jpeg_read_scanlines(codec, &row, 1) == 0)
            return truncated(err);
    }
done:
    return rc;
}

static enum status guard(struct reader *r, struct image *out, struct image_decoded *decoded, size_t nbytes,
                         struct error *err)
{
    if (setjmp(r->escape))
        return error_set(err, r->status, "the JPEG file is damaged: %s", r->message);
    return decode(r, out, decoded, nbytes, err);
}

enum status image_jpeg_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                              size_t nbytes, struct error *err)
{
    struct reader reader;
    enum status rc;

    init_reader(&reader, bytes, nbytes);
    rc = guard(&reader, out, decoded, nbytes, err);
    jpeg_destroy_decompress(&reader.codec);
    return rc;
}
