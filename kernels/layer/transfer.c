#include "kernels/layer/transfer.h"

#include <string.h>

/* Neurons `lanes` floats apart. */
struct row {
    size_t first, lanes;
};

static struct row row_at(struct layout layout, size_t channel, size_t y)
{
    return (struct row){layout_index(layout, channel, y, 0), layout.lanes};
}

static void move_row(float *restrict out, struct row to, const float *restrict x, struct row from, size_t n, float w,
                     bool accumulate)
{
    out += to.first;
    x += from.first;
    for (size_t i = 0; i < n; i++) {
        float v = w * x[i * from.lanes];
        out[i * to.lanes] = accumulate ? out[i * to.lanes] + v : v;
    }
}

static void move(float *restrict out, const float *restrict x, const struct transfer *t, float w, bool accumulate)
{
    for (size_t i = 0; i < t->count; i++)
        for (size_t y = 0; y < t->to.shape.height; y++)
            move_row(out, row_at(t->to, t->to_first + i * t->to_step, y), x,
                     row_at(t->from, t->from_first + i * t->from_step, y), t->to.shape.width, w, accumulate);
}

void transfer_channels(float *restrict out, const float *restrict x, const struct transfer *transfer, bool accumulate)
{
    move(out, x, transfer, 1, accumulate);
}

void transfer_all(float *restrict out, struct layout to, const float *restrict x, struct layout from, float w,
                  bool accumulate)
{
    struct transfer all = {.to = to, .from = from, .to_step = 1, .from_step = 1, .count = to.shape.channels};

    if (to.lanes != from.lanes || layout_bordered(to) != layout_bordered(from)) {
        if (!accumulate)
            memset(out, 0, layout_floats(to) * sizeof *out);
        move(out, x, &all, w, accumulate);
        return;
    }
    for (size_t i = 0; i < layout_floats(to); i++)
        out[i] = (accumulate ? out[i] : 0) + w * x[i];
}
