#include "kernels/layer/winograd.h"

#include "kernels/base/layout.h"
#include "kernels/base/number.h"
#include "kernels/ops/factor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    LANES = OPS_LANES,
    MAX_POINTS = 6,
    TAPS = 3,
    LINE = 16, /* floats of a cache line */
    CHUNK = 4, /* blocks of outputs computed together: whole panels, in the cache until they are transformed */

    /* Split factors and their results do not fit the cache, so that what counts is how often they are read. Of few
     * inputs, or for few tiles, memory would be waited for longer than vectors take for the product. */
    SPLIT_CHUNK = 16,
    SPLIT_TILES = 256,
    SPLIT_LEAST_INPUTS = 256,
    SPLIT_LEAST_TILES = 9 /* of a map */
};

/* a / b, rounded up */
static size_t quotient(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The table whose factors are used. */
static const struct ops *ops_of(const struct ops *ops, struct winograd shape)
{
    size_t tiles = quotient(shape.width, shape.tile) * quotient(shape.height, shape.tile);
    bool split = !shape.adjoint && shape.inputs >= SPLIT_LEAST_INPUTS && tiles >= SPLIT_LEAST_TILES;

    return split ? ops : factor_vectors(ops);
}

static size_t points_of(struct winograd shape)
{
    return (shape.tile + 2) * (shape.tile + 2);
}

/* The weights of one point: their depth is the inputs with their padding, of both branches. */
static struct factor_panels panels_of(const struct ops *ops, struct winograd shape)
{
    size_t depth = (shape.branches ? 2 : 1) * factor_depth(ops, shape.inputs);

    return factor_panels(ops, depth, padded(shape.outputs));
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* Values of LANES outputs on a square: of taps, of points, or halfway. */
typedef double square[MAX_POINTS][MAX_POINTS][LANES];

/* The matrix G of ops/winograd.h. Rows of F(4x4): (1, p, p^2) / prod (p - q) over the other finite points q. */
static void weight_matrix(double g[MAX_POINTS][TAPS], size_t tile)
{
    static const double points[] = {0, 0.75, -0.75, 1.5, -1.5};
    static const double two[4][TAPS] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

    memset(g, 0, MAX_POINTS * sizeof *g);
    if (tile == 2) {
        memcpy(g, two, sizeof two);
        return;
    }
    for (size_t i = 0; i < 5; i++) {
        double product = 1;
        for (size_t j = 0; j < 5; j++)
            product *= j == i ? 1 : points[i] - points[j];
        g[i][0] = 1 / product;
        g[i][1] = points[i] / product;
        g[i][2] = points[i] * points[i] / product;
    }
    g[5][2] = 1;
}

/* out[j][i] = sum_tap g[i][tap] in[tap][j]: applied twice it gives G in G'. */
static void transform_columns(square out, square in, double g[MAX_POINTS][TAPS], size_t points, size_t columns)
{
    for (size_t i = 0; i < points; i++)
        for (size_t j = 0; j < columns; j++)
            for (size_t lane = 0; lane < LANES; lane++)
                out[j][i][lane] = g[i][0] * in[0][j][lane] + g[i][1] * in[1][j][lane] + g[i][2] * in[2][j][lane];
}

/* Taps of the outputs first .. first + LANES - 1 at one input; those of padding are zero. */
static void gather_taps(square taps, const float *w, size_t input, size_t first, struct winograd shape)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t output = first + lane;
        bool inside = input < shape.inputs && output < shape.outputs;
        const float *at = w + 9 * (shape.adjoint ? input * shape.outputs + output : output * shape.inputs + input);
        for (size_t tap = 0; tap < 9; tap++)
            taps[tap / 3][tap % 3][lane] = inside ? (double)at[shape.adjoint ? 8 - tap : tap] : 0;
    }
}

