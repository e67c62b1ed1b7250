#include "pipeline/run/time_profile.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *advice;
} stages[ACCOUNT_STAGES] = {
    [ACCOUNT_START] = {"start", "reading the model and listing the images outlast the rest of such a short run; fewer "
                                "ranks read as fast, and more images do not take longer to begin"},
    [ACCOUNT_DECODE] = {"decode",
                        "ranks wait for images: put them on a faster disk, into tar shards, or make them smaller "
                        "(a copy in the size that data.resize asks for)"},
    [ACCOUNT_MEASURE] = {"measure",
                         "this is the computation itself, which more ranks share; leave out what is not needed of "
                         "far flows, all flows (measure.flows = none) and the condition (measure.given = none)"},
    [ACCOUNT_STATISTICS] = {"statistics",
                            "ask for fewer sums: store.classes = none or a list, no store.class_flows, no "
                            "store.maps, store.histogram_bins = 0"},
    [ACCOUNT_WRITE] = {"write",
                       "write less often with a longer run.epoch, or less: store.per_image = none, store.classes "
                       "= none, store.compression = 0"},
    [ACCOUNT_WAIT] = {"wait", "ranks wait for the last blocks: use a smaller run.block, fewer ranks, or a longer "
                              "run.epoch"},
};

const char *account_name(enum account_stage stage)
{
    return stages[stage].name;
}

enum account_stage account_slowest(const struct account *account)
{
    enum account_stage slowest = 0;

    for (int i = 1; i < ACCOUNT_STAGES; i++)
        if (account->seconds[i] > account->seconds[slowest])
            slowest = (enum account_stage)i;
    return slowest;
}

double account_share(const struct account *account, enum account_stage stage)
{
    double total = 0;

    for (int i = 0; i < ACCOUNT_STAGES; i++)
        total += account->seconds[i];
    return total > 0 ? account->seconds[stage] / total : 0;
}

void account_line(char out[ACCOUNT_LINE], const struct account *account)
{
    size_t used = 0;

    for (int i = 0; i < ACCOUNT_STAGES; i++)
        used += (size_t)snprintf(out + used, ACCOUNT_LINE - used, "%s%s=%.0f%%", i ? " " : "", stages[i].name,
                                 100 * account_share(account, (enum account_stage)i));
}

const char *account_advice(const char *name)
{
    for (int i = 0; i < ACCOUNT_STAGES; i++)
        if (strcmp(stages[i].name, name) == 0)
            return stages[i].advice;
    return NULL;
}
