#include "io/image/image.h"

#include <assert.h>

/* One direction of the result: `count` pixels of the image from pixel `source` on, with black before and after. */
struct span {
    size_t size, first, count, source;
};

/* torchvision: the short side becomes p->resize, the long one int(resize * long / short). */
static enum status resize(const struct image **out, struct image_scratch *scratch, const struct image *in,
                          const struct preprocessing *p, struct error *err)
{
    size_t resized = p->resize, shorter = in->width < in->height ? in->width : in->height;
    size_t longer = in->width < in->height ? in->height : in->width;
    enum status rc;

    if (resized > IMAGE_MAX_SIDE)
        return error_set(err, FAIL_LIMIT, "a short side of %zu pixels is too large (at most %d)", resized,
                         IMAGE_MAX_SIDE);
    size_t scaled = (size_t)((double)(resized * longer) / (double)shorter);
    bool wide = in->width > in->height;
    TRY(image_resize(&scratch->resized, scratch, in, wide ? scaled : resized, wide ? resized : scaled, p->filter, err));
    *out = &scratch->resized;
done:
    return rc;
}

/* torchvision's CenterCrop in one direction. A smaller image gets (crop - n) // 2 pixels in front; a larger one is cut
 * from pixel round((n - crop) / 2) on, with halves rounded to even. The padding surrounds the result. */
static struct span frame(size_t n, size_t crop, size_t pad)
{
    struct span s = {.size = n, .count = n};

    if (crop > n) {
        s = (struct span){.size = crop, .first = (crop - n) / 2, .count = n};
    } else if (crop > 0) {
        size_t half = (n - crop) / 2;
        s = (struct span){.size = crop, .count = crop, .source = half + (n - crop) % 2 * (half % 2)};
    }
    s.size += 2 * pad;
    s.first += pad;
    return s;
}

static enum status check_shape(const struct image *in, size_t width, size_t height, const struct preprocessing *p,
                               struct error *err)
{
    if (in->channels != p->channels)
        return error_set(err, FAIL_MISMATCH, "the image has %zu channels, but the network reads %zu", in->channels,
                         p->channels);
    if (width != p->width || height != p->height)
        return error_set(err, FAIL_MISMATCH,
                         "an image of %zu x %zu pixels (width x height) becomes %zu x %zu, but the network reads %zu "
                         "x %zu; set data.resize (%zu), data.crop (%zu) and data.pad (%zu)",
                         in->width, in->height, width, height, p->width, p->height, p->resize, p->crop, p->pad);
    return OK;
}

/* Write one channel; values[v] is the value of byte v. */
static void write_channel(float *out, const struct image *in, size_t channel, struct span x, struct span y,
                          const float values[256])
{
    for (size_t i = 0; i < x.size * y.size; i++)
        out[i] = values[0];
    for (size_t v = 0; v < y.count; v++) {
        const unsigned char *from = in->pixels + ((y.source + v) * in->width + x.source) * in->channels + channel;
        float *to = out + (y.first + v) * x.size + x.first;
        for (size_t u = 0; u < x.count; u++)
            to[u] = values[from[u * in->channels]];
    }
}

enum status image_preprocess(float *out, struct image_scratch *scratch, const struct image *in,
                             const struct preprocessing *p, struct error *err)
{
    const struct image *image = in;
    enum status rc = OK;

    assert(p->channels >= 1 && p->channels <= IMAGE_MAX_CHANNELS);
    if (p->crop > IMAGE_MAX_SIDE || p->pad > IMAGE_MAX_SIDE)
        return error_set(err, FAIL_LIMIT, "a crop of %zu or a pad of %zu pixels is too large (at most %d)", p->crop,
                         p->pad, IMAGE_MAX_SIDE);
    if (p->resize)
        TRY(resize(&image, scratch, in, p, err));
    struct span x = frame(image->width, p->crop, p->pad), y = frame(image->height, p->crop, p->pad);
    TRY(check_shape(in, x.size, y.size, p, err));
    for (size_t c = 0; c < p->channels; c++) {
        float values[256];
        for (size_t v = 0; v < 256; v++)
            values[v] = ((float)v / p->divisor - p->mean[c]) / p->std[c];
        write_channel(out + c * p->height * p->width, image, p->reversed ? p->channels - 1 - c : c, x, y, values);
    }
done:
    return rc;
}
