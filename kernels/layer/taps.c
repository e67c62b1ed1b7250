#include "kernels/layer/taps.h"

#include "kernels/base/number.h"
#include "kernels/layer/window.h"

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

size_t taps_weights_floats(const struct link *link)
{
    return taps_of(link) * padded(link->lower.channels) * padded(link->upper.channels);
}

/* Upward: panels of all taps' inputs; as adjoint: for every tap panels of the upper channels. */
void taps_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, const struct link *link)
{
    size_t taps = taps_of(link), upper = padded(link->upper.channels), lower = padded(link->lower.channels);
    size_t width = ops_width(ops, adjoint ? lower : upper);

    memset(packed, 0, taps_weights_floats(link) * sizeof *packed);
    for (size_t k = 0; k < link->upper.channels; k++)
        for (size_t c = 0; c < link->lower.channels; c++)
            for (size_t tap = 0; tap < taps; tap++, w++) {
                size_t at = adjoint ? tap * lower * upper + (c / width * upper + k) * width + c % width
                                    : (k / width * taps * lower + tap * lower + c) * width + k % width;
                packed[at] = *w;
            }
}

/* ---- bands ------------------------------------------------------------------------------------------------------- */

/* A run of rows of the upper maps: of some whole images, or of one. Where an image is cut depends on no other image. */
struct band {
    size_t first, rows;   /* among those of all images */
    size_t most;          /* rows, of any band */
    size_t height, width; /* of a map */
    size_t stride;        /* positions from a block of channels to the next, odd */
};

static size_t most_positions(size_t depth)
{
    return smaller(BAND, larger(LEAST, BAND_FLOATS / depth));
}

/* Rows of whole images, or of parts of an image that are as equal as can be. */
static size_t band_rows(const struct link *link, size_t depth)
{
    size_t height = link->upper.height, most = larger(1, most_positions(depth) / link->upper.width);
    size_t parts = (height + most - 1) / most;

    return parts == 1 ? most / height * height : (height + parts - 1) / parts;
}

static struct band band_of(const struct link *link, size_t depth, size_t images)
{
    size_t height = link->upper.height, most = band_rows(link, depth), rows = smaller(most, images * height);

    return (struct band){.rows = rows,
                         .most = most,
                         .height = height,
                         .width = link->upper.width,
                         .stride = rows * link->upper.width | 1};
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

/* Neighbouring positions of an array from float `at` on. */
static void gather_run(float *to, const struct taps_source *source, size_t image, size_t at, size_t n, size_t step,
                       const struct ops *ops)
{
    struct ops_gather gather = {step, source->scale, source->magnitude};

    ops->positions_gather(to, source->x + image * source->x_stride + at,
                          source->factor ? source->factor + image * source->factor_stride + at : NULL, n, &gather);
}

/* One tap of one row of windows; zero outside of the map. */
static void gather_row(float *to, const struct taps_source *source, size_t image, size_t block, size_t tap, size_t row,
                       struct taps taps)
{
    struct taps_target from = taps_target(taps.link, tap, row);
    size_t end = from.first + from.count, width = taps.link->upper.width;

