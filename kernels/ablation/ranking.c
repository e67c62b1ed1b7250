#include "kernels/ablation/ranking.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Whether the score of unit a is below that of b. */
static bool below(const double *score, size_t a, size_t b)
{
    return isnan(score[b]) ? false : isnan(score[a]) || score[a] < score[b];
}

/* Merge the sorted runs first .. middle - 1 and middle .. end - 1; of equal scores the left one comes first. */
static void merge(size_t *restrict to, const size_t *restrict from, const double *score, size_t first, size_t middle,
                  size_t end)
{
    size_t left = first, right = middle;

    for (size_t i = first; i < end; i++) {
        bool take_right = left == middle || (right < end && below(score, from[left], from[right]));
        to[i] = take_right ? from[right++] : from[left++];
    }
}

/* Merge sort: runs of twice the width in every round. */
void ranking_order(size_t *restrict order, size_t *restrict scratch, const double *restrict score, size_t n)
{
    size_t *from = order, *to = scratch;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t first = 0; first < n; first += 2 * width)
            merge(to, from, score, first, smaller(first + width, n), smaller(first + 2 * width, n));
        size_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != order)
        memcpy(order, from, n * sizeof *order);
}

void ranking_ranks(double *restrict rank, size_t *restrict order, size_t *restrict scratch,
                   const double *restrict score, size_t n)
{
    ranking_order(order, scratch, score, n);
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && !below(score, order[end], order[first]); end++)
            ;
        for (size_t i = first; i < end; i++)
            rank[order[i]] = (double)(n - 1) - (double)(first + end - 1) / 2;
    }
}