size_t winograd_weights_floats(const struct ops *ops, struct winograd shape)
{
    ops = ops_of(ops, shape);
    return points_of(shape) * factor_panels_floats(ops, panels_of(ops, shape));
}

/* The weights of the inputs that come from row `row` of the depth on. */
static void pack_rows(float *packed, const float *w, size_t row, const struct ops *ops, struct winograd shape)
{
    struct factor_panels panels = panels_of(ops, shape);
    size_t points = shape.tile + 2, plane = factor_panels_floats(ops, panels);
    double g[MAX_POINTS][TAPS];
    square taps, half, full;

    assert(shape.tile == 2 || shape.tile == 4);
    weight_matrix(g, shape.tile);
    for (size_t first = 0; first < padded(shape.outputs); first += LANES)
        for (size_t input = 0; input < factor_depth(ops, shape.inputs); input++) {
            gather_taps(taps, w, input, first, shape);
            transform_columns(half, taps, g, points, TAPS);
            transform_columns(full, half, g, points, points);
            for (size_t xi = 0; xi < points * points; xi++)
                for (size_t lane = 0; lane < LANES; lane++)
                    factor_panels_put(packed + xi * plane, (float)full[xi / points][xi % points][lane], ops, panels,
                                      row + input, first + lane);
        }
}

void winograd_pack(float *packed, const float *w, const struct ops *ops, struct winograd shape)
{
    pack_rows(packed, w, 0, ops_of(ops, shape), shape);
}

