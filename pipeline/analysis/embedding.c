#include "pipeline/analysis/embedding.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

/* ---- eigenvectors ---------------------------------------------------------------------------------------------- */

/* LAPACK's routine in OpenBLAS, which only LAPACKE's header declares. Fortran passes the lengths of texts last. */
void dsyevr_(const char *job, const char *range, const char *triangle, const int *n, double *a, const int *lda,
             const double *vl, const double *vu, const int *il, const int *iu, const double *tolerance, int *found,
             double *w, double *z, const int *ldz, int *support, double *work, const int *nwork, int *iwork,
             const int *niwork, int *info, size_t njob, size_t nrange, size_t ntriangle);

/* Eigenvectors of the d largest eigenvalues of a symmetric matrix, ascending.
 *
 *   values   out  [n] the first d are set
 *   vectors  out  [d][n]
 *   matrix   in   [n][n] destroyed */
static enum status eigenvectors(double *values, double *vectors, double *matrix, size_t n, size_t d, struct error *err)
{
    int order = (int)n, first = (int)(n - d + 1), found = 0, info = 0, nwork = 26 * order, niwork = 10 * order;
    const double unused = 0, tolerance = 0;
    double *work = calloc((size_t)nwork, sizeof *work);
    int *iwork = calloc((size_t)niwork + 2 * n, sizeof *iwork);

    if (work && iwork)
        dsyevr_("V", "I", "L", &order, matrix, &order, &unused, &unused, &first, &order, &tolerance, &found, values,
                vectors, &order, iwork + niwork, work, &nwork, iwork, &niwork, &info, 1, 1, 1);
    bool memory = work && iwork;

    free(work);
    free(iwork);
    if (!memory)
        return error_set(err, FAIL_RESOURCE, "no memory for the eigenvectors of %zu points", n);
    if (info != 0 || found != (int)d)
        return error_set(err, FAIL_SYSTEM, "LAPACK finds no eigenvectors of %zu points (dsyevr %d)", n, info);
    return OK;
}

/* The sign that makes the largest number positive. */
static double sign_of(const double *vector, size_t n)
{
    size_t largest = 0;

    for (size_t i = 1; i < n; i++)
        largest = fabs(vector[i]) > fabs(vector[largest]) ? i : largest;
    return vector[largest] < 0 ? -1 : 1;
}

static enum status check_points(struct embedding_points points, struct error *err)
{
    if (points.n > EMBEDDING_MOST_POINTS)
        return error_set(err, FAIL_LIMIT, "%zu points are too many to embed; at most %d are", points.n,
                         (int)EMBEDDING_MOST_POINTS);
    return OK;
}

/* ---- principal components -------------------------------------------------------------------------------------- */

/* [n][dims] with the mean point subtracted; NULL without memory. */
static double *centred(struct embedding_points points)
{
    double *x = malloc(points.n * points.dims * sizeof *x);

    for (size_t c = 0; x && c < points.dims; c++) {
        double sum = 0;
        for (size_t i = 0; i < points.n; i++)
            sum += points.x[i * points.dims + c];
        for (size_t i = 0; i < points.n; i++)
            x[i * points.dims + c] = points.x[i * points.dims + c] - sum / (double)points.n;
    }
    return x;
}

/* The eigenvalue problem of principal components: that of X X^T, [n][n], if there are fewer points than dimensions,
 * else that of X^T X, [dims][dims]. */
struct components {
    struct embedding_points points;
    bool by_point;   /* X X^T */
    size_t order;    /* of the matrix */
    double *x;       /* [n][dims] centred */
    double *matrix;  /* [order][order] */
    double *vectors; /* [d][order] ascending */
    double *values;  /* [order] */
    double *column;  /* [n] scratch: a component of every point */
};

/* Project the points on the d largest components. */
static void project(float *out, float *eigenvalue, const struct components *c, size_t d)
{
    size_t n = c->points.n, dims = c->points.dims;

    for (size_t k = 0; k < d; k++) {
        const double *vector = c->vectors + (d - 1 - k) * c->order;
        double variance = fmax(c->values[d - 1 - k], 0);
        if (c->by_point)
            for (size_t i = 0; i < n; i++)
                c->column[i] = vector[i] * sqrt(variance);
        else
            cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)n, (int)dims, 1, c->x, (int)dims, vector, 1, 0, c->column, 1);
        double sign = sign_of(c->column, n);
        for (size_t i = 0; i < n; i++)
            out[i * d + k] = (float)(sign * c->column[i]);
        eigenvalue[k] = (float)(variance / (double)(n > 1 ? n - 1 : 1));
    }
}

enum status embedding_pca(float *out, float *eigenvalue, struct embedding_points points, size_t d, struct error *err)
{
    bool by_point = points.n <= points.dims;
    size_t order = by_point ? points.n : points.dims;
    struct components c = {.points = points, .by_point = by_point, .order = order};
    enum status rc = OK;

