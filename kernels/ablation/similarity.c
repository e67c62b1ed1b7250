#include "kernels/ablation/similarity.h"

#include "kernels/ablation/ranking.h"

#include <math.h>

void similarity_place(struct similarity_work *work, size_t n, struct arena *arena)
{
    for (size_t i = 0; i < 2; i++)
        work->ranks[i] = arena_doubles(arena, n);
    work->order = arena_bytes(arena, n * sizeof *work->order);
    work->scratch = arena_bytes(arena, n * sizeof *work->scratch);
}

static double mean_of(const double *u, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += u[i];
    return sum / (double)n;
}

/* The cosine of u - u0 and v - v0. */
static double cosine_about(const double *u, double u0, const double *v, double v0, size_t n)
{
    double uu = 0, uv = 0, vv = 0;

    for (size_t i = 0; i < n; i++) {
        double a = u[i] - u0, b = v[i] - v0;
        uu += a * a;
        uv += a * b;
        vv += b * b;
    }
    return uu > 0 && vv > 0 ? uv / (sqrt(uu) * sqrt(vv)) : NAN;
}

static double pearson_of(const double *u, const double *v, size_t n)
{
    return cosine_about(u, mean_of(u, n), v, mean_of(v, n), n);
}

struct similarity similarity_of(const double *u, const double *v, size_t n, struct similarity_work *work)
{
    ranking_ranks(work->ranks[0], work->order, work->scratch, u, n);
    ranking_ranks(work->ranks[1], work->order, work->scratch, v, n);
    return (struct similarity){.cosine = cosine_about(u, 0, v, 0, n),
                               .pearson = pearson_of(u, v, n),
                               .spearman = pearson_of(work->ranks[0], work->ranks[1], n)};
}
