/* The loops that are worth a variant for each instruction set, in one table a set.
 *
 * Arrays of a variable are in the blocked layout (layout.h). Products work on matrices cut in the same way:
 *
 *   rows       [depth / 16][stride][16]           row r of a left factor or of a result
 *   panels     [outputs / width][depth][width]    a right factor
 *
 * with depth and outputs multiples of OPS_LANES. Every variant comes from the same template (ops_*.h); generic is what a
 * compiler makes of it without further instructions. Variants differ by rounding only. Results depend on no array's
 * alignment. No allocation, no failure; outputs must not overlap inputs.
 */
#ifndef NRMFLOW_KERNELS_OPS_OPS_H
#define NRMFLOW_KERNELS_OPS_OPS_H

#include "kernels/ops/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPS_LANES = 16, OPS_FLOW_IMAGES = 8 };

/* A run of the tiles of some images' maps, in the order of images and rows, and where their transforms lie:
 * [xi][channels / 16][stride][16], the points xi `plane` floats apart. */
struct ops_tiles {
    size_t tile;            /* outputs along a side: 2 or 4 */
    size_t first, count;    /* of all tiles */
    size_t across, down;    /* tiles in a row and in a column of a map */
    size_t height, width;   /* neurons of the map */
    size_t inputs, outputs; /* channels */
    size_t block;           /* of outputs, the first one */
    size_t rows, columns;   /* positions of an array's plane, border included */
    size_t stride;          /* tiles from one block of channels to the next, >= count */
};

struct ops_product {
    size_t rows;    /* of the left factor and of the result */
    size_t depth;   /* inner dimension, a multiple of OPS_LANES */
    size_t outputs; /* columns, a multiple of width */
    size_t width;   /* of a panel, see ops_width */
    size_t from_stride, to_stride;
};

struct ops_flow {
    size_t images;          /* at most OPS_FLOW_IMAGES */
    size_t inputs, outputs; /* of a joint */
    size_t first;           /* column of it */
    size_t points;          /* xi, whose arrays are so many floats apart: */
    size_t from_plane, lower_plane, panels_plane;
};

/* Memory that is brought near by the way: `times` runs of `lines` cache lines, `stride` floats apart. */
struct ops_span {
    const float *from;
    size_t lines, times, stride;
};

/* What a product brings near while it computes, a few lines at every step; no result depends on it. Its state is how far it
 * has come. */
struct ops_ahead {
    const struct ops_span *spans;
    size_t count;
    size_t each;             /* lines of a step, see ops_product_steps */
    const float *panel;      /* what the next product begins with */
    size_t span, time, line; /* the next one */
};

/* What follows z in direct_finish: vectors [16] of one block, numbers of all. */
struct ops_finish {
    const float *bias, *constant;
    float scale, eps;
    bool rectified;
};

/* A block of up to 16 channels of a blocked array, from its first neuron on. */
struct ops_block {
    size_t channels, height, width;
    size_t row; /* floats from a row to the next */
};

struct ops {
    const char *name;
    bool (*available)(void);
    size_t width; /* the widest panel: 16, 32 or 64 */
    size_t rows;  /* of a left factor that a step of a product takes */

    /* v = B' (x * factor) B of every tile of the call and its border of one; factor NULL means one. */
    void (*winograd_input)(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles);

    /* v = A (lower * lower_factor) A' of every tile without a border, the adjoint of the output transform, for `blocks`
     * blocks of channels from tiles.block. */
    void (*winograd_lower)(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles);

    /* t = A' m A of every tile, and what the call makes of it, for `blocks` blocks of channels from tiles.block; writes
     * neurons only. m has these blocks of the call's sets, one set behind the other. */
    void (*winograd_output)(const struct winograd_call *call, const float *m, size_t blocks, size_t plane,
                            const struct ops_tiles *tiles);

    /* to[r,o] = sum_d from[r,d] panels[d,o]; meanwhile `ahead` comes near */
    void (*product)(float *to, const float *from, const float *panels, const struct ops_product *shape,
                    struct ops_ahead *ahead);

