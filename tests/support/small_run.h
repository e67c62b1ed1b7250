/* The plan of a run without MPI: a VGG11 of a few channels with random weights, and a list of 20 small images. */
#ifndef NRMFLOW_TESTS_SUPPORT_SMALL_RUN_H
#define NRMFLOW_TESTS_SUPPORT_SMALL_RUN_H

#include "pipeline/run/plan.h"
#include "tests/support/temporary.h"

enum {
    SMALL_IMAGES = 20, /* image i is labelled i modulo 3, but */
    SMALL_UNLABELLED = 5,
    SMALL_DAMAGED = 9, /* is no PNG file at all */
    SMALL_CLASSES = 3,
    SMALL_BLOCK = 4
};

struct small_run {
    char folder[TEMPORARY_PATH], text[2 * TEMPORARY_PATH];
    struct config config;
    struct log log; /* into `messages` */
    FILE *messages;
    float *weights, *forms;
    struct run_plan plan; /* all but what run_plan_images and run_plan_sums choose */
};

/* The default configuration but for blocks of SMALL_BLOCK images, no flows, and a list of --set ended by NULL. Ends
 * the test where that fails. Caller frees with small_run_free. */
void small_run_init(struct small_run *run, const char *const *sets);
void small_run_free(struct small_run *run);

/* Finish the plan; a failure ends the test. */
void small_run_plan(struct small_run *run);

#endif