    if (from.count == 0) {
        memset(to, 0, width * LANES * sizeof *to);
        return;
    }
    memset(to, 0, from.first * LANES * sizeof *to);
    gather_run(to + from.first * LANES, source, image, layout_index(taps.lower, block * LANES, from.row, from.column),
               from.count, taps.link->window.across, taps.ops);
    memset(to + end * LANES, 0, (width - end) * LANES * sizeof *to);
}

static void gather_lower(float *v, const struct taps_source *source, const struct band *band, struct taps taps)
{
    size_t blocks = padded(taps.link->lower.channels) / LANES, width = band->width, n = taps_of(taps.link);
    bool whole = taps_pointwise(taps.link) && !layout_bordered(taps.lower);

    for (size_t i = 0; i < n * blocks; i++, v += band->stride * LANES)
        for (size_t row = 0; row < band->rows;) {
            struct piece piece = rows_from(band, row);
            float *to = v + piece.first * LANES;
            size_t tap = i / blocks, block = i % blocks;
            if (whole)
                gather_run(to, source, piece.image, layout_index(taps.lower, block * LANES, piece.row, 0),
                           piece.rows * width, 1, taps.ops);
            for (size_t r = 0; r < piece.rows && !whole; r++)
                gather_row(to + r * width * LANES, source, piece.image, block, tap, piece.row + r, taps);
            row += piece.rows;
        }
}

static void gather_upper(float *v, const struct taps_source *source, const struct band *band, struct taps taps)
{
    size_t blocks = padded(taps.link->upper.channels) / LANES;

    for (size_t block = 0; block < blocks; block++, v += band->stride * LANES)
        for (size_t row = 0; row < band->rows;) {
            struct piece piece = rows_from(band, row);
            size_t step = piece_adjacent(taps.upper, piece.rows);
            for (size_t r = 0; r < piece.rows; r += step)
                gather_run(v + (piece.first + r * band->width) * LANES, source, piece.image,
                           layout_index(taps.upper, block * LANES, piece.row + r, 0), step * band->width, 1, taps.ops);
            row += piece.rows;
        }
}

/* ---- scratch memory ---------------------------------------------------------------------------------------------- */

/* Scratch memory: what is gathered of the upper and of the lower variable, of both sources, and a chunk of results of
 * both products. */
struct rooms {
    float *upper[2], *lower[2], *m[2];
};

/* Depth by which bands are cut: the same for all operations of a link. */
static size_t depth_of(const struct link *link)
{
    return larger(taps_of(link) * padded(link->lower.channels), padded(link->upper.channels));
}

static size_t place(struct rooms *rooms, struct taps taps, float *scratch)
{
    size_t upper = padded(taps.link->upper.channels), lower = taps_of(taps.link) * padded(taps.link->lower.channels);
    size_t stride = band_of(taps.link, depth_of(taps.link), SIZE_MAX / taps.link->upper.height).stride, used = 0;

    for (size_t i = 0; i < 2; i++) {
        rooms->upper[i] = scratch + used;
        rooms->lower[i] = rooms->upper[i] + stride * upper;
        rooms->m[i] = rooms->lower[i] + stride * lower;
        used += stride * (upper + lower + CHUNK * LANES);
    }
    return used;
}

size_t taps_scratch_floats(struct taps taps)
{
    struct rooms rooms;

    return place(&rooms, taps, NULL);
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

/* m = v panels, part by part of the depth. */
static void run_product(float *m, const float *v, const float *panels, struct ops_product product,
                        struct ops_prefetch_cursor *cursor, const struct ops *ops)
{
    size_t depth = product.depth, width = product.width;

    product.panel_depth = depth;
    for (size_t first = 0; first < depth; first += DEPTH) {
        size_t next = first + DEPTH < depth ? first + DEPTH : product.outputs * depth / width;
        cursor->panel = panels + next * width;
        product.depth = smaller(DEPTH, depth - first);
        product.add = first > 0;
        ops->product(m, v + first * product.from_stride, panels + first * width, &product, cursor);
    }
}

/* Of all blocks of outputs of one tap. */
static void run_products(const struct taps_call *call, const struct band *band, float *const *v,
                         struct ops_product product, size_t tap, struct rooms *rooms, struct ahead *ahead,
                         const struct ops *ops)
{
    size_t blocks = product.outputs / LANES, all = product.outputs * product.depth;

    for (size_t first = 0; first < blocks; first += CHUNK) {
        size_t count = smaller(CHUNK, blocks - first);
        product.outputs = count * LANES;
        for (size_t i = 0; i < call->nproducts; i++)
            run_product(rooms->m[i], v[smaller(i, call->nsources - 1)],
                        call->packed[i] + tap * all + first * LANES * product.depth, product, &ahead->cursor, ops);
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

static struct ops_product product_of(const struct band *band, size_t depth, size_t outputs, const struct ops *ops)
{
    return (struct ops_product){.rows = band->rows * band->width,
                                .depth = depth,
                                .outputs = outputs,
                                .width = ops_width(ops, outputs),
                                .from_stride = band->stride,
                                .to_stride = band->stride};
}

void taps_up(const struct taps_call *call, struct taps taps, float *scratch)
{
    const struct link *link = taps.link;
    struct band band = band_of(link, depth_of(link), call->images);
    struct rooms rooms;
    struct ahead ahead;

    place(&rooms, taps, scratch);
    do {
        for (size_t i = 0; i < call->nsources; i++)
            gather_lower(rooms.lower[i], &call->source[i], &band, taps);
        struct ops_product product =
            product_of(&band, taps_of(link) * padded(link->lower.channels), padded(link->upper.channels), taps.ops);
        look_ahead(&ahead, call, band, call->nproducts * ops_product_steps(taps.ops, &product), taps, true);
        run_products(call, &band, rooms.lower, product, 0, &rooms, &ahead, taps.ops);
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
    const struct link *link = taps.link;
    struct band band = band_of(link, depth_of(link), call->images);
    struct rooms rooms;
    struct ahead ahead;

    place(&rooms, taps, scratch);
    do {
        for (size_t i = 0; i < call->nsources; i++)
            gather_upper(rooms.upper[i], &call->source[i], &band, taps);
        tell_gathered(call, &band, link->upper.channels);
        struct ops_product product =
            product_of(&band, padded(link->upper.channels), padded(link->lower.channels), taps.ops);
        look_ahead(&ahead, call, band, taps_of(link) * call->nproducts * ops_product_steps(taps.ops, &product), taps,
                   false);
        for (size_t tap = 0; tap < taps_of(link); tap++)
            run_products(call, &band, rooms.upper, product, tap, &rooms, &ahead, taps.ops);
    } while (next_band(&band, call->images));
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

void taps_flow(float *joint, const struct taps_source *upper, const struct taps_source *lower, const float *packed,
               size_t images, struct taps taps, float *scratch)
{
    const struct link *link = taps.link;
    struct band band = band_of(link, depth_of(link), images);
    size_t outputs = padded(link->lower.channels), depth = padded(link->upper.channels);
    struct rooms rooms;

    place(&rooms, taps, scratch);
    do {
        struct ops_product product = product_of(&band, depth, outputs, taps.ops);
        struct ops_flow flow = {.images = 1,
                                .inputs = link->upper.channels,
                                .outputs = link->lower.channels,
                                .points = taps_of(link),
                                .lower_plane = outputs * band.stride,
                                .panels_plane = outputs * depth};
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
