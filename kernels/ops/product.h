/* Small matrix products for the variants of ops.h: a result of up to ROWS x PANEL floats stays in registers. */
#ifndef NRMFLOW_KERNELS_OPS_PRODUCT_H
#define NRMFLOW_KERNELS_OPS_PRODUCT_H

#include "kernels/ops/vector.h"

enum {
    ROWS = 6,
    VECTORS = PANEL / LANES, /* of a panel, at most */
    WIDTH_2 = PANEL / 2 > OPS_LANES ? PANEL / 2 : OPS_LANES,
    FLOW_ROWS = 64 * OPS_FLOW_IMAGES /* of flows that are summed at a time, of all images together */
};

/* Where part i begins if n items are cut into `parts` parts of even size. */
INLINE size_t part_begin(size_t n, size_t parts, size_t i)
{
    return n * i / parts;
}

/* ---- to = from panel --------------------------------------------------------------------------------------------- */

/* What the innermost loop prefetches: `lines` cache lines of the next panel for each block of the depth, and the
 * caller's ranges. */
struct prefetch {
    const float *next;
    size_t lines;
    struct ops_prefetch_cursor *cursor;
};

/* Prefetch the lines of one step. */
INLINE void prefetch_step(struct ops_prefetch_cursor *cursor)
{
    for (size_t i = 0; i < cursor->each && cursor->range < cursor->count; i++) {
        const struct ops_prefetch_range *range = &cursor->ranges[cursor->range];
        __builtin_prefetch(range->from + cursor->time * range->stride + cursor->line * 16, 0, 2);
        if (++cursor->line < range->lines)
            continue;
        cursor->line = 0;
        if (++cursor->time < range->times)
            continue;
        cursor->time = 0;
        cursor->range++;
    }
}

/* to[i][o] = sum[i][o] */
INLINE void store_sums(float *to, vec (*sum)[VECTORS], size_t stride, const size_t rows, const size_t vectors)
{
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < vectors; j++) {
        size_t lane = j * LANES, block = lane / OPS_LANES * stride * OPS_LANES + lane % OPS_LANES;
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < rows; i++)
            store(to + block + i * OPS_LANES, sum[i][j]);
    }
}

/* sum[i][o] = to[i][o] */
INLINE void load_sums(vec (*sum)[VECTORS], const float *to, size_t stride, const size_t rows, const size_t vectors)
{
#pragma GCC unroll UNROLL
    for (size_t j = 0; j < vectors; j++) {
        size_t lane = j * LANES, block = lane / OPS_LANES * stride * OPS_LANES + lane % OPS_LANES;
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < rows; i++)
            sum[i][j] = load(to + block + i * OPS_LANES);
    }
}

INLINE void product_rows(float *to, const float *from, const float *panel, const struct ops_product *s,
                         struct prefetch prefetch, const size_t rows, const size_t vectors)
{
    vec sum[ROWS][VECTORS];
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = zeros();
    if (s->add)
        load_sums(sum, to, s->to_stride, rows, vectors);
    for (size_t d = 0; d < s->depth; d += OPS_LANES, from += s->from_stride * OPS_LANES) {
        for (size_t l = 0; l < prefetch.lines; l++, prefetch.next += 16)
            __builtin_prefetch(prefetch.next, 0, 2);
        prefetch_step(prefetch.cursor);
#pragma GCC unroll UNROLL
        for (size_t c = 0; c < OPS_LANES; c++) {
            vec u[VECTORS];
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < vectors; j++)
                u[j] = load(panel + (c * vectors + j) * LANES);
#pragma GCC unroll UNROLL
            for (size_t i = 0; i < rows; i++) {
                const vec v = every_lane(from[i * OPS_LANES + c]);
#pragma GCC unroll UNROLL
                for (size_t j = 0; j < vectors; j++)
                    sum[i][j] = multiply_add(sum[i][j], v, u[j]);
            }
        }
        panel += OPS_LANES * vectors * LANES;
    }
    store_sums(to, sum, s->to_stride, rows, vectors);
}

