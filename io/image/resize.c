#include "io/image/image.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A weight is at most 1.2, a sum of weighted bytes takes 8 more bits, and 2 bits are spare: 22 of 32 are left. */
    FRACTION_BITS = 32 - 8 - 2,
    HALF = 1 << (FRACTION_BITS - 1)
};

/* One direction: output i is the sum over k < lengths[i] of weights[i * stride + k] * input[starts[i] + k]. */
struct filter {
    const int *starts, *lengths, *weights;
    size_t stride;
};

void image_scratch_init(struct image_scratch *scratch)
{
    *scratch = (struct image_scratch){0};
}

void image_scratch_free(struct image_scratch *scratch)
{
    if (scratch) {
        image_free(&scratch->resized);
        image_free(&scratch->rows);
        free(scratch->weights);
        image_scratch_init(scratch);
    }
}

static double triangle(double x)
{
    return x <= -1.0 || x >= 1.0 ? 0.0 : 1.0 - fabs(x);
}

/* The order of operations is PIL's. */
static double cubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

/* The formula of each filter, and how far it reaches. */
static const struct kernel {
    double (*of)(double x);
    double support;
} kernels[] = {[IMAGE_BILINEAR] = {triangle, 1.0}, [IMAGE_BICUBIC] = {cubic, 2.0}};

static int to_fixed(double weight)
{
    return (int)((weight < 0.0 ? -0.5 : 0.5) + weight * (1 << FRACTION_BITS));
}

/* The window of output i: weights kernel((j + 0.5 - centre) / width), normalised to sum to one, then rounded half away
 * from zero. The order of operations in double is PIL's. */
static void fill_window(int *weights, int *start, int *length, double centre, double width, size_t n,
                        const struct kernel *kernel)
{
    double reach = kernel->support * width, first = centre - reach + 0.5, last = centre + reach + 0.5;
    double sum = 0.0, inverse = 1.0 / width;
    size_t from = first > 0.0 ? (size_t)first : 0, to = last < (double)n ? (size_t)last : n;

    for (size_t j = from; j < to; j++)
        sum += kernel->of(((double)j - centre + 0.5) * inverse);
    for (size_t j = from; j < to; j++) {
        double w = kernel->of(((double)j - centre + 0.5) * inverse);
        if (sum != 0.0)
            w /= sum;
        weights[j - from] = to_fixed(w);
    }
    *start = (int)from;
    *length = (int)(to - from);
}

static size_t window_limit(size_t from, size_t to, const struct kernel *kernel)
{
    double width = (double)from / (double)to;

    return 2 * (size_t)ceil(kernel->support * (width < 1.0 ? 1.0 : width)) + 1;
}

static size_t filter_ints(size_t from, size_t to, const struct kernel *kernel)
{
    return to * (window_limit(from, to, kernel) + 2);
}

static struct filter make_filter(int *memory, size_t from, size_t to, const struct kernel *kernel)
{
    double scale = (double)from / (double)to, width = scale < 1.0 ? 1.0 : scale;
    int *starts = memory, *lengths = memory + to, *weights = memory + 2 * to;
    size_t stride = window_limit(from, to, kernel);

    for (size_t i = 0; i < to; i++)
        fill_window(weights + i * stride, &starts[i], &lengths[i], ((double)i + 0.5) * scale, width, from, kernel);
    return (struct filter){starts, lengths, weights, stride};
}

static unsigned char to_byte(int sum)
{
    int value = sum >> FRACTION_BITS;

    return (unsigned char)(value > 255 ? 255 : value < 0 ? 0 : value);
}

/* Filter one row; inlined for each number of channels. */
static inline void horizontal_row(unsigned char *out, const unsigned char *in, size_t width, size_t channels,
                                  const struct filter *f)
{
    for (size_t x = 0; x < width; x++, out += channels) {
        const unsigned char *pixel = in + (size_t)f->starts[x] * channels;
        const int *weights = f->weights + x * f->stride;
        int sums[IMAGE_MAX_CHANNELS] = {HALF, HALF, HALF, HALF};
        for (int k = 0; k < f->lengths[x]; k++, pixel += channels)
            for (size_t c = 0; c < channels; c++)
                sums[c] += pixel[c] * weights[k];
        for (size_t c = 0; c < channels; c++)
            out[c] = to_byte(sums[c]);
    }
}