    TRY(check_points(points, err));
    c.x = centred(points);
    c.matrix = calloc(order * order, sizeof *c.matrix);
    c.vectors = calloc(order * d, sizeof *c.vectors);
    c.values = calloc(order, sizeof *c.values);
    c.column = calloc(points.n, sizeof *c.column);
    if (!c.x || !c.matrix || !c.vectors || !c.values || !c.column)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the principal components of %zu points", points.n));
    cblas_dsyrk(CblasRowMajor, CblasUpper, by_point ? CblasNoTrans : CblasTrans, (int)order,
                (int)(by_point ? points.dims : points.n), 1, c.x, (int)points.dims, 0, c.matrix, (int)order);
    TRY(eigenvectors(c.values, c.vectors, c.matrix, order, d, err));
    project(out, eigenvalue, &c, d);
done:
    free(c.x);
    free(c.matrix);
    free(c.vectors);
    free(c.values);
    free(c.column);
    return rc;
}

/* ---- spectral embedding ---------------------------------------------------------------------------------------- */

/* Squared distances from their scalar products, |x|^2 + |y|^2 - 2 x y. In place; the upper triangle is read. */
static void distances(double *matrix, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double square = matrix[i * n + i] + matrix[j * n + j] - 2 * matrix[i * n + j];
            matrix[i * n + j] = matrix[j * n + i] = fmax(square, 0);
        }
    for (size_t i = 0; i < n; i++)
        matrix[i * n + i] = INFINITY; /* no point is its own neighbour */
}

/* The `count` nearest points of a row; at equal distance the first ones. */
static void neighbours(size_t *out, const double *row, size_t n, size_t count)
{
    size_t found = 0;

    for (size_t j = 0; j < n; j++) {
        size_t at = found < count ? found++ : count;
        while (at > 0 && row[j] < row[out[at - 1]]) {
            if (at < count)
                out[at] = out[at - 1];
            at--;
        }
        if (at < count)
            out[at] = j;
    }
}

/* Turn distances into D^-1/2 A D^-1/2. */
static void affinity(double *out, const double *square, double *degree, size_t n)
{
    size_t count = smaller(n - 1, EMBEDDING_NEIGHBOURS), near[EMBEDDING_NEIGHBOURS];

    memset(out, 0, n * n * sizeof *out);
    memset(degree, 0, n * sizeof *degree);
    for (size_t i = 0; i < n; i++) {
        neighbours(near, square + i * n, n, count);
        for (size_t k = 0; k < count; k++) {
            out[i * n + near[k]] += 0.5;
            out[near[k] * n + i] += 0.5;
            degree[i] += 0.5;
            degree[near[k]] += 0.5;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[i * n + j] /= sqrt(degree[i] * degree[j]);
}

/* Rows of length one, from eigenvectors in ascending order. */
static void unit_rows(float *out, const double *vectors, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t k = 0; k < d; k++)
            square += vectors[k * n + i] * vectors[k * n + i];
        for (size_t k = 0; k < d; k++) {
            const double *vector = vectors + (d - 1 - k) * n;
            out[i * d + k] = square > 0 ? (float)(sign_of(vector, n) * vector[i] / sqrt(square)) : 0;
        }
    }
}

enum status embedding_spectral(float *out, float *eigenvalue, struct embedding_points points, size_t d,
                               struct error *err)
{
    size_t n = points.n;
    double *square = NULL, *matrix = NULL, *vectors = NULL, *values = NULL;
    enum status rc = OK;

    TRY(check_points(points, err));
    square = calloc(n * n, sizeof *square);
    matrix = calloc(n * n, sizeof *matrix);
    vectors = calloc(n * d, sizeof *vectors);
    values = calloc(n, sizeof *values);
    if (!square || !matrix || !vectors || !values)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the spectral embedding of %zu points", n));
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int)n, (int)points.dims, 1, points.x, (int)points.dims, 0,
                square, (int)n);
    distances(square, n);
    affinity(matrix, square, values, n);
    TRY(eigenvectors(values, vectors, matrix, n, d, err));
    unit_rows(out, vectors, n, d);
    for (size_t k = 0; k < d; k++)
        eigenvalue[k] = (float)fmax(1 - values[d - 1 - k], 0);
done:
    free(square);
    free(matrix);
    free(vectors);
    free(values);
    return rc;
}

/* ---- clusters -------------------------------------------------------------------------------------------------- */

enum { STARTS = 10, STEPS = 100 };

struct clustering {
    struct embedding_points points;
    size_t k;
    double *centres; /* [k][dims] */
    double *nearest; /* [n] squared distance to the nearest centre */
    size_t *sizes;   /* [k] */
    int32_t *of;     /* [n] */
    uint64_t random;
};

