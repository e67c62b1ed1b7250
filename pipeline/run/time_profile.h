/* Where the time of a run went, and how to shorten it. */
#ifndef NRMFLOW_PIPELINE_RUN_TIME_PROFILE_H
#define NRMFLOW_PIPELINE_RUN_TIME_PROFILE_H

#include <stddef.h>

enum time_profile_stage {
    TIME_PROFILE_START,      /* reading the model, listing the images, planning */
    TIME_PROFILE_DECODE,     /* waiting for images, which are read and decoded in the background */
    TIME_PROFILE_MEASURE,    /* the network and its relevance */
    TIME_PROFILE_STATISTICS, /* adding the results to the sums */
    TIME_PROFILE_WRITE,      /* making an epoch durable: rows, sums, the store */
    TIME_PROFILE_WAIT,       /* waiting for other ranks at an epoch's end */
    TIME_PROFILE_STAGES
};

struct time_profile {
    double seconds[TIME_PROFILE_STAGES]; /* of a rank, or of all together */
};

enum { TIME_PROFILE_LINE = 192 };

/* A stage's name: "decode", as in the store's attribute seconds_decode. */
const char *time_profile_name(enum time_profile_stage stage);

/* The stage of the longest time; the first of equal ones. */
enum time_profile_stage time_profile_slowest(const struct time_profile *profile);

/* A stage's share of the total time, 0 to 1; 0 if the total is zero. */
double time_profile_share(const struct time_profile *profile, enum time_profile_stage stage);

/* "start=1% decode=0% measure=95% ..." */
void time_profile_line(char out[TIME_PROFILE_LINE], const struct time_profile *profile);

/* What to change if the stage of this name is the slowest; NULL for an unknown name. */
const char *time_profile_advice(const char *name);

#endif
