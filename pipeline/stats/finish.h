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

/* Mean and standard error of the condition's mass. Means divided by it are statistically
 * unreliable if it is weak (weak.h): the attribute weak_condition. */
struct finish_given {
    double mean, std_error;
    bool weak;
};

struct finish_given finish_given(const struct statistics *s, const struct sums *sums);

#endif
