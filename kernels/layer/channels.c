#include "kernels/layer/channels.h"

#include "kernels/base/number.h"

#include <math.h>

enum { LANES = LAYOUT_LANES };

const struct channels_summary channels_nothing = {.largest = -INFINITY};

/* ---- planar maps and dense variables ----------------------------------------------------------------------------- */

static struct channels_summary summarise_plane(const float *restrict x, const float *restrict w, size_t n)
{
    struct channels_summary out = {.largest = -INFINITY};

    for (size_t first = 0; first < n; first += CHANNELS_CHUNK) {
        float sum = 0, absolute = 0;
        for (size_t i = first; i < smaller(n, first + CHANNELS_CHUNK); i++) {
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

static struct channels_ledger sum_plane(const float *r, const float *c, const float *other, size_t n)
{
    struct channels_ledger out = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        out.flow += (double)r[i] * (double)c[i];
        out.magnitude += (double)r[i] * fabs((double)c[i]);
        out.dead_mass += c[i] == 0 && other[i] == 0 ? (double)r[i] : 0;
    }
    return out;
}

/* ---- all layouts ------------------------------------------------------------------------------------------------- */

/* The block whose first channel this is. */
static struct ops_block block_of(struct layout layout, size_t channel)
{
    return (struct ops_block){.channels = smaller(LANES, layout.shape.channels - channel),
                              .height = layout.shape.height,
                              .width = layout.shape.width,
                              .row = layout.columns * LANES};
}

void channels_summarise(struct channels_summary *restrict out, const float *restrict x, const float *restrict w,
                        struct layout layout, const struct ops *ops)
{
    size_t positions = shape_positions(layout.shape);

    for (size_t c = 0; c < layout.shape.channels && layout.lanes != LANES; c++)
        out[c] = summarise_plane(x + c * positions, w ? w + c * positions : NULL, positions);
    for (size_t c = 0; c < layout.shape.channels && layout.lanes == LANES; c += LANES) {
        struct ops_block block = block_of(layout, c);
        size_t at = layout_index(layout, c, 0, 0);
        for (size_t i = c; i < c + block.channels; i++)
            out[i] = channels_nothing;
        ops->channels_summary(out + c, x + at, w ? w + at : NULL, &block);
    }
}

void channels_ledger(struct channels_ledger *restrict out, const float *restrict r, const float *c, const float *other,
                     struct layout layout, const struct ops *ops)
{
    size_t positions = shape_positions(layout.shape);

    for (size_t k = 0; k < layout.shape.channels && layout.lanes != LANES; k++)
        out[k] = sum_plane(r + k * positions, c + k * positions, other + k * positions, positions);
    for (size_t k = 0; k < layout.shape.channels && layout.lanes == LANES; k += LANES) {
        struct ops_block block = block_of(layout, k);
        size_t at = layout_index(layout, k, 0, 0);
        for (size_t i = k; i < k + block.channels; i++)
            out[i] = (struct channels_ledger){0, 0, 0};
        ops->channels_ledger(out + k, r + at, c + at, other + at, &block);
    }
}
