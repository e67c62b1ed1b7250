/* Moments: sums over images of a quantity x for every entry of an array, and, where they are kept, of x^2 and of x y. y
 * is the mass of the image's condition, 1 without one.
 *
 * An image is added to the sums of its block, in double precision and in the order of the images. At the end of the
 * block these are added to the exact sums of the node. Moments whose sums of a block would be too large are added to
 * the exact sums at once, image by image. Callers do not have to know which: a book holds both and is the way into the
 * node's sums.
 *
 * Not collective; each rank has its own book.
 */
#ifndef NRMFLOW_PIPELINE_STATS_MOMENTS_H
#define NRMFLOW_PIPELINE_STATS_MOMENTS_H

#include "io/base/error.h"
#include "kernels/base/arena.h"
#include "pipeline/stats/sums.h"

/* Which sums are kept of every entry. Each value includes those before it. */
enum moments_kept { MOMENTS_NONE, MOMENTS_X, MOMENTS_SQUARE, MOMENTS_PRODUCT };

struct moments {
    enum moments_kept kept;
    size_t count; /* entries */
    size_t first; /* number of the section of x in the plan of the sums; those of x^2 and x y follow it */
};

/* Plan the sections of moments, `bits` those of the sum of x (exact.h); squares and products have EXACT_SQUARE. */
struct moments moments_plan(struct sums_plan *plan, const char *name, size_t count, enum moments_kept kept, int bits);

/* Values that go into exact sums at a time. */
enum { MOMENTS_CHUNK = 4096 };

/* A rank's way into the sums of its node. Arrays are placed in an arena. */
struct moments_book {
    const struct sums_plan *plan; /* borrowed */
    struct sums *sums;            /* the node's, borrowed from moments_reset to moments_commit */
    double **block;               /* [sections] sums, or maxima, of the block; NULL for what is added at once */
    double *values, *products;    /* [MOMENTS_CHUNK] scratch */
    struct error failure;         /* the first of the block; after it no moments are added to the node's sums */
};

/* Place a book in which everything is added at once; give a section, or all those of moments, sums of the block. With
 * an arena over NULL, only compute the size. */
void moments_book_place(struct moments_book *book, const struct sums_plan *plan, struct arena *arena);
void moments_place_section(struct moments_book *book, size_t section, struct arena *arena);
void moments_place(struct moments_book *book, const struct moments *m, struct arena *arena);

/* Begin a block: its sums are zero, its maxima -infinity. */
void moments_reset(struct moments_book *book, struct sums *sums);

/* Add an image's values: x[i] to entry first + i, 0 <= i < n. Does nothing with MOMENTS_NONE. moments_commit reports a
 * value that does not fit. */
void moments_add(struct moments_book *book, const struct moments *m, size_t first, const double *x, double y, size_t n);
void moments_add_floats(struct moments_book *book, const struct moments *m, size_t first, const float *x, double y,
                        size_t n);

/* End a block: add its sums to the node's. Errors: the first of the block, FAIL_LIMIT as sums_add. */
enum status moments_commit(struct moments_book *book, struct error *err);

/* ---- from sums to numbers ---- */

/* Number of images, and sums of y and y^2. */
struct moments_given {
    double n, y, yy;
};

/* Standard error of the mean of y; NaN with fewer than two images. */
double moments_given_error(struct moments_given given);

/* Mean, standard deviation and standard error of x over the images, relative to the mean of y.
 *
 *   r = x / y, se^2 = (s_x^2 - 2 r s_xy + r^2 s_y^2) / (n mean(y)^2), clamped at zero; std = s_x / |mean(y)|
 *
 *   x, xx, xy  sums
 * The mean is NaN without images, the others with fewer than two. */
struct moments_ratio {
    double mean, std, std_error;
};

struct moments_ratio moments_ratio(struct moments_given given, double x, double xx, double xy);

/* The same for entry i of moments that have squares. Without products, y is one and x y is x. */
struct moments_ratio moments_ratio_at(const struct moments *m, const struct sums *sums, size_t i,
                                      struct moments_given given);

#endif
