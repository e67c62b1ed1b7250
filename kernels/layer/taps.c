#include "kernels/layer/taps.h"

#include "kernels/base/number.h"
#include "kernels/layer/window.h"
#include "kernels/ops/factor.h"

#include <math.h>
#include <string.h>

enum {
    LANES = OPS_LANES,
    CHUNK = 4,                /* blocks of outputs computed together: whole panels */
    BAND = 128,               /* positions of a band, at most, unless a row is longer */
    BAND_FLOATS = 640 * 1024, /* of what a band gathers, unless a row is more */
    LEAST = 24,               /* positions that reuse the weights enough */
    DEPTH = 512,              /* of a product: panels that stay in the cache while the rows of a band pass */
    RANGES = 32               /* of memory that are prefetched for a band */
};

static size_t taps_of(const struct link *link)
{
    return link->window.height * link->window.width;
}

bool taps_pointwise(const struct link *link)
{
    struct window w = link->window;

    return taps_of(link) == 1 && w.down == 1 && w.across == 1 && w.top + w.left + w.bottom + w.right == 0 &&
           link->upper.height == link->lower.height && link->upper.width == link->lower.width;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* Upward, the weights of all taps' inputs; as adjoint, those of one tap's upper channels. */
static struct factor_panels panels_of(const struct link *link, bool adjoint, const struct ops *ops)
{
    size_t upper = padded(link->upper.channels), lower = padded(link->lower.channels);

    return adjoint ? factor_panels(ops, upper, lower)
                   : factor_panels(ops, taps_of(link) * factor_depth(ops, lower), upper);
}

/* The table whose factors are used: for downward products, those of flows. */
static const struct ops *ops_of(const struct ops *ops, bool adjoint)
{
    return adjoint ? factor_vectors(ops) : ops;
}

static struct taps downward(struct taps taps)
{
    taps.ops = ops_of(taps.ops, true);
    return taps;
}

size_t taps_weights_floats(const struct link *link, bool adjoint, const struct ops *ops)
{
    ops = ops_of(ops, adjoint);
    return (adjoint ? taps_of(link) : 1) * factor_panels_floats(ops, panels_of(link, adjoint, ops));
}

void taps_pack(float *packed, const float *w, enum taps_packed as, const struct ops *ops, const struct link *link)
{
    bool adjoint = as == TAPS_DOWN || as == TAPS_DOWN_MAGNITUDE;
    bool magnitude = as == TAPS_UP_MAGNITUDE || as == TAPS_DOWN_MAGNITUDE;

    ops = ops_of(ops, adjoint);

    struct factor_panels panels = panels_of(link, adjoint, ops);
    size_t taps = taps_of(link), lower = factor_depth(ops, link->lower.channels);
    size_t plane = factor_panels_floats(ops, panels);

    memset(packed, 0, taps_weights_floats(link, adjoint, ops) * sizeof *packed);
    for (size_t k = 0; k < link->upper.channels; k++)
        for (size_t c = 0; c < link->lower.channels; c++)
            for (size_t tap = 0; tap < taps; tap++, w++) {
                float value = magnitude ? fabsf(*w) : *w;
                if (adjoint)
                    factor_panels_put(packed + tap * plane, value, ops, panels, k, c);
                else
                    factor_panels_put(packed, value, ops, panels, tap * lower + c, k);
            }
}

/* ---- bands ------------------------------------------------------------------------------------------------------- */

/* A run of rows of the upper maps: of some whole images, or of one. Where an image is cut depends on no other image. */
struct band {
    size_t first, rows;   /* among those of all images */
    size_t most;          /* rows, of any band */
    size_t height, width; /* of a map */
    size_t stride;        /* positions from a block of channels to the next, as in factors */
};

static size_t most_positions(size_t depth)
{
    return smaller(BAND, larger(LEAST, BAND_FLOATS / depth));
}

/* Depth by which bands are cut: the same for all operations of a link. */
static size_t depth_of(const struct link *link)
{
    return larger(taps_of(link) * padded(link->lower.channels), padded(link->upper.channels));
}

/* Rows of whole images, or of parts of an image that are as equal as can be. */
static size_t band_rows(const struct link *link, size_t depth)
{
    size_t height = link->upper.height, most = larger(1, most_positions(depth) / link->upper.width);
    size_t parts = (height + most - 1) / most;

    return parts == 1 ? most / height * height : (height + parts - 1) / parts;
}

static struct band band_of(struct taps taps, size_t images)
{
    const struct link *link = taps.link;
    size_t height = link->upper.height, most = band_rows(link, depth_of(link)), rows = smaller(most, images * height);

    return (struct band){.rows = rows,
                         .most = most,
                         .height = height,
                         .width = link->upper.width,
                         .stride = factor_stride(taps.ops, rows * link->upper.width)};
}

static bool next_band(struct band *band, size_t images)
{
    band->first += band->rows;
    size_t left = images * band->height - band->first, of_image = band->height - band->first % band->height;
    band->rows = smaller(band->most, band->most < band->height ? smaller(left, of_image) : left);
    return band->rows > 0;
}

/* The piece that begins at row `row` of the band. */
static struct piece rows_from(const struct band *band, size_t row)
{
    size_t at = band->first + row, inside = at % band->height;

    return (struct piece){.image = at / band->height,
                          .row = inside,
                          .rows = smaller(band->height - inside, band->rows - row),
                          .first = row * band->width};
}

/* ---- gathering --------------------------------------------------------------------------------------------------- */

static struct window_span rows_of(const struct link *link, size_t tap)
{
    return window_span(window_down(link), tap / link->window.width);
}

static struct window_span columns_of(const struct link *link, size_t tap)
{
    return window_span(window_across(link), tap % link->window.width);
}

struct taps_target taps_target(const struct link *link, size_t tap, size_t row)
{
    struct window_span rows = rows_of(link, tap), columns = columns_of(link, tap);

    if (row < rows.first || row >= rows.end)
        return (struct taps_target){.count = 0};
    return (struct taps_target){rows.lower + (row - rows.first) * link->window.down, columns.lower, columns.first,
                                columns.end - columns.first};
}

/* Where a block of channels of a band goes, with the next block if it shares the factor's rows. */
struct target {
    float *to; /* row 0 */
    size_t block, stride;
    size_t next; /* of ops_gather */
};

/* For one tap of an array of this layout. */
static struct target target_of(float *v, size_t tap, size_t block, struct layout layout, const struct band *band,
                               const struct ops *ops)
{
    size_t blocks = padded(layout.shape.channels) / LANES, each = factor_depth(ops, layout.shape.channels) / LANES;
    bool two = factor_blocks(ops) > 1 && block + 1 < blocks;

    return (struct target){.to = v + factor_rows_at(ops, tap * each + block, band->stride),
                           .block = block,
                           .stride = band->stride,
                           .next = two ? layout.rows * layout.columns * LANES : 0};
}

/* Neighbouring positions of an array from float `at` on become rows from `row` on. */
static void gather_run(const struct target *target, size_t row, const struct taps_source *source, size_t image,
                       size_t at, size_t n, size_t step, const struct ops *ops)
{
    const float *x = source->x + image * source->x_stride + at;
    const float *factor = source->factor ? source->factor + image * source->factor_stride + at : NULL;
    struct ops_gather gather = {.step = step,
                                .scale = source->scale,
                                .magnitude = source->magnitude,
                                .part = target->stride * LANES,
                                .next = target->next};

    ops->factor_rows(target->to + row * LANES, x, factor, n, &gather);
}

/* Zero rows outside of the map. */
static void clear_run(const struct target *target, size_t row, size_t n, const struct ops *ops)
{
    factor_clear_rows(target->to + row * LANES, n, ops, target->stride);
}

/* One tap of one row of windows. */
static void gather_row(const struct target *target, size_t first, const struct taps_source *source, size_t image,
                       size_t tap, size_t row, struct taps taps)
{
    struct taps_target from = taps_target(taps.link, tap, row);
    size_t end = from.first + from.count, width = taps.link->upper.width;

    if (from.count == 0) {
        clear_run(target, first, width, taps.ops);
        return;
    }
    clear_run(target, first, from.first, taps.ops);
    gather_run(target, first + from.first, source, image,
               layout_index(taps.lower, target->block * LANES, from.row, from.column), from.count,
               taps.link->window.across, taps.ops);
    clear_run(target, first + end, width - end, taps.ops);
}

/* A tap of a block. */
static void gather_tap(const struct target *target, const struct taps_source *source, const struct band *band,
                       size_t tap, struct taps taps)
{
    bool whole = taps_pointwise(taps.link) && !layout_bordered(taps.lower);

    for (size_t row = 0; row < band->rows;) {
        struct piece piece = rows_from(band, row);
        if (whole)
            gather_run(target, piece.first, source, piece.image,
                       layout_index(taps.lower, target->block * LANES, piece.row, 0), piece.rows * band->width, 1,
                       taps.ops);
        for (size_t r = 0; r < piece.rows && !whole; r++)
            gather_row(target, piece.first + r * band->width, source, piece.image, tap, piece.row + r, taps);
        row += piece.rows;
    }
}

static void gather_lower(float *v, const struct taps_source *source, const struct band *band, struct taps taps)
{
    size_t blocks = padded(taps.link->lower.channels) / LANES;

    for (size_t tap = 0; tap < taps_of(taps.link); tap++)
        for (size_t block = 0; block < blocks; block += factor_blocks(taps.ops)) {
            struct target target = target_of(v, tap, block, taps.lower, band, taps.ops);
            gather_tap(&target, source, band, tap, taps);
        }
}

static void gather_upper(float *v, const struct taps_source *source, const struct band *band, struct taps taps)
{
    size_t blocks = padded(taps.link->upper.channels) / LANES;

    for (size_t block = 0; block < blocks; block += factor_blocks(taps.ops)) {
        struct target target = target_of(v, 0, block, taps.upper, band, taps.ops);
        for (size_t row = 0; row < band->rows;) {
            struct piece piece = rows_from(band, row);
            size_t step = piece_adjacent(taps.upper, piece.rows);
            for (size_t r = 0; r < piece.rows; r += step)
                gather_run(&target, piece.first + r * band->width, source, piece.image,
                           layout_index(taps.upper, block * LANES, piece.row + r, 0), step * band->width, 1, taps.ops);
            row += piece.rows;
        }
    }
}

/* ---- scratch memory ---------------------------------------------------------------------------------------------- */

/* Scratch memory: what is gathered of the upper and of the lower variable, of both sources, and a chunk of results of
 * both products. */
struct rooms {
    float *upper[2], *lower[2], *m[2];
};

static size_t place(struct rooms *rooms, struct taps taps, float *scratch)
{
    size_t upper = padded(taps.link->upper.channels),
           lower = taps_of(taps.link) * factor_depth(taps.ops, taps.link->lower.channels);
    size_t stride = band_of(taps, SIZE_MAX / taps.link->upper.height).stride, used = 0;

    for (size_t i = 0; i < 2; i++) {
        rooms->upper[i] = scratch + used;
        rooms->lower[i] = rooms->upper[i] + factor_floats(taps.ops, upper, stride);
        rooms->m[i] = rooms->lower[i] + factor_floats(taps.ops, lower, stride);
        used = (size_t)(rooms->m[i] - scratch) + stride * CHUNK * LANES;
    }
    return used;
}

size_t taps_scratch_floats(struct taps taps)
{
    struct rooms rooms;

    return larger(place(&rooms, taps, NULL), place(&rooms, downward(taps), NULL));
}

/* ---- prefetching ------------------------------------------------------------------------------------------------- */

/* What the products of a band prefetch for the next one: no cache holds the arrays of large maps, and what is gathered
 * or finished all at once would wait for memory. */
struct ahead {
    struct ops_prefetch_range ranges[RANGES];
    struct ops_prefetch_cursor cursor;
};

/* Some rows of all blocks of an array. */
static void add_range(struct ahead *ahead, const float *x, struct layout layout, size_t row, size_t rows)
{
    if (!x || ahead->cursor.count == RANGES)
        return;
    ahead->ranges[ahead->cursor.count++] =
        (struct ops_prefetch_range){.from = x + layout_index(layout, 0, row, 0),
                                    .lines = (rows - 1) * layout.columns + layout.shape.width,
                                    .times = padded(layout.shape.channels) / LANES,
                                    .stride = layout.rows * layout.columns * LANES};
}

/* Rows of the lower variable under some rows of the upper one. */
static void add_source(struct ahead *ahead, const float *x, struct layout layout, const struct piece *piece,
                       const struct link *link, bool up)
{
    struct window w = link->window;
    size_t first = piece->row, end = piece->row + piece->rows;

    if (up) {
        end = (end - 1) * w.down + w.height;
        end = smaller(end > w.top ? end - w.top : 0, layout.shape.height);
        first = first * w.down > w.top ? first * w.down - w.top : 0;
    }
    if (first < end)
        add_range(ahead, x, layout, first, end - first);
}

/* What a piece needs. */
static void add_piece(struct ahead *ahead, const struct taps_call *call, const struct piece *piece, struct taps taps,
                      bool up)
{
    const struct taps_source *source = &call->source[0];
    struct layout from = up ? taps.lower : taps.upper, to = up ? taps.upper : taps.lower;

    add_source(ahead, source->x + piece->image * source->x_stride, from, piece, taps.link, up);
    if (source->factor)
        add_source(ahead, source->factor + piece->image * source->factor_stride, from, piece, taps.link, up);
    for (size_t i = 0; i < 2 && (up || taps_pointwise(taps.link)); i++)
        if (call->beside[i].x)
            add_range(ahead, call->beside[i].x + piece->image * call->beside[i].stride, to, piece->row, piece->rows);
}

/* For the products of `band`, whose number of steps is given. */
static void look_ahead(struct ahead *ahead, const struct taps_call *call, struct band band, size_t steps,
                       struct taps taps, bool up)
{
    size_t lines = 0;

    ahead->cursor = (struct ops_prefetch_cursor){.ranges = ahead->ranges};
    if (!next_band(&band, call->images))
        return;
    for (size_t row = 0; row < band.rows;) {
        struct piece piece = rows_from(&band, row);
        add_piece(ahead, call, &piece, taps, up);
        row += piece.rows;
    }
    for (size_t i = 0; i < ahead->cursor.count; i++)
        lines += ahead->ranges[i].lines * ahead->ranges[i].times;
    ahead->cursor.each = (lines + steps - 1) / steps;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static struct ops_product product_of(const struct band *band, struct factor_panels panels)
{
    return (struct ops_product){.rows = band->rows * band->width,
                                .depth = panels.depth,
                                .outputs = panels.outputs,
                                .width = panels.width,
                                .from_stride = band->stride,
                                .to_stride = band->stride};
}

/* m = v panels from column `column` on, part by part of the depth. */
static void run_product(float *m, const float *v, const float *packed, size_t column, struct factor_panels panels,
                        struct ops_product product, struct ops_prefetch_cursor *cursor, const struct ops *ops)
{
    product.panel_depth = panels.depth;
    for (size_t first = 0; first < panels.depth; first += DEPTH) {
        bool last = first + DEPTH >= panels.depth;
        cursor->panel =
            packed + factor_panels_at(ops, panels, last ? 0 : first + DEPTH, column + (last ? product.outputs : 0));
        product.depth = smaller(DEPTH, panels.depth - first);
        product.add = first > 0;
        ops->factor_product(m, v + factor_rows_at(ops, first / LANES, product.from_stride),
                            packed + factor_panels_at(ops, panels, first, column), &product, cursor);
    }
}

/* Of all blocks of outputs of one tap. */
static void run_products(const struct taps_call *call, const struct band *band, float *const *v,
                         struct factor_panels panels, size_t tap, struct rooms *rooms, struct ahead *ahead,
                         const struct ops *ops)
{
    size_t blocks = panels.outputs / LANES, plane = factor_panels_floats(ops, panels);
    struct ops_product product = product_of(band, panels);

    for (size_t first = 0; first < blocks; first += CHUNK) {
        size_t count = smaller(CHUNK, blocks - first);
        product.outputs = count * LANES;
        for (size_t i = 0; i < call->nproducts; i++)
            run_product(rooms->m[i], v[smaller(i, call->nsources - 1)], call->packed[i] + tap * plane, first * LANES,
                        panels, product, &ahead->cursor, ops);
        for (size_t b = 0; b < count; b++)
            for (size_t row = 0; row < band->rows;) {
                struct piece piece = rows_from(band, row);
                size_t at = (b * band->stride + piece.first) * LANES;
                call->finish(call->context, &piece, first + b, tap, rooms->m[0] + at,
                             call->nproducts > 1 ? rooms->m[1] + at : NULL);
                row += piece.rows;
            }
    }
}

/* Of one call of run_products. */
static size_t steps_of(const struct taps_call *call, const struct band *band, struct factor_panels panels,
                       const struct ops *ops)
{
    struct ops_product product = product_of(band, panels);

    return call->nproducts * ops_factor_steps(ops, &product);
}

void taps_up(const struct taps_call *call, struct taps taps, float *scratch)
{
    struct factor_panels panels = panels_of(taps.link, false, taps.ops);
    struct band band = band_of(taps, call->images);
    struct rooms rooms;
    struct ahead ahead;

    place(&rooms, taps, scratch);
    do {
        for (size_t i = 0; i < call->nsources; i++)
            gather_lower(rooms.lower[i], &call->source[i], &band, taps);
        look_ahead(&ahead, call, band, steps_of(call, &band, panels, taps.ops), taps, true);
        run_products(call, &band, rooms.lower, panels, 0, &rooms, &ahead, taps.ops);
    } while (next_band(&band, call->images));
}

static void tell_gathered(const struct taps_call *call, const struct band *band, size_t channels)
{
    for (size_t block = 0; block < padded(channels) / LANES && call->gathered; block++)
        for (size_t row = 0; row < band->rows;) {
            struct piece piece = rows_from(band, row);
            call->gathered(call->context, &piece, block);
            row += piece.rows;
        }
}

void taps_down(const struct taps_call *call, struct taps taps, float *scratch)
{
    taps = downward(taps);

    struct factor_panels panels = panels_of(taps.link, true, taps.ops);
    struct band band = band_of(taps, call->images);
    size_t ntaps = taps_of(taps.link);
    struct rooms rooms;
    struct ahead ahead;

    place(&rooms, taps, scratch);
    do {
        for (size_t i = 0; i < call->nsources; i++)
            gather_upper(rooms.upper[i], &call->source[i], &band, taps);
        tell_gathered(call, &band, taps.link->upper.channels);
        look_ahead(&ahead, call, band, ntaps * steps_of(call, &band, panels, taps.ops), taps, false);
        for (size_t tap = 0; tap < ntaps; tap++)
            run_products(call, &band, rooms.upper, panels, tap, &rooms, &ahead, taps.ops);
    } while (next_band(&band, call->images));
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

void taps_flow(float *joint, const struct taps_source *upper, const struct taps_source *lower, const float *packed,
               size_t images, struct taps taps, float *scratch)
{
    taps = downward(taps);

    const struct link *link = taps.link;
    struct band band = band_of(taps, images);
    struct factor_panels panels = panels_of(link, true, taps.ops);
    struct rooms rooms;

    place(&rooms, taps, scratch);
    do {
        struct ops_product product = product_of(&band, panels);
        struct ops_flow flow = {.images = 1,
                                .inputs = link->upper.channels,
                                .outputs = link->lower.channels,
                                .points = taps_of(link),
                                .lower_plane = panels.outputs * band.stride,
                                .panels_plane = factor_panels_floats(taps.ops, panels)};
        gather_upper(rooms.upper[0], upper, &band, taps);
        gather_lower(rooms.lower[0], lower, &band, taps);
        for (size_t row = 0; row < band.rows;) {
            struct piece piece = rows_from(&band, row);
            product.rows = piece.rows * band.width;
            taps.ops->flow(joint + piece.image * flow.inputs * flow.outputs, rooms.upper[0] + piece.first * LANES,
                           rooms.lower[0] + piece.first * LANES, packed, &flow, &product);
            row += piece.rows;
        }
    } while (next_band(&band, images));
}