/* Rows first, first + 1, ... of the input become rows 0, 1, ... of the output; the others are not needed. */
static void horizontal(struct image *out, const struct image *in, size_t first, const struct filter *f)
{
    for (size_t y = 0; y < out->height; y++) {
        unsigned char *to = out->pixels + y * out->width * out->channels;
        const unsigned char *from = in->pixels + (first + y) * in->width * in->channels;
        if (in->channels == 3)
            horizontal_row(to, from, out->width, 3, f);
        else
            horizontal_row(to, from, out->width, in->channels, f);
    }
}

/* One output row from input rows `stride` bytes apart, in pieces whose sums stay in registers or in the cache. */
static void vertical_row(unsigned char *out, const unsigned char *in, size_t stride, const int *weights, int length)
{
    enum { PIECE = 64 };

    for (size_t i = 0; i < stride; i += PIECE) {
        size_t n = stride - i < PIECE ? stride - i : PIECE;
        int sums[PIECE];
        for (size_t j = 0; j < n; j++)
            sums[j] = HALF;
        for (int k = 0; k < length; k++)
            for (size_t j = 0; j < n; j++)
                sums[j] += in[(size_t)k * stride + i + j] * weights[k];
        for (size_t j = 0; j < n; j++)
            out[i + j] = to_byte(sums[j]);
    }
}

/* Row 0 of the input is row `first` of the filter. */
static void vertical(struct image *out, const struct image *in, size_t first, const struct filter *f)
{
    size_t stride = in->width * in->channels;

    for (size_t y = 0; y < out->height; y++)
        vertical_row(out->pixels + y * stride, in->pixels + ((size_t)f->starts[y] - first) * stride, stride,
                     f->weights + y * f->stride, f->lengths[y]);
}

static enum status reserve_weights(struct image_scratch *s, size_t n, struct error *err)
{
    if (n <= s->nweights)
        return OK;
    int *grown = realloc(s->weights, n * sizeof *grown);
    if (!grown)
        return error_set(err, FAIL_RESOURCE, "no memory for %zu filter weights", n);
    s->weights = grown;
    s->nweights = n;
    return OK;
}

static enum status copy(struct image *out, const struct image *in, struct error *err)
{
    enum status rc;

    TRY(image_reshape(out, in->width, in->height, in->channels, err));
    memcpy(out->pixels, in->pixels, in->width * in->height * in->channels);
done:
    return rc;
}

enum status image_resize(struct image *out, struct image_scratch *scratch, const struct image *in, size_t width,
                         size_t height, enum image_filter filter, struct error *err)
{
    const struct image *rows = in;
    const struct kernel *kernel = &kernels[filter];
    size_t first = 0, nx = filter_ints(in->width, width, kernel), ny = filter_ints(in->height, height, kernel);
    enum status rc;

    assert(out != in && out != &scratch->rows);
    if (width == in->width && height == in->height)
        return copy(out, in, err);
    TRY(image_reshape(out, width, height, in->channels, err));
    TRY(reserve_weights(scratch, nx + ny, err));
    struct filter fx = make_filter(scratch->weights, in->width, width, kernel);
    struct filter fy = make_filter(scratch->weights + nx, in->height, height, kernel);
    if (width != in->width) {
        size_t last = (size_t)fy.starts[height - 1] + (size_t)fy.lengths[height - 1];
        if (height != in->height)
            first = (size_t)fy.starts[0];
        else
            last = in->height;
        struct image *target = height != in->height ? &scratch->rows : out;
        TRY(image_reshape(target, width, last - first, in->channels, err));
        horizontal(target, in, first, &fx);
        rows = target;
    }
    if (height != in->height)
        vertical(out, rows, first, &fy);
done:
    return rc;
}