void winograd_pack_second(float *packed, const float *w, const struct ops *ops, struct winograd shape)
{
    ops = ops_of(ops, shape);
    pack_rows(packed, w, factor_depth(ops, shape.inputs), ops, shape);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* How the maps of a call are cut into blocks of tiles, and where their transforms lie in the scratch memory. For
 * example 56 x 56 maps with F(4x4) have 14 x 14 tiles; with at most 56 tiles in a block, a unit is a row of 14 tiles
 * and a block is 3 or 4 rows of them. */
struct cut {
    size_t across, down;          /* tiles of a map */
    size_t tiles;                 /* of a run, which is cut by itself: one image for flows, else all images */
    size_t unit;                  /* tiles that stay together: a row, or one if rows are too long */
    size_t runs, blocks;          /* number of runs, and of blocks of each */
    size_t together;              /* runs in one block, if a block can take more than one */
    size_t stride;                /* tiles from one block of channels to the next, at least those of a block */
    size_t in_blocks, out_blocks; /* of channels; out of one set */
    size_t chunk;                 /* blocks of every set that are computed together */
    size_t in_plane, out_plane;
};

/* Tiles of a block, at most: few, so that their transforms stay in the cache, but enough to reuse the weights, which
 * matter more with more channels. */
static size_t tiles_at_once(const struct ops *ops, struct winograd shape)
{
    struct factor_panels panels = panels_of(ops, shape);

    return ops->parts > 1 ? SPLIT_TILES : panels.depth * shape.sets * panels.outputs <= 128 * 256 ? 56 : 128;
}

/* Floats of a plane: an odd number of cache lines, so that the points of a tile do not all map to one set of the
 * cache. */
static size_t plane_floats(size_t floats)
{
    return (floats / LINE | 1) * LINE;
}

static size_t blocks_at_once(const struct ops *ops, struct winograd shape)
{
    return smaller(padded(shape.outputs) / LANES, ops->parts > 1 ? SPLIT_CHUNK : CHUNK);
}

/* Floats of a plane of inputs; and of one of a chunk's results. */
static size_t in_floats(const struct ops *ops, struct winograd shape, size_t stride)
{
    return plane_floats(factor_floats(ops, panels_of(ops, shape).depth, stride));
}

static size_t out_floats(const struct ops *ops, struct winograd shape, size_t stride)
{
    return plane_floats(shape.sets * blocks_at_once(ops, shape) * LANES * stride);
}

static size_t units_of(const struct cut *cut, size_t tiles)
{
    return quotient(tiles, cut->unit);
}

static struct cut cut_maps(const struct ops *ops, struct winograd shape, size_t images, bool flows)
{
    const size_t most = tiles_at_once(ops, shape);
    struct cut cut = {.across = quotient(shape.width, shape.tile),
                      .down = quotient(shape.height, shape.tile),
                      .in_blocks = padded(shape.inputs) / LANES,
                      .out_blocks = padded(shape.outputs) / LANES,
                      .chunk = blocks_at_once(ops, shape)};

    cut.runs = flows ? images : 1;
    cut.tiles = images * cut.down * cut.across / cut.runs;
    cut.unit = cut.across <= most ? cut.across : 1;
    cut.blocks = quotient(units_of(&cut, cut.tiles), most / cut.unit);
    cut.together = cut.blocks > 1 ? 1 : smaller(smaller(most / cut.tiles, cut.runs), OPS_FLOW_IMAGES);
    cut.stride = factor_stride(ops, cut.together * cut.unit * quotient(units_of(&cut, cut.tiles), cut.blocks));
    cut.in_plane = in_floats(ops, shape, cut.stride);
    cut.out_plane = out_floats(ops, shape, cut.stride);
    return cut;
}

size_t winograd_scratch_floats(const struct ops *ops, struct winograd shape)
{
    ops = ops_of(ops, shape);

    size_t stride = factor_stride(ops, tiles_at_once(ops, shape));

    return points_of(shape) * (in_floats(ops, shape, stride) + out_floats(ops, shape, stride));
}

/* Arguments for the loops of ops.h: the tiles of a block, and the shape of the product of every point. */
struct work {
    struct cut cut;
    struct factor_panels panels; /* of one point */
    struct ops_tiles tiles;
    struct ops_product product;
};

static struct work plan_work(const struct winograd_call *call, const struct ops *ops, struct winograd shape,
                             struct layout layout)
{
    struct work work = {.cut = cut_maps(ops, shape, call->images, call->joint), .panels = panels_of(ops, shape)};

    assert(CHUNK * LANES % ops->width == 0);
    work.tiles = (struct ops_tiles){.tile = shape.tile,
                                    .across = work.cut.across,
                                    .down = work.cut.down,
                                    .height = shape.height,
                                    .width = shape.width,
                                    .inputs = shape.inputs,
                                    .outputs = shape.outputs,
                                    .rows = layout.rows,
                                    .columns = layout.columns,
                                    .stride = work.cut.stride};
    work.product = (struct ops_product){.depth = work.panels.depth,
                                        .outputs = work.panels.outputs,
                                        .width = work.panels.width,
                                        .from_stride = work.cut.stride,
                                        .to_stride = work.cut.stride};
    return work;
}

/* ---- what products prefetch -------------------------------------------------------------------------------------- */

enum { MAX_RANGES = 64 }; /* of a list; more are left out */

struct prefetch_list {
    struct ops_prefetch_range ranges[MAX_RANGES];
    size_t count, lines;
};

/* Blocks of channels of an array, for every image, in the rows of some tiles, shifted down by `rows_below`. */
struct region {
    const float *array;
    size_t image_stride, first, blocks, rows_below;
};

static void add_ranges(struct prefetch_list *list, struct region region, const struct ops_tiles *tiles)
{
    size_t end = tiles->first + tiles->count, line = tiles->across, map = tiles->down;
    size_t plane = tiles->rows * tiles->columns * LANES;

    if (!region.array || region.blocks == 0)
        return;
    for (size_t row = tiles->first / line, next; row * line < end && list->count < MAX_RANGES; row = next) {
        size_t image = row / map, top = row % map * tiles->tile + 1 + region.rows_below;
        next = smaller((image + 1) * map, quotient(end, line));
        size_t rows = (next - row) * tiles->tile, at = region.first * plane + top * tiles->columns * LANES;
        struct ops_prefetch_range range = {.from = region.array + image * region.image_stride + at,
                                           .lines = rows * tiles->columns,
                                           .times = region.blocks,
                                           .stride = plane};
        list->ranges[list->count++] = range;
        list->lines += range.lines * range.times;
    }
}

/* What is read after the products of a chunk: the arrays of its outputs, and part of the inputs of the next block of
 * tiles. */
static struct prefetch_list list_prefetches(const struct winograd_call *call, const struct work *work, size_t first,
                                            size_t blocks)
{
    const struct cut *cut = &work->cut;
    struct ops_tiles next = work->tiles;
    struct prefetch_list list = {.count = 0};
    size_t from = cut->in_blocks * first / cut->out_blocks, to = cut->in_blocks * (first + blocks) / cut->out_blocks;
    bool multiplied = call->output == WINOGRAD_MULTIPLY || call->output == WINOGRAD_CHOOSE;

    add_ranges(&list, (struct region){call->y[0], call->stride.y, first, blocks, 0}, &work->tiles);
    add_ranges(&list, (struct region){multiplied ? call->multiplier : NULL, call->stride.multiplier, first, blocks, 0},
               &work->tiles);
    add_ranges(&list, (struct region){call->weighted ? call->weight : NULL, call->stride.y, first, blocks, 0},
               &work->tiles);
    next.first += next.count;
    next.count = smaller(next.count, call->images * next.across * next.down - next.first);
    add_ranges(&list, (struct region){call->x, call->stride.x, from, to - from, 1}, &next);
    add_ranges(&list, (struct region){call->factor, call->stride.factor, from, to - from, 1}, &next);
    return list;
}

/* A set's weights of one point, from a block of outputs on. */
static const float *weights_from(const struct winograd_call *call, const struct ops *ops, const struct work *work,
                                 size_t xi, size_t set, size_t first)
{
    return call->packed[set] + xi * factor_panels_floats(ops, work->panels) +
           factor_panels_at(ops, work->panels, 0, first * LANES);
}

/* Products and outputs of one chunk. While a product runs, the first panel of the next one is prefetched; while the
 * last one of a chunk runs, that of the next chunk. */
static void run_products(const struct winograd_call *call, const struct ops *ops, struct winograd shape,
                         const struct work *work, const float *v, float *m)
{
    const struct cut *cut = &work->cut;
    size_t first = work->tiles.block, blocks = work->product.outputs / LANES;
    size_t after = first + blocks < cut->out_blocks ? first + blocks : 0;
    size_t products = points_of(shape) * shape.sets;
    struct prefetch_list list = list_prefetches(call, work, first, blocks);
    size_t steps = products * ops_factor_steps(ops, &work->product);
    struct ops_prefetch_cursor cursor = {.ranges = list.ranges, .count = list.count, .each = list.lines / steps + 1};

    for (size_t i = 0; i < products; i++) {
        size_t xi = i / shape.sets, set = i % shape.sets, next = (i + 1) % products;
        cursor.panel =
            weights_from(call, ops, work, next / shape.sets, next % shape.sets, i + 1 < products ? first : after);
        ops->factor_product(m + xi * cut->out_plane + set * blocks * cut->stride * LANES, v + xi * cut->in_plane,
                            weights_from(call, ops, work, xi, set, first), &work->product, &cursor);
    }
    ops->winograd_output(call, m, blocks, cut->out_plane, &work->tiles);
}

/* The chunk's columns of the flows of the block's images, from image `first`; v has the transforms of the upper
 * variable. */
static void run_flows(const struct winograd_call *call, const struct ops *ops, struct winograd shape,
                      const struct work *work, size_t first, const float *v, float *m)
{
    const struct cut *cut = &work->cut;
    struct ops_product product = work->product;
    struct ops_flow flow = {.images = cut->blocks > 1 ? 1 : work->tiles.count / cut->tiles,
                            .inputs = shape.inputs,
                            .outputs = shape.outputs,
                            .first = work->tiles.block * LANES,
                            .points = points_of(shape),
                            .from_plane = cut->in_plane,
                            .lower_plane = cut->out_plane,
                            .panels_plane = factor_panels_floats(ops, work->panels)};

    product.rows /= flow.images;
    ops->winograd_lower(m, call, product.outputs / LANES, cut->out_plane, &work->tiles);
    for (size_t branch = 0; branch < (call->branches ? 2 : 1); branch++) {
        size_t row = branch * factor_depth(ops, shape.inputs);
        ops->flow(call->joint + first * shape.inputs * shape.outputs, v + factor_rows_at(ops, row / LANES, cut->stride),
                  m, call->packed[0] + factor_panels_at(ops, work->panels, row, flow.first), &flow, &product);
    }
}

/* Block number `block` of the runs from `first` on. In the scratch memory v and m have a plane for every point. */
static void run_block(const struct winograd_call *call, const struct ops *ops, struct winograd shape, struct work *work,
                      size_t first, size_t block, float *scratch)
{
    const struct cut *cut = &work->cut;
    float *v = scratch, *m = scratch + points_of(shape) * cut->in_plane;
    size_t tiles = cut->tiles * smaller(cut->together, cut->runs - first);
    size_t units = units_of(cut, tiles), begin = units * block / cut->blocks * cut->unit;

    work->tiles.first = first * cut->tiles + begin;
    work->tiles.count = smaller(tiles, units * (block + 1) / cut->blocks * cut->unit) - begin;
    work->product.rows = work->tiles.count;
    ops->winograd_input(v, call, cut->in_blocks, cut->in_plane, &work->tiles);
    for (size_t chunk = 0; chunk < cut->out_blocks; chunk += cut->chunk) {
        work->tiles.block = chunk;
        work->product.outputs = smaller(cut->chunk, cut->out_blocks - chunk) * LANES;
        if (call->y[0])
            run_products(call, ops, shape, work, v, m);
        if (call->joint)
            run_flows(call, ops, shape, work, first, v, m);
    }
}

static void start_sums(const struct winograd_call *call, struct winograd shape)
{
    for (size_t i = 0; i < call->images * shape.outputs && call->summaries; i++)
        call->summaries[i] = channels_nothing;
    for (size_t i = 0; i < call->images * shape.outputs && call->weighted; i++)
        call->weighted[i] = channels_nothing;
    for (size_t i = 0; i < call->images * shape.inputs && call->ledger; i++)
        call->ledger[i] = (struct channels_ledger){0, 0, 0};
}

void winograd_run(const struct winograd_call *call, const struct ops *ops, struct winograd shape, float *scratch)
{
    struct layout layout = layout_blocked((struct shape){shape.outputs, shape.height, shape.width});

    ops = ops_of(ops, shape);

    struct work work = plan_work(call, ops, shape, layout);

    assert(call->images > 0 && shape.sets == (call->packed[1] ? 2 : 1) && shape.branches == call->branches &&
           (shape.sets == 1 || (call->output != WINOGRAD_MULTIPLY && !call->joint)));
    assert(shape.adjoint || !(call->joint || shape.branches)); /* their factors are floats */
    assert((!call->ledger || call->factor) && (!(call->summaries || call->weighted) || call->y[0]));
    start_sums(call, shape);
    if (call->joint && !call->accumulate_joint)
        memset(call->joint, 0, call->images * shape.inputs * shape.outputs * sizeof *call->joint);
    for (size_t first = 0; first < work.cut.runs; first += work.cut.together)
        for (size_t block = 0; block < work.cut.blocks; block++)
            run_block(call, ops, shape, &work, first, block, scratch);
    for (size_t set = 0; set < shape.sets && call->y[set]; set++)
        for (size_t i = 0; i < call->images; i++)
            layout_clear_border(call->y[set] + i * call->stride.y, layout);
}