INLINE void product_some_rows(float *to, const float *from, const float *panel, const struct ops_product *s,
                              struct prefetch prefetch, size_t rows, const size_t vectors)
{
    switch (rows) {
    case 1:
        product_rows(to, from, panel, s, prefetch, 1, vectors);
        break;
    case 2:
        product_rows(to, from, panel, s, prefetch, 2, vectors);
        break;
    case 3:
        product_rows(to, from, panel, s, prefetch, 3, vectors);
        break;
    case 4:
        product_rows(to, from, panel, s, prefetch, 4, vectors);
        break;
    case 5:
        product_rows(to, from, panel, s, prefetch, 5, vectors);
        break;
    default:
        product_rows(to, from, panel, s, prefetch, ROWS, vectors);
    }
}

/* One panel, its rows in groups of even size. Meanwhile the next panel is prefetched. */
INLINE void product_panel(float *to, const float *from, const float *panel, const struct ops_product *s,
                          const float *next, struct ops_prefetch_cursor *cursor, const size_t vectors)
{
    size_t groups = (s->rows + ROWS - 1) / ROWS, lines = vectors * LANES;
    size_t each = (lines + groups - 1) / groups;

    for (size_t g = 0; g < groups; g++) {
        size_t row = part_begin(s->rows, groups, g), rows = part_begin(s->rows, groups, g + 1) - row;
        struct prefetch prefetch = {next + g * each * s->depth, g * each < lines ? each : 0, cursor};
        product_some_rows(to + row * OPS_LANES, from + row * OPS_LANES, panel, s, prefetch, rows, vectors);
    }
}

INLINE void product_panels(float *to, const float *from, const float *panels, const struct ops_product *s,
                           struct ops_prefetch_cursor *cursor, const size_t vectors)
{
    const size_t width = vectors * LANES, depth = s->panel_depth ? s->panel_depth : s->depth;

    for (size_t o = 0; o < s->outputs; o += width) {
        bool last = o + width >= s->outputs;
        product_panel(to + o * s->to_stride, from, panels + o * depth, s,
                      last ? cursor->panel : panels + (o + width) * depth, cursor, vectors);
    }
}

static void product(float *to, const float *from, const float *panels, const struct ops_product *s,
                    struct ops_prefetch_cursor *cursor)
{
    if (s->width == PANEL)
        product_panels(to, from, panels, s, cursor, VECTORS);
    else if (s->width == WIDTH_2)
        product_panels(to, from, panels, s, cursor, WIDTH_2 / LANES);
    else
        product_panels(to, from, panels, s, cursor, OPS_LANES / LANES);
}

/* ---- joint += panel * (from' lower) ------------------------------------------------------------------------------ */

/* sums[d][o] += panel[d][o] sum_r from[r,d] lower[r,o] for `count` values of d and the width of one panel. Every row
 * prefetches some lines of the next point's panel. */
INLINE void flow_rows(float *sums, const float *from, const float *lower, const float *panel,
                      const struct ops_product *s, struct prefetch prefetch, const size_t count, const size_t vectors)
{
    vec sum[ROWS][VECTORS];
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < count; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = zeros();
    for (size_t r = 0; r < s->rows; r++, from += OPS_LANES, lower += OPS_LANES) {
        vec u[VECTORS];
        for (size_t l = 0; l < prefetch.lines; l++, prefetch.next += 16)
            __builtin_prefetch(prefetch.next, 0, 2);
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < vectors; j++) {
            size_t lane = j * LANES;
            u[j] = load(lower + lane / OPS_LANES * s->to_stride * OPS_LANES + lane % OPS_LANES);
        }
#pragma GCC unroll UNROLL
        for (size_t i = 0; i < count; i++) {
#pragma GCC unroll UNROLL
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] += from[i] * u[j];
        }
    }
#pragma GCC unroll UNROLL
    for (size_t i = 0; i < count; i++)
#pragma GCC unroll UNROLL
        for (size_t j = 0; j < vectors; j++) {
            size_t at = (i * vectors + j) * LANES;
            store(sums + at, load(sums + at) + sum[i][j] * load(panel + at));
        }
}

