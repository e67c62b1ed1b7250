/* The loops that have a variant for each instruction set, as one table of functions per set.
 *
 * What all of them expect of their arguments:
 *
 *   layout     arrays of a variable are blocked (kernels/base/layout.h): [channels / 16][rows][columns][16] with a
 *              border of one; dense layers are planar
 *   matrices   of products are cut in the same way:
 *                rows     [depth / 16][stride][16]           row r of a left factor or of a result
 *                panels   [outputs / width][depth][width]    a right factor
 *   shapes     depth and outputs of a product are multiples of OPS_LANES, outputs of ops_width too
 *   padding    floats that belong to no neuron are zero in inputs. winograd_output writes positions of the map only,
 *              not its border; flow matrices have no padding
 *   alignment  results do not depend on it; some stores are faster into arrays aligned to vectors
 *   tiles      a call gets a run of tiles (struct ops_tiles), in the order of images, rows, columns. Their transforms
 *              are factors (factor.h) with tiles as rows, points xi `plane` floats apart; products, and the lower
 *              variable of flows, lie at [xi][channels / 16][stride][16]
 *   overlap    outputs must not overlap inputs
 *   failure    none, and no allocation; all functions are thread-safe
 *
 * Every variant comes from the same template (template.h); `generic` is compiled for the plain architecture. Variants
 * differ by rounding only.
 */
#ifndef NRMFLOW_KERNELS_OPS_OPS_H
#define NRMFLOW_KERNELS_OPS_OPS_H

#include "kernels/ops/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPS_LANES = 16, OPS_FLOW_IMAGES = 8 };

/* A run of the tiles of some images' maps. */
struct ops_tiles {
    size_t tile;            /* outputs along a side: 2 or 4 */
    size_t first, count;    /* the run within all tiles of the images */
    size_t across, down;    /* tiles in a row and in a column of a map */
    size_t height, width;   /* neurons of the map */
    size_t inputs, outputs; /* channels */
    size_t block;           /* number of the first block of 16 output channels that a call computes */
    size_t rows, columns;   /* positions of an array's plane, border included */
    size_t stride;          /* tiles from one block of channels to the next, >= count */
};

struct ops_product {
    size_t rows;    /* of the left factor and of the result */
    size_t depth;   /* inner dimension, a multiple of OPS_LANES; for factors of factor_depth's unit */
    size_t outputs; /* columns, a multiple of width */
    size_t width;   /* of a panel, from ops_width */
    size_t from_stride, to_stride;
    size_t panel_depth; /* rows of a panel, of which the product takes the first; 0: depth */
    bool add;           /* to what the result holds */
};

struct ops_flow {
    size_t images;          /* at most OPS_FLOW_IMAGES */
    size_t inputs, outputs; /* rows and columns of a flow matrix */
    size_t first;           /* column */
    size_t points;          /* number of points xi, whose arrays are so many floats apart: */
    size_t from_plane, lower_plane, panels_plane;
};

/* Memory to prefetch: `times` runs of `lines` cache lines, `stride` floats apart. */
struct ops_prefetch_range {
    const float *from;
    size_t lines, times, stride;
};

/* A list of ranges and the place in it. A product prefetches a few lines of it at every step and moves the cursor on;
 * no result depends on it. */
struct ops_prefetch_cursor {
    const struct ops_prefetch_range *ranges;
    size_t count;
    size_t each;              /* lines of a step, see ops_product_steps */
    const float *panel;       /* the first panel of the next product */
    size_t range, time, line; /* the next line to prefetch */
};

/* Arguments of direct_finish: bias and constant [16] are those of the block's channels. */
struct ops_finish {
    const float *bias, *constant;
    float scale, eps;
    bool rectified;
};

/* A block of up to 16 channels of a blocked array, or some rows of it; pointers are to its first neuron. */
struct ops_block {
    size_t channels, height, width;
    size_t row;      /* floats from a row to the next */
    size_t position; /* y W + x of the first neuron */
};

/* Arguments of positions_gather: positions are `step` apart. Of factor_rows also floats from a part of the factor to
 * the next, and floats of x from the first to the second of the blocks that share the rows (factor_blocks), 0 where
 * there is no second. */
struct ops_gather {
    size_t step;
    float scale;
    bool magnitude; /* |x| instead of x */
    size_t part, next;
};

/* The denominator d of a coefficient, from z and a second sum s:
 *   Z       d = z
 *   SECOND  d = s
 *   GAMMA   s is the sum of magnitudes that z is the sum of: d = z + gamma times the positive ones where z > 0, the
 *           negative ones where z < 0 */