    /* joint[i][d][first + o] += sum_xi panels[xi][d,o] sum_r from[xi][r,d] lower[xi][r,o], for the rows r of image i
     * and what is no padding.
     *
     *   joint          [images][inputs][outputs], row-major, not padded
     *   from, lower    [images][rows]; shape.rows are an image's
     *   shape          as in the product; to_stride is lower's */
    void (*flow)(float *joint, const float *from, const float *lower, const float *panels, const struct ops_flow *flow,
                 const struct ops_product *shape);

    /* Add to the summaries of a block's channels, or to their flows, see channels.h. */
    void (*channels_summary)(struct channels_summary *out, const float *v, const float *w,
                             const struct ops_block *block);
    void (*channels_pass)(struct channels_ledger *out, const float *r, const float *c, const float *other,
                          const struct ops_block *block);

    /* Row of a convolution of few planes (layer/direct.h): to[i,o] = bias[o] + sum_{l,dx} lines[l][i + dx] panels[l * 3 + dx,o].
     * Lines are from_stride floats apart, depth counts their taps. */
    void (*direct_forward)(float *to, const float *lines, const float *panels, const float *bias,
                           const struct ops_product *shape);

    /* c = scale / stab(z - bias + constant), stab(d) = d + eps, or d - eps where d < 0; zero where that is zero; and then
     * z = max(z, 0) where it is rectified. Of positions of one block. */
    void (*direct_finish)(float *z, float *c, size_t positions, const struct ops_finish *finish);

    /* Row of its weight gradient: sums[d / 16][l * 3 + dx][d % 16] += sum_i lines[l][i + dx] row[i,d]. Lines are to_stride
     * floats apart, outputs counts their taps. */
    void (*direct_gradient)(float *sums, const float *row, const float *lines, const struct ops_product *shape);

    /* Dense layers in the planar order: w [upper][lower], x [images][lower], y and s [images][upper]. An image's bits do
     * not depend on how many there are.
     *
     *   forward  y[i,k] (+)= sum_j w[k,j] x[i,j]
     *   back     x[i,j] = sum_k w[k,j] s[i,k]
     *   joint    joint[i,k,c] (+)= s[i,k] sum_p w[k, c positions + p] x[i, c positions + p],
     *            [images][upper][channels] with lower = channels x positions */
    void (*dense_forward)(float *y, const float *x, const float *w, size_t images, size_t upper, size_t lower,
                          bool accumulate);
    void (*dense_backward)(float *x, const float *s, const float *w, size_t images, size_t upper, size_t lower);
    void (*dense_flow)(float *joint, const float *s, const float *x, const float *w, size_t images, size_t upper,
                       size_t channels, size_t positions, bool accumulate);

    /* A row of a pool's windows of one block of channels, for the modes with winners (pool.h): top and bottom
     * [2 windows][16] are its rows of the lower variable, y, r and v [windows][16] of the upper one; codes
     * [windows][16] have a bit for every position that wins.
     *
     *   evaluate   y = the maximum, codes = the winners
     *   back       top, bottom = r shared by the winners, zero elsewhere
     *   forward    v = the winners' mean of top and bottom */
    void (*windows_forward)(float *y, uint8_t *codes, const float *top, const float *bottom, size_t windows,
                            float tolerance, enum pool_mode mode);
    void (*windows_backward)(float *top, float *bottom, const float *r, const uint8_t *codes, size_t windows);
    void (*windows_lift)(float *v, const float *top, const float *bottom, const uint8_t *codes, size_t windows);
};

/* The table of a name; NULL asks for the best that this processor has. Unknown or not available: NULL. */
const struct ops *ops_select(const char *want);

/* Name of table i, the most portable first; NULL after the last. */
const char *ops_name(size_t i);

/* Width of the panels that a table's products use for so many outputs. */
size_t ops_width(const struct ops *ops, size_t outputs);

/* How many steps a product takes, of which each brings something near. */
size_t ops_product_steps(const struct ops *ops, const struct ops_product *shape);

#endif
