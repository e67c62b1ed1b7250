#include "io/image/probe.h"

#include <string.h>
#include <webp/decode.h>

enum { DECODED_BYTES = 4, LOSSLESS_BYTES = 4, COEFFICIENT_BYTES = 2 };

static size_t big_endian(const unsigned char *bytes, size_t n)
{
    size_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Bytes beside the pixels are added to decode_bytes. */
static bool found(struct image_probe *out, size_t width, size_t height, size_t more)
{
    bool good = width > 0 && height > 0 && width <= IMAGE_MAX_SIDE && height <= IMAGE_MAX_SIDE &&
                width <= IMAGE_MAX_PIXELS / height;

    *out = good ? (struct image_probe){width, height, width * height * DECODED_BYTES + more} : (struct image_probe){0};
    return true;
}

static bool probe_png(struct image_probe *out, const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 24 && found(out, big_endian(bytes + 16, 4), big_endian(bytes + 20, 4), 0);
}

/* A frame header: precision, height, width, and for each component its number, sampling factors and table. libjpeg
 * keeps all coefficients of a progressive file. */
static bool probe_frame(struct image_probe *out, unsigned char marker, const unsigned char *frame, size_t nbytes)
{
    bool progressive = (marker & 3) == 2;
    size_t height = nbytes >= 6 ? big_endian(frame + 1, 2) : 0, width = nbytes >= 6 ? big_endian(frame + 3, 2) : 0;
    size_t count = nbytes >= 6 ? frame[5] : 0, samples = 0, most = 1;

    for (size_t i = 0; i < count && 6 + 3 * i + 1 < nbytes; i++) {
        size_t factor = (size_t)(frame[6 + 3 * i + 1] >> 4) * (frame[6 + 3 * i + 1] & 15);
        most = factor > most ? factor : most;
        samples += factor;
    }
    return found(out, width, height, progressive ? width * height * samples / most * COEFFICIENT_BYTES : 0);
}

/* The segments up to the frame header: some hold a camera's whole preview image. */
static bool probe_jpeg(struct image_probe *out, const unsigned char *bytes, size_t nbytes)
{
    for (size_t at = 2; at + 4 <= nbytes;) {
        unsigned char marker = bytes[at + 1];
        size_t length = big_endian(bytes + at + 2, 2);
        bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;

        if (bytes[at] != 0xff)
            return found(out, 0, 0, 0); /* damaged */
        if (marker == 0xff) {
            at++;
            continue;
        }
        if (frame)
            return at + 2 + length <= nbytes && length >= 2 && probe_frame(out, marker, bytes + at + 4, length - 2);
        at += 2 + length;
    }
    return false;
}

static bool probe_webp(struct image_probe *out, const unsigned char *bytes, size_t nbytes)
{
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(bytes, nbytes, &features);

    if (code == VP8_STATUS_NOT_ENOUGH_DATA)
        return false;
    if (code != VP8_STATUS_OK)
        return found(out, 0, 0, 0);
    size_t width = (size_t)features.width, height = (size_t)features.height;
    return found(out, width, height, features.format == 2 || features.has_alpha ? width * height * LOSSLESS_BYTES : 0);
}

bool image_probe(struct image_probe *out, const unsigned char *bytes, size_t nbytes)
{
    static const struct {
        size_t offset, length;
        const char *magic;
        bool (*probe)(struct image_probe *, const unsigned char *, size_t);
    } types[] = {
        {0, 3, "\xff\xd8\xff", probe_jpeg}, {0, 8, "\x89PNG\r\n\x1a\n", probe_png}, {8, 4, "WEBP", probe_webp}};

    *out = (struct image_probe){0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (nbytes >= types[i].offset + types[i].length &&
            memcmp(bytes + types[i].offset, types[i].magic, types[i].length) == 0)
            return types[i].probe(out, bytes, nbytes);
    return true;
}
