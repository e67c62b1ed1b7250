/* Decoding: the first bytes of a file determine its type. */
#include "io/base/fault.h"
#include "io/image/codec.h"

#include <assert.h>
#include <string.h>

struct type {
    const char *name;
    size_t offset, length;
    const char *magic;
    enum status (*decode)(struct image *, struct image_decoded *, const unsigned char *, size_t, struct error *);
};

static const struct type types[] = {
    {"JPEG", 0, 3, "\xff\xd8\xff", image_jpeg_decode},
    {"PNG", 0, 8, "\x89PNG\r\n\x1a\n", image_png_decode},
    {"GIF", 0, 4, "GIF8", NULL},
    {"BMP", 0, 2, "BM", NULL},
    {"TIFF", 0, 4, "II*\0", NULL},
    {"TIFF", 0, 4, "MM\0*", NULL},
    {"TIFF", 0, 4, "II+\0", NULL},
    {"TIFF", 0, 4, "MM\0+", NULL},
    {"WebP", 8, 4, "WEBP", image_webp_decode},
    {"PNM", 0, 2, "P1", NULL},
    {"PNM", 0, 2, "P2", NULL},
    {"PNM", 0, 2, "P3", NULL},
    {"PNM", 0, 2, "P4", NULL},
    {"PNM", 0, 2, "P5", NULL},
    {"PNM", 0, 2, "P6", NULL},
};

static const struct type *find_type(const unsigned char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct type *t = &types[i];
        if (nbytes >= t->offset + t->length && memcmp(bytes + t->offset, t->magic, t->length) == 0)
            return t;
    }
    return NULL;
}

enum status image_decode(struct image *out, const unsigned char *bytes, size_t nbytes, size_t channels,
                         struct error *err)
{
    struct image_decoded decoded = {0};
    const struct type *type = find_type(bytes, nbytes);
    enum status rc;

    assert(channels == 1 || channels == 3);
    if (fault_hit(FAULT_DECODE))
        return error_set(err, FAIL_FORMAT, "the image cannot be decoded, because NRMFLOW_FAULT is set");
    if (nbytes == 0)
        return error_set(err, FAIL_FORMAT, "the file is empty");
    if (!type)
        return error_set(err, FAIL_FORMAT,
                         "the file is not an image of a known type; JPEG, PNG and WebP images are read");
    if (!type->decode)
        return error_set(err, FAIL_UNSUPPORTED, "%s images are not read; convert them to PNG", type->name);
    TRY(type->decode(out, &decoded, bytes, nbytes, err));
    if (decoded.layout != (channels == 1 ? IMAGE_GREY : IMAGE_RGB))
        image_convert_layout(out, &decoded, channels);
done:
    return rc;
}
