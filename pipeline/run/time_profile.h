/* Where the time of a run went, and what would make it shorter. */
#ifndef NRMFLOW_PIPELINE_RUN_TIME_PROFILE_H
#define NRMFLOW_PIPELINE_RUN_TIME_PROFILE_H

#include <stddef.h>

enum account_stage {
    ACCOUNT_START,      /* reading the model, listing the images, planning */
    ACCOUNT_DECODE,     /* waiting for images that are read and decoded beside the computation */
    ACCOUNT_MEASURE,    /* the network and its relevance */
    ACCOUNT_STATISTICS, /* adding it to the sums */
    ACCOUNT_WRITE,      /* making an epoch durable: rows, sums, the store */
    ACCOUNT_WAIT,       /* waiting for other ranks at an epoch's end */
    ACCOUNT_STAGES
};

struct account {
    double seconds[ACCOUNT_STAGES]; /* of a rank, or of all together */
};

enum { ACCOUNT_LINE = 192 };

/* "decode", as in the store's attribute seconds_decode. */
const char *account_name(enum account_stage stage);

/* The stage of the longest time; the first of equal ones. */
enum account_stage account_slowest(const struct account *account);

/* Share of a stage in all, 0 to 1; 0 if nothing took any time. */
double account_share(const struct account *account, enum account_stage stage);

/* "start=1% decode=0% measure=95% ..." */
void account_line(char out[ACCOUNT_LINE], const struct account *account);

/* What to change where the stage of this name is the slowest; NULL for another name. */
const char *account_advice(const char *name);

#endif
