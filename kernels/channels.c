#include "channels.h"

#include <math.h>
#include <string.h>

enum { LANES = LAYOUT_LANES, QUAD = 4, CHUNK = 16 /* positions that are summed in float32 */ };

typedef float quad __attribute__((vector_size(QUAD * 4), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(QUAD * 4)));

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- planes of lanes --------------------------------------------------------------------------------------------- */

/* A row of a block: sums into out, largest values of the row. */
static void summarise_row(double *restrict value, double *restrict magnitude, float *restrict most,
                          const float *restrict x, const float *restrict w, size_t columns)
{
    for (size_t first = 0; first < columns; first += CHUNK) {
        size_t end = smaller(columns, first + CHUNK);
        float sum[LANES] = {0}, absolute[LANES] = {0};
        for (size_t i = first; i < end; i++)
            for (size_t l = 0; l < LANES; l++) {
                float v = w ? x[i * LANES + l] * w[i * LANES + l] : x[i * LANES + l];
                sum[l] += v;
                absolute[l] += fabsf(v);
                most[l] = v > most[l] ? v : most[l];
            }
        for (size_t l = 0; l < LANES; l++) {
            value[l] += (double)sum[l];
            magnitude[l] += (double)absolute[l];
        }
    }
}

static uint32_t find_in_row(const float *x, const float *w, size_t columns, float value)
{
    size_t i = 0;

    while (i + 1 < columns && !((w ? x[i * LANES] * w[i * LANES] : x[i * LANES]) == value))
        i++;
    return (uint32_t)i;
}

static void summarise_block(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                            struct layout layout, size_t block)
{
    size_t channels = smaller(LANES, layout.shape.channels - block * LANES);
    double value[LANES] = {0}, magnitude[LANES] = {0};
    float most[LANES];
    size_t row[LANES] = {0};

    for (size_t l = 0; l < LANES; l++)
        most[l] = -INFINITY;
    for (size_t y = 0; y < layout.shape.height; y++) {
        size_t at = layout_index(layout, block * LANES, y, 0);
        float before[LANES];
        memcpy(before, most, sizeof before);
        summarise_row(value, magnitude, most, x + at, w ? w + at : NULL, layout.shape.width);
        for (size_t l = 0; l < LANES; l++)
            row[l] = most[l] > before[l] ? y : row[l];
    }
    for (size_t l = 0; l < channels; l++) {
        size_t at = layout_index(layout, block * LANES + l, row[l], 0);
        uint32_t column = find_in_row(x + at, w ? w + at : NULL, layout.shape.width, most[l]);
        out[l] = (struct channels_summary){value[l], magnitude[l], most[l],
                                           (uint32_t)(row[l] * layout.shape.width) + column};
    }
}

/* A chunk of a row, QUAD of its lanes; in vectors that every processor has, of which compilers make worse by themselves. */
static void flow_chunk(double *restrict flow, double *restrict magnitude, double *restrict idle, const float *r,
                       const float *c, const float *other, size_t columns)
{
    quad sum = {0}, absolute = {0}, rest = {0};

    for (size_t i = 0; i < columns * LANES; i += LANES) {
        quad v = *(const quad *)(r + i), factor = *(const quad *)(c + i), second = *(const quad *)(other + i);
        bits magnitude_bits = (bits)factor & INT32_MAX, nowhere = (factor == 0) & (second == 0);
        sum += v * factor;
        absolute += v * (quad)magnitude_bits;
        rest += (quad)(nowhere & (bits)v);
    }
    for (size_t l = 0; l < QUAD; l++) {
        flow[l] += (double)sum[l];
        magnitude[l] += (double)absolute[l];
        idle[l] += (double)rest[l];
    }
}

static void flow_block(struct channels_flow *restrict out, const float *r, const float *c, const float *other,
                       struct layout layout, size_t block)
{
    size_t channels = smaller(LANES, layout.shape.channels - block * LANES), columns = layout.shape.width;
    double flow[LANES] = {0}, magnitude[LANES] = {0}, idle[LANES] = {0};

    for (size_t y = 0; y < layout.shape.height; y++)
        for (size_t first = 0; first < columns; first += CHUNK)
            for (size_t lane = 0; lane < LANES; lane += QUAD) {
                size_t at = layout_index(layout, block * LANES + lane, y, first);
                flow_chunk(flow + lane, magnitude + lane, idle + lane, r + at, c + at, other + at,
                           smaller(CHUNK, columns - first));
            }
    for (size_t l = 0; l < channels; l++)
        out[l] = (struct channels_flow){flow[l], magnitude[l], idle[l]};
}

/* ---- planar maps and dense variables ----------------------------------------------------------------------------- */

static struct channels_summary summarise_plane(const float *restrict x, const float *restrict w, size_t n)
{
    struct channels_summary out = {.largest = -INFINITY};

    for (size_t first = 0; first < n; first += CHUNK) {
        float sum = 0, absolute = 0;
        for (size_t i = first; i < smaller(n, first + CHUNK); i++) {
            float v = w ? x[i] * w[i] : x[i];
            sum += v;
            absolute += fabsf(v);
            if (v > out.largest) {
                out.largest = v;
                out.position = (uint32_t)i;
            }
        }
        out.value += (double)sum;
        out.magnitude += (double)absolute;
    }
    return out;
}

static struct channels_flow flow_plane(const float *r, const float *c, const float *other, size_t n)
{
    struct channels_flow out = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        out.flow += (double)r[i] * (double)c[i];
        out.magnitude += (double)r[i] * fabs((double)c[i]);
        out.idle += c[i] == 0 && other[i] == 0 ? (double)r[i] : 0;
    }
    return out;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

void channels_summarise(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                        struct layout layout)
{
    size_t positions = shape_positions(layout.shape);

    for (size_t c = 0; c < layout.shape.channels; c += layout.lanes)
        if (layout.lanes == LANES)
            summarise_block(out + c, x, w, layout, c / LANES);
        else
            out[c] = summarise_plane(x + c * positions, w ? w + c * positions : NULL, positions);
}

void channels_flow(struct channels_flow *restrict out, const float *restrict r, const float *c, const float *other,
                   struct layout layout)
{
    size_t positions = shape_positions(layout.shape);

    for (size_t k = 0; k < layout.shape.channels; k += layout.lanes)
        if (layout.lanes == LANES)
            flow_block(out + k, r, c, other, layout, k / LANES);
        else
            out[k] = flow_plane(r + k * positions, c + k * positions, other + k * positions, positions);
}
