#include "tests/support/winograd_reference.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 6 };

/* |A'|, |G| and |B'| of F(4x4) with the points 0, +-3/4, +-3/2, infinity, and of F(2x2) with 0, +-1, infinity. */
struct magnitudes {
    double a[4][POINTS], g[POINTS][3], b[POINTS][POINTS];
};

static const struct magnitudes four = {.a = {{1, 1, 1, 1, 1, 0},
                                             {0, 0.75, 0.75, 1.5, 1.5, 0},
                                             {0, 0.5625, 0.5625, 2.25, 2.25, 0},
                                             {0, 0.421875, 0.421875, 3.375, 3.375, 1}},
                                       .g = {{64. / 81, 0, 0},
                                             {128. / 243, 32. / 81, 8. / 27},
                                             {128. / 243, 32. / 81, 8. / 27},
                                             {32. / 243, 16. / 81, 8. / 27},
                                             {32. / 243, 16. / 81, 8. / 27},
                                             {0, 0, 1}},
                                       .b = {{81. / 64, 0, 45. / 16, 0, 1, 0},
                                             {0, 27. / 16, 9. / 4, 3. / 4, 1, 0},
                                             {0, 27. / 16, 9. / 4, 3. / 4, 1, 0},
                                             {0, 27. / 32, 9. / 16, 3. / 2, 1, 0},
                                             {0, 27. / 32, 9. / 16, 3. / 2, 1, 0},
                                             {0, 81. / 64, 0, 45. / 16, 0, 1}}};

static const struct magnitudes two = {.a = {{1, 1, 1, 0}, {0, 1, 1, 1}},
                                      .g = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, {0, 0, 1}},
                                      .b = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}}};

static double at(const float *plane, struct winograd s, size_t y, size_t x)
{
    return y < 1 || y > s.height || x < 1 || x > s.width ? 0 : (double)plane[(y - 1) * s.width + x - 1];
}

static double weight(struct planes p, struct winograd s, size_t k, size_t c, size_t tap)
{
    return (double)(s.adjoint ? p.w[(c * s.outputs + k) * 9 + 8 - tap] : p.w[(k * s.inputs + c) * 9 + tap]);
}

static double term(struct planes p, struct winograd s, size_t k, size_t c, size_t y, size_t x)
{
    double total = 0;

    for (size_t tap = 0; tap < 9; tap++)
        total += weight(p, s, k, c, tap) * at(p.x + c * s.height * s.width, s, y + tap / 3, x + tap % 3);
    return total;
}

/* M x M' of magnitudes, from a square of `from` values to one of `to`. */
static void sandwich(double out[POINTS][POINTS], double in[POINTS][POINTS], const double *m, size_t stride, size_t to,
                     size_t from)
{
    double half[POINTS][POINTS] = {{0}};

    memset(out, 0, POINTS * sizeof *out);
    for (size_t i = 0; i < to; i++)
        for (size_t j = 0; j < from; j++)
            for (size_t q = 0; q < from; q++)
                half[i][j] += m[i * stride + q] * in[q][j];
    for (size_t i = 0; i < to; i++)
        for (size_t j = 0; j < to; j++)
            for (size_t q = 0; q < from; q++)
                out[i][j] += half[i][q] * m[j * stride + q];
}

/* The transforms of magnitudes of one channel pair and tile: |G||w||G'| and |B'||x||B|. */
static void magnitudes_of(double u[POINTS][POINTS], double v[POINTS][POINTS], struct planes p, struct winograd s,
                          size_t k, size_t c, size_t y, size_t x)
{
    const struct magnitudes *m = s.tile == 4 ? &four : &two;
    double w[POINTS][POINTS] = {{0}}, d[POINTS][POINTS] = {{0}};

    for (size_t tap = 0; tap < 9; tap++)
        w[tap / 3][tap % 3] = fabs(weight(p, s, k, c, tap));
    for (size_t i = 0; i < s.tile + 2; i++)
        for (size_t j = 0; j < s.tile + 2; j++)
            d[i][j] = fabs(at(p.x + c * s.height * s.width, s, y + i, x + j));
    sandwich(u, w, m->g[0], 3, s.tile + 2, 3);
    sandwich(v, d, m->b[0], POINTS, s.tile + 2, s.tile + 2);
}

/* Every float of the algorithm is a sum of products. Carried out with magnitudes, |A'| (|G||w||G'| * |B'||x||B|) |A|,
 * each rounding costs at most u of the result. On the way to an output lie at most: one for the weight, one for a
 * factor of x, 2 x 4 in the input transform, one for each input and 2 x 6 in the output transform; to an entry of
 * the flow one for the weight, 1 + 2 x 4 for x, 1 + 2 x 4 for the lower array, and one for each tile, point and
 * block of tiles. */
static void expect_pair(struct expected *e, struct planes p, struct winograd s, size_t k, size_t c)
{
    const struct magnitudes *m = s.tile == 4 ? &four : &two;
    size_t area = s.height * s.width, positions = k * area;
    double to_output = (double)(22 + s.inputs) * (double)FLT_EPSILON / 2;
    double to_joint = (double)(19 + area + POINTS * POINTS) * (double)FLT_EPSILON / 2;
    double u[POINTS][POINTS], v[POINTS][POINTS];

    for (size_t y = 0; y < s.height; y++)
        for (size_t x = 0; x < s.width; x++, positions++) {
            double value = term(p, s, k, c, y, x), total = 0, below = (double)p.lower[positions];
            magnitudes_of(u, v, p, s, k, c, y / s.tile * s.tile, x / s.tile * s.tile);
            for (size_t i = 0; i < s.tile + 2; i++)
                for (size_t j = 0; j < s.tile + 2; j++)
                    total += m->a[y % s.tile][i] * m->a[x % s.tile][j] * u[i][j] * v[i][j];
            e->t[positions] += value;
            e->t_bound[positions] += to_output * total;
            e->joint[c * s.outputs + k] += value * below;
            e->joint_bound[c * s.outputs + k] += to_joint * total * fabs(below);
        }
}

static double *zeros(size_t n)
{
    double *p = calloc(n, sizeof *p);

    if (!p)
        abort();
    return p;
}

struct expected expected_of(struct planes p, struct winograd s)
{
    size_t outputs = s.outputs * s.height * s.width, pairs = s.inputs * s.outputs;
    struct expected e = {zeros(outputs), zeros(outputs), zeros(pairs), zeros(pairs)};

    for (size_t k = 0; k < s.outputs; k++)
        for (size_t c = 0; c < s.inputs; c++)
            expect_pair(&e, p, s, k, c);
    return e;
}

void expected_free(struct expected *e)
{
    free(e->t);
    free(e->t_bound);
    free(e->joint);
    free(e->joint_bound);
}
