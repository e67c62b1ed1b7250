#include "kernels/layer/mask.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static bool range_fits(struct mask_range range, size_t n)
{
    return range.end <= n || range.first >= range.end;
}

struct mask_box mask_everything(struct shape shape)
{
    return (struct mask_box){{0, shape.channels}, {0, shape.height}, {0, shape.width}};
}

bool mask_fits(struct mask_box box, struct shape shape)
{
    return range_fits(box.channels, shape.channels) && range_fits(box.rows, shape.height) &&
           range_fits(box.columns, shape.width);
}

static void fill_box(float *restrict mask, struct mask_box box, float value, struct layout layout)
{
    for (size_t c = box.channels.first; c < box.channels.end; c++)
        for (size_t y = box.rows.first; y < box.rows.end; y++)
            for (size_t x = box.columns.first; x < box.columns.end; x++)
                mask[layout_index(layout, c, y, x)] = value;
}

void mask_fill(float *restrict mask, const struct mask_box *boxes, size_t nboxes, bool complement, struct layout layout)
{
    memset(mask, 0, layout_floats(layout) * sizeof *mask);
    if (complement)
        fill_box(mask, mask_everything(layout.shape), 1, layout);
    for (size_t i = 0; i < nboxes; i++) {
        assert(mask_fits(boxes[i], layout.shape));
        fill_box(mask, boxes[i], complement ? 0 : 1, layout);
    }
}

void mask_apply(float *restrict x, const float *restrict mask, size_t n, struct layout layout)
{
    size_t floats = layout_floats(layout);

    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < floats; i++)
            x[s * floats + i] *= mask[i];
}

void mask_copy_channel(float *restrict out, const float *restrict x, size_t channel, struct layout layout)
{
    for (size_t row = 0; row < layout.shape.height; row++)
        for (size_t column = 0; column < layout.shape.width; column++) {
            size_t i = layout_index(layout, channel, row, column);
            out[i] = x ? x[i] : 1;
        }
}

void mask_channel_sums(double *restrict sums, float *restrict products, const float *restrict x,
                       const float *restrict w, bool absolute, struct layout layout)
{
    size_t floats = layout_floats(layout);

    if (!w && !absolute) {
        layout_channel_sums(sums, x, layout);
        return;
    }
    for (size_t i = 0; i < floats; i++)
        products[i] = w ? x[i] * w[i] : x[i];
    for (size_t i = 0; absolute && i < floats; i++)
        products[i] = fabsf(products[i]);
    layout_channel_sums(sums, products, layout);
}
