/* Sampled flows of both demo networks over some of their images: errors are as large as they are said to be. All images
 * are in test_sampled_flows_slow.c. */
#include "tests/support/assert.h"
#include "tests/support/sampling_study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* So many sweeps that some rows are drawn by chance in 30 of the images. */
enum { IMAGES = 128, SWEEPS = 16, SEED = 1 };

static void errors_are_as_large_as_their_deviation(void **state)
{
    const struct study_pair *pairs = *state;

    for (size_t i = 0; i < STUDY_PAIRS; i++)
        for (size_t j = 1; j < STUDY_POINTS; j++) {
            const struct study_point *p = &pairs[i].points[j];
            assert_within(p->error, p->expected / STUDY_RMS, p->expected * STUDY_RMS,
                          "root mean square of all entries");
        }
}

static void rows_of_many_draws_know_their_error(void **state)
{
    const struct study_pair *pairs = *state;
    size_t entries = 0;

    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        const struct study_point *p = &pairs[i].points[STUDY_POINTS - 1];
        entries += p->entries;
        if (p->entries == 0)
            continue;
        assert_within(p->spread, 1 / STUDY_RMS, STUDY_RMS, "error / true deviation, root mean square");
        assert_within(p->claimed, 1 / STUDY_SQUARE, STUDY_SQUARE, "error / sampling_error, mean square");
    }
    assert_more(entries, STUDY_ENTRIES);
}

static void uniform_sampling_needs_twice_the_sweeps(void **state)
{
    const struct study_pair *pairs = *state;

    for (size_t i = 0; i < STUDY_PAIRS; i++)
        assert_more(pairs[i].uniform, STUDY_UNIFORM * SWEEPS);
}

int main(void)
{
    static struct study_pair vgg[STUDY_PAIRS], resnet[STUDY_PAIRS];
    const struct CMUnitTest of_vgg[] = {
        cmocka_unit_test_prestate(errors_are_as_large_as_their_deviation, vgg),
        cmocka_unit_test_prestate(rows_of_many_draws_know_their_error, vgg),
        cmocka_unit_test_prestate(uniform_sampling_needs_twice_the_sweeps, vgg),
    };
    const struct CMUnitTest of_resnet[] = {
        cmocka_unit_test_prestate(errors_are_as_large_as_their_deviation, resnet),
        cmocka_unit_test_prestate(rows_of_many_draws_know_their_error, resnet),
    };

    sampling_study(vgg, &study_vgg, IMAGES, SWEEPS, SEED);
    sampling_study(resnet, &study_resnet, IMAGES, SWEEPS, SEED);
    return cmocka_run_group_tests_name("VGG", of_vgg, NULL, NULL) +
           cmocka_run_group_tests_name("ResNet", of_resnet, NULL, NULL);
}