enum ops_denominator { OPS_DENOMINATOR_Z, OPS_DENOMINATOR_SECOND, OPS_DENOMINATOR_GAMMA };

/* Arguments of positions_evaluate; bias, second_bias and scale [16] are those of the block's channels. */
struct ops_evaluate {
    enum ops_denominator denominator;
    const float *bias, *second_bias, *scale;
    float eps, gamma;
    float low, high;  /* z is clamped to this, NaN kept */
    bool select;      /* zero coefficients where z is not positive */
    bool nonnegative; /* SECOND: rounding noise of s below zero becomes zero */
};

/* Arguments of positions_sum: every tap has its first position and weights [16], those of the second sum too where
 * there is one. Positions of a tap are x_step apart, those of a sum to_step. */
struct ops_tap {
    const float *x, *w, *second;
};

struct ops_taps {
    const struct ops_tap *taps;
    size_t count, x_step, to_step;
};

/* Shape of a dense layer for some images; lower neurons are [channels][positions]. */
struct ops_dense {
    size_t images, upper, channels, positions;
};

/* A window of a pool: its positions within the map. */
struct ops_window {
    size_t rows, columns;
    size_t row;       /* floats from a row of the map to the next */
    size_t tap, taps; /* number of its first position; positions of a row of the whole window */
};

struct ops {
    const char *name;
    const char *peak; /* the loop of peak.h that benchmarks compare this variant with: multiply-adds of floats */
    bool (*available)(void);
    size_t width;              /* the widest panel: 16, 32 or 64 */
    size_t rows;               /* of a left factor in one step of a product */
    size_t parts;              /* of a float in a factor (factor.h): 1 or 3 */
    const struct ops *vectors; /* the same with factors in floats, for what goes down, flows and small products;
                                * NULL: this one */

    /* v = B' (x * factor) B of every tile and its border of one, as rows of a factor, for `blocks` blocks of channels
     * of x; factor NULL means one. With call->branches, twice as many. With call->ledger, also the ledger's sums. */
    void (*winograd_input)(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles);

    /* v = A (lower * lower_factor) A' of every tile without a border, the adjoint of the output transform, for `blocks`
     * blocks of channels from tiles.block. */
    void (*winograd_lower)(float *v, const struct winograd_call *call, size_t blocks, size_t plane,
                           const struct ops_tiles *tiles);

    /* t = A' m A of every tile, and from it the outputs and summaries of the call, for `blocks` blocks of channels from
     * tiles.block. m has these blocks of every set, one set after the other. */
    void (*winograd_output)(const struct winograd_call *call, const float *m, size_t blocks, size_t plane,
                            const struct ops_tiles *tiles);

    /* to[r,o] (+)= sum_d from[r,d] panels[d,o]; meanwhile the cursor's ranges are prefetched. */
    void (*product)(float *to, const float *from, const float *panels, const struct ops_product *shape,
                    struct ops_prefetch_cursor *cursor);

    /* joint[i][d][first + o] += sum_xi panels[xi][d,o] sum_r from[xi][r,d] lower[xi][r,o] over the rows r of image i,
     * without padding.
     *
     *   joint          [images][inputs][outputs], row-major, not padded
     *   from, lower    [images][rows]; shape.rows are an image's
     *   shape          as in the product, whose depth may be more than the inputs; to_stride is lower's */
    void (*flow)(float *joint, const float *from, const float *lower, const float *panels, const struct ops_flow *flow,
                 const struct ops_product *shape);

    /* The product with factors in the table's own format, shaped by factor.h: depth and panel_depth are whole units of
     * factor_depth, strides are from factor_stride, since it may write some rows more than there are. */
    void (*factor_product)(float *to, const float *from, const float *panels, const struct ops_product *shape,
                           struct ops_prefetch_cursor *cursor);

    /* positions_gather into rows of a factor. */
    void (*factor_rows)(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *gather);

    /* Add to the summaries or the ledger's sums of a block's channels, see kernels/layer/channels.h. */
    void (*channels_summary)(struct channels_summary *out, const float *v, const float *w,
                             const struct ops_block *block);
    void (*channels_ledger)(struct channels_ledger *out, const float *r, const float *c, const float *other,
                            const struct ops_block *block);

    /* Row of a convolution of few planes (kernels/layer/direct.h): to[i,o] = bias[o] + sum_{l,dx} lines[l][i + dx]
     * panels[l * 3 + dx,o]. Lines are from_stride floats apart, depth counts their taps. */
    void (*direct_forward)(float *to, const float *lines, const float *panels, const float *bias,
                           const struct ops_product *shape);

