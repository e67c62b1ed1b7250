#include "pipeline/run/time_profile.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *advice;
} stages[TIME_PROFILE_STAGES] = {
    [TIME_PROFILE_START] = {"start",
                            "reading the model and listing the images take longer than the rest of this short run; "
                            "fewer ranks start as fast, and more images start no later"},
    [TIME_PROFILE_DECODE] = {"decode",
                             "ranks wait for images: store them on a faster disk, in tar shards, or in a smaller size "
                             "(that of data.resize)"},
    [TIME_PROFILE_MEASURE] = {"measure",
                              "this is the computation itself: use more ranks, or leave out what you do not need: far "
                              "flows, all flows (measure.flows = none), a condition (measure.given = none)"},
    [TIME_PROFILE_STATISTICS] = {"statistics",
                                 "ask for fewer sums: store.classes = none or a list, no store.class_flows, no "
                                 "store.maps, store.histogram_bins = 0"},
    [TIME_PROFILE_WRITE] = {"write",
                            "write less often with a longer run.epoch, or less: store.per_image = none, store.classes "
                            "= none, store.compression = 0"},
    [TIME_PROFILE_WAIT] = {"wait", "ranks wait for the last blocks: use a smaller run.block, fewer ranks, or a longer "
                                   "run.epoch"},
};

const char *time_profile_name(enum time_profile_stage stage)
{
    return stages[stage].name;
}

enum time_profile_stage time_profile_slowest(const struct time_profile *profile)
{
    enum time_profile_stage slowest = 0;

    for (int i = 1; i < TIME_PROFILE_STAGES; i++)
        if (profile->seconds[i] > profile->seconds[slowest])
            slowest = (enum time_profile_stage)i;
    return slowest;
}

double time_profile_share(const struct time_profile *profile, enum time_profile_stage stage)
{
    double total = 0;

    for (int i = 0; i < TIME_PROFILE_STAGES; i++)
        total += profile->seconds[i];
    return total > 0 ? profile->seconds[stage] / total : 0;
}

void time_profile_line(char out[TIME_PROFILE_LINE], const struct time_profile *profile)
{
    size_t used = 0;

    for (int i = 0; i < TIME_PROFILE_STAGES; i++)
        used += (size_t)snprintf(out + used, TIME_PROFILE_LINE - used, "%s%s=%.0f%%", i ? " " : "", stages[i].name,
                                 100 * time_profile_share(profile, (enum time_profile_stage)i));
}

const char *time_profile_advice(const char *name)
{
    for (int i = 0; i < TIME_PROFILE_STAGES; i++)
        if (strcmp(stages[i].name, name) == 0)
            return stages[i].advice;
    return NULL;
}