/* splitmix64, in [0, 1). */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double distance(const double *a, const double *b, size_t dims)
{
    double sum = 0;

    for (size_t c = 0; c < dims; c++)
        sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sum;
}

/* Draw a point with probability proportional to `nearest`, or uniformly if that is zero everywhere. */
static size_t draw(struct clustering *s)
{
    size_t n = s->points.n;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += s->nearest[i];
    double left = uniform(&s->random) * sum;
    if (!(sum > 0))
        return (size_t)(uniform(&s->random) * (double)n);
    for (size_t i = 0; i < n; i++) {
        left -= s->nearest[i];
        if (left < 0)
            return i;
    }
    return n - 1;
}

/* k-means++: centres far from those before. */
static void choose_centres(struct clustering *s)
{
    size_t dims = s->points.dims;

    for (size_t i = 0; i < s->points.n; i++)
        s->nearest[i] = 1;
    for (size_t k = 0; k < s->k; k++) {
        double *centre = s->centres + k * dims;
        memcpy(centre, s->points.x + draw(s) * dims, dims * sizeof *centre);
        for (size_t i = 0; i < s->points.n; i++) {
            double square = distance(s->points.x + i * dims, centre, dims);
            s->nearest[i] = k == 0 || square < s->nearest[i] ? square : s->nearest[i];
        }
    }
}

/* Assign every point to its nearest centre. Returns the sum of squared distances; `moved` tells whether any point has
 * changed its centre. */
static double assign(bool *moved, struct clustering *s)
{
    size_t dims = s->points.dims;
    double sum = 0;

    *moved = false;
    for (size_t i = 0; i < s->points.n; i++) {
        int32_t best = 0;
        s->nearest[i] = INFINITY;
        for (size_t k = 0; k < s->k; k++) {
            double square = distance(s->points.x + i * dims, s->centres + k * dims, dims);
            best = square < s->nearest[i] ? (int32_t)k : best;
            s->nearest[i] = fmin(square, s->nearest[i]);
        }
        *moved = *moved || s->of[i] != best;
        s->of[i] = best;
        sum += s->nearest[i];
    }
    return sum;
}

/* Centres become the means of their points; one without points stays where it is. */
static void move_centres(struct clustering *s)
{
    size_t dims = s->points.dims;

    memset(s->sizes, 0, s->k * sizeof *s->sizes);
    for (size_t i = 0; i < s->points.n; i++) {
        double *centre = s->centres + (size_t)s->of[i] * dims;
        bool first = s->sizes[s->of[i]]++ == 0;
        for (size_t c = 0; c < dims; c++)
            centre[c] = (first ? 0 : centre[c]) + s->points.x[i * dims + c];
    }
    for (size_t k = 0; k < s->k; k++)
        for (size_t c = 0; s->sizes[k] && c < dims; c++)
            s->centres[k * dims + c] /= (double)s->sizes[k];
}

static double cluster_once(struct clustering *s)
{
    bool moved = true;
    double sum = 0;

    memset(s->of, -1, s->points.n * sizeof *s->of);
    choose_centres(s);
    for (size_t step = 0; moved && step < STEPS; step++) {
        sum = assign(&moved, s);
        move_centres(s);
    }
    return sum;
}

/* Number clusters by size, the largest first. */
static void order_clusters(int32_t *of, size_t *sizes, size_t n, size_t k)
{
    memset(sizes, 0, k * sizeof *sizes);
    for (size_t i = 0; i < n; i++)
        sizes[of[i]]++;
    for (size_t i = 0; i < n; i++) {
        size_t mine = (size_t)of[i], rank = 0;
        for (size_t other = 0; other < k; other++)
            rank += sizes[other] > sizes[mine] || (sizes[other] == sizes[mine] && other < mine);
        of[i] = (int32_t)rank;
    }
}

enum status embedding_clusters(int32_t *out, struct embedding_points points, size_t k, struct error *err)
{
    struct clustering s = {.points = points, .k = k, .random = points.n};
    double best = INFINITY;
    enum status rc = OK;

    s.centres = calloc(k * points.dims, sizeof *s.centres);
    s.nearest = calloc(points.n, sizeof *s.nearest);
    s.sizes = calloc(k, sizeof *s.sizes);
    s.of = calloc(points.n, sizeof *s.of);
    if (!s.centres || !s.nearest || !s.sizes || !s.of)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the clusters of %zu points", points.n));
    for (size_t start = 0; start < STARTS; start++) {
        double sum = cluster_once(&s);
        if (sum < best)
            memcpy(out, s.of, points.n * sizeof *out);
        best = fmin(sum, best);
    }
    order_clusters(out, s.sizes, points.n, k);
done:
    free(s.centres);
    free(s.nearest);
    free(s.sizes);
    free(s.of);
    return rc;
}