/* One block of OPS_LANES values of d. */
INLINE void flow_block(float *sums, const float *from, const float *lower, const float *panel,
                       const struct ops_product *s, struct prefetch prefetch, const size_t vectors)
{
    const size_t width = vectors * LANES, third = prefetch.lines * s->rows * 16;

    flow_rows(sums, from, lower, panel, s, prefetch, 6, vectors);
    prefetch.next += third;
    flow_rows(sums + 6 * width, from + 6, lower, panel + 6 * width, s, prefetch, 5, vectors);
    prefetch.next += third;
    flow_rows(sums + 11 * width, from + 11, lower, panel + 11 * width, s, prefetch, 5, vectors);
}

/* joint[d][o] += sums[d][o], without padding. */
INLINE void flow_add(float *joint, const float *sums, size_t depth, size_t count, size_t outputs, size_t width)
{
    for (size_t d = 0; d < depth; d++)
        for (size_t o = 0; o < count; o++)
            joint[d * outputs + o] += sums[d * width + o];
}

/* Part of the depth, one panel of outputs, one point: its weights serve all images, whose sums are separate. */
INLINE void flow_part(float *sums, const float *from, const float *lower, const float *panel, size_t depth,
                      const struct ops_flow *f, const struct ops_product *s, const size_t vectors)
{
    const size_t width = vectors * LANES, each = (width + 3 * s->rows - 1) / (3 * s->rows);

    for (size_t i = 0; i < f->images; i++)
        for (size_t b = 0; b < depth; b += OPS_LANES, sums += OPS_LANES * width) {
            struct prefetch prefetch = {panel + f->panels_plane + b * width, i == 0 ? each : 0, NULL};
            flow_block(sums, from + b * s->from_stride + i * s->rows * OPS_LANES, lower + i * s->rows * OPS_LANES,
                       panel + b * width, s, prefetch, vectors);
        }
}

/* One panel of outputs, from column `first` of the joint. */
INLINE void flow_panel(float *joint, const float *from, const float *lower, const float *panel, size_t first,
                       const struct ops_flow *f, const struct ops_product *s, const size_t vectors)
{
    const size_t width = vectors * LANES, most = FLOW_ROWS / f->images / OPS_LANES * OPS_LANES;
    const size_t whole = (f->inputs + OPS_LANES - 1) / OPS_LANES * OPS_LANES;
    size_t outputs = f->outputs - first < width ? f->outputs - first : width;
    float sums[FLOW_ROWS * PANEL];

    for (size_t d = 0; d < f->inputs; d += most) {
        size_t depth = whole - d < most ? whole - d : most, inputs = f->inputs - d < depth ? f->inputs - d : depth;
        for (size_t i = 0; i < f->images * depth * width; i++)
            sums[i] = 0;
        for (size_t xi = 0; xi < f->points; xi++)
            flow_part(sums, from + xi * f->from_plane + d * s->from_stride, lower + xi * f->lower_plane,
                      panel + xi * f->panels_plane + d * width, depth, f, s, vectors);
        for (size_t i = 0; i < f->images; i++)
            flow_add(joint + (i * f->inputs + d) * f->outputs + first, sums + i * depth * width, inputs, outputs,
                     f->outputs, width);
    }
}

INLINE void flow_panels(float *joint, const float *from, const float *lower, const float *panels,
                        const struct ops_flow *f, const struct ops_product *s, const size_t vectors)
{
    for (size_t o = 0; o < s->outputs && f->first + o < f->outputs; o += vectors * LANES)
        flow_panel(joint, from, lower + o * s->to_stride, panels + o * s->depth, f->first + o, f, s, vectors);
}

static void flow(float *joint, const float *from, const float *lower, const float *panels, const struct ops_flow *f,
                 const struct ops_product *s)
{
    if (s->width == PANEL)
        flow_panels(joint, from, lower, panels, f, s, VECTORS);
    else if (s->width == WIDTH_2)
        flow_panels(joint, from, lower, panels, f, s, WIDTH_2 / LANES);
    else
        flow_panels(joint, from, lower, panels, f, s, OPS_LANES / LANES);
}

#endif
