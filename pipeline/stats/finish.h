/* Turning the sums of a run into the numbers of its store. Not collective: world rank 0 only. */
#ifndef NRMFLOW_PIPELINE_STATS_FINISH_H
#define NRMFLOW_PIPELINE_STATS_FINISH_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/stats/statistics.h"

/* Write the groups layers/ and flows/ of the store and, with sums by class, the numbers of classes/. */
enum status finish_statistics(struct store *store, const struct statistics *s, const struct sums *sums,
                              struct error *err);

/* Bytes of memory that finish_statistics allocates. */
size_t finish_bytes(const struct statistics *s);

/* Number of images, and mean and standard error of the condition's mass. Means divided by it are statistically
 * unreliable if |mean| < 3 standard errors: the attribute weak_condition. */
struct finish_given {
    double images, mean, std_error;
    bool weak;
};

struct finish_given finish_given(const struct statistics *s, const struct sums *sums);

/* Mean, standard deviation and standard error of x over the images, relative to the mean of y.
 *
 *   r = x / y, se^2 = (s_x^2 - 2 r s_xy + r^2 s_y^2) / (n mean(y)^2), clamped at zero; std = s_x / |mean(y)|
 *
 *   n, y, yy  number of images, sums of y and y^2
 *   x, xx, xy sums
 * The mean is NaN without images, the others with fewer than two. */
struct finish_moments {
    double n, y, yy;
};

struct finish_ratio {
    double mean, std, std_error;
};

struct finish_ratio finish_ratio(struct finish_moments m, double x, double xx, double xy);

#endif
