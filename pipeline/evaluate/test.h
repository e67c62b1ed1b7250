/* The tests of an evaluation. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_TEST_H
#define NRMFLOW_PIPELINE_EVALUATE_TEST_H

#include "io/base/error.h"

#include <stdbool.h>

enum test { TEST_TARGETS, TEST_DAMAGE, TEST_CHANNELS, TEST_LAYERS, TEST_FLOWS, TEST_PIXELS, TEST_RANDOMISED, TESTS };

struct test_entry {
    const char *name, *help;
    bool standard; /* without --tests */
};

extern const struct test_entry test_table[TESTS];

/* Mark the tests of a list "targets,damage"; NULL: the standard ones. Errors: FAIL_CONFIG for an unknown name, with the
 * nearest. */
enum status test_choose(bool chosen[TESTS], const char *list, struct error *err);

#endif