    /* For positions of one block: c = scale / stab(z - bias + constant) with stab(d) = d + eps, or d - eps where d < 0;
     * zero where stab is zero. Then z = max(z, 0) if it is rectified. */
    void (*direct_finish)(float *z, float *c, size_t positions, const struct ops_finish *finish);

    /* Row of the weight gradient of such a convolution: sums[d / 16][l * 3 + dx][d % 16] += sum_i lines[l][i + dx]
     * row[i,d]. Lines are to_stride floats apart, outputs counts their taps. */
    void (*direct_gradient)(float *sums, const float *row, const float *lines, const struct ops_product *shape);

    /* Dense layers in the planar order: w [upper][lower], x [images][lower], y and s [images][upper]. The bits of an
     * image do not depend on the number of images.
     *
     *   forward   y[i,k] (+)= sum_j w[k,j] x[i,j]
     *   backward  x[i,j] = sum_k w[k,j] s[i,k]
     *   flow      joint[i,k,c] (+)= s[i,k] sum_p w[k, c positions + p] x[i, c positions + p],
     *             [images][upper][channels] with lower = channels x positions */
    void (*dense_forward)(float *y, const float *x, const float *w, size_t images, size_t upper, size_t lower,
                          bool accumulate);
    void (*dense_backward)(float *x, const float *s, const float *w, size_t images, size_t upper, size_t lower);
    void (*dense_flow)(float *joint, const float *s, const float *x, const float *w, const struct ops_dense *shape,
                       bool accumulate);

    /* n positions of one block, [n][16], or `step` positions apart (kernels/layer/taps.h). y may be z or m.
     *
     *   gather      to = scale x factor, factor NULL meaning one
     *   evaluate    z + bias and second + second_bias become y, clamped, and c = scale / stab(d), zero where stab is
     *               zero; second is not read for OPS_DENOMINATOR_Z
     *   multiply    y (+)= by m + |by| second, second NULL meaning zero
     *   accumulate  to += w x, w [16]
     *   sum         z = the sum over taps of w x; second, unless NULL, that with the second weights */
    void (*positions_gather)(float *to, const float *x, const float *factor, size_t n, const struct ops_gather *gather);
    void (*positions_evaluate)(float *y, float *c, const float *z, const float *second, size_t n,
                               const struct ops_evaluate *evaluate);
    void (*positions_multiply)(float *y, const float *m, const float *second, const float *by, size_t n, bool add);
    void (*positions_accumulate)(float *to, size_t to_step, const float *x, size_t x_step, const float *w, size_t n);
    void (*positions_sum)(float *z, float *second, const struct ops_taps *taps, size_t n);

    /* A row of a pool's windows of one block of channels, for the modes with winners (kernels/layer/pool.h): top and
     * bottom [2 windows][16] are its rows of the lower variable, y, r and v [windows][16] of the upper one; codes
     * [windows][16] have a bit for every position that wins.
     *
     *   forward    y = the maximum, codes = the winners
     *   backward   top, bottom = r shared by the winners, zero elsewhere
     *   lift       v = the winners' mean of top and bottom */
    void (*windows_forward)(float *y, uint8_t *codes, const float *top, const float *bottom, size_t windows,
                            float tolerance, enum pool_mode mode);
    void (*windows_backward)(float *top, float *bottom, const float *r, const uint8_t *codes, size_t windows);
    void (*windows_lift)(float *v, const float *top, const float *bottom, const uint8_t *codes, size_t windows);

    /* One window of a pool of any window of up to 16 positions, of one block; a and lower are at its first position.
     * backward adds. codes [16]. */
    void (*window_forward)(float *y, uint16_t *codes, const float *a, const struct ops_window *window, float tolerance,
                           enum pool_mode mode);
    void (*window_backward)(float *lower, const float *r, const uint16_t *codes, const struct ops_window *window);
    void (*window_lift)(float *v, const float *lower, const uint16_t *codes, const struct ops_window *window);
};

/* The table of this name, or for NULL the best that this processor supports. Returns NULL if it is unknown or not
 * supported. */
const struct ops *ops_select(const char *want);

/* Name of table i, the most portable first; NULL after the last. */
const char *ops_name(size_t i);

/* Width of the panels of a product with so many outputs. */
size_t ops_width(const struct ops *ops, size_t outputs);

/* Number of steps of a product, or of a factor_product, each of which prefetches `each` lines of the cursor. */
size_t ops_product_steps(const struct ops *ops, const struct ops_product *shape);
size_t ops_factor_steps(const struct ops *ops, const struct ops_product *shape);

#endif
