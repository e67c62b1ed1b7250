/* Sampled flows of both networks over the whole demo: estimates without bias, errors as large as they are said to be
 * and shrinking as one over the root of the images; of VGG, at less than half of the cost of uniform sampling. */
#include "tests/support/assert.h"
#include "tests/support/sampling_study.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { IMAGES = 10000, SWEEPS = 1, SEED = 20261124 };

static void rows_of_many_draws_know_their_error(void **state)
{
    const struct study_pair *pairs = *state;

    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        const struct study_point *p = &pairs[i].points[STUDY_POINTS - 1];
        assert_more(p->entries, STUDY_ENTRIES);
        assert_within(p->spread, 1 / STUDY_RMS, STUDY_RMS, "error / true deviation, root mean square");
        assert_within(p->claimed, 1 / STUDY_SQUARE, STUDY_SQUARE, "error / sampling_error, mean square");
    }
}

/* A sixteenth, a quarter, all of the images: a factor of two each time. */
static void errors_shrink_as_one_over_the_root_of_the_images(void **state)
{
    const struct study_pair *pairs = *state;

    for (size_t i = 0; i < STUDY_PAIRS; i++)
        for (size_t j = 1; j < STUDY_POINTS; j++) {
            const struct study_point *few = &pairs[i].points[j - 1], *many = &pairs[i].points[j];
            double root = sqrt((double)many->images / (double)few->images);
            assert_within(few->expected / many->expected, root / STUDY_IMAGES, root * STUDY_IMAGES, "true deviations");
            assert_within(few->error / many->error, root / STUDY_RATIO, root * STUDY_RATIO, "errors");
        }
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
        cmocka_unit_test_prestate(rows_of_many_draws_know_their_error, vgg),
        cmocka_unit_test_prestate(errors_shrink_as_one_over_the_root_of_the_images, vgg),
        cmocka_unit_test_prestate(uniform_sampling_needs_twice_the_sweeps, vgg),
    };
    const struct CMUnitTest of_resnet[] = {
        cmocka_unit_test_prestate(rows_of_many_draws_know_their_error, resnet),
        cmocka_unit_test_prestate(errors_shrink_as_one_over_the_root_of_the_images, resnet),
    };

    sampling_study(vgg, &study_vgg, IMAGES, SWEEPS, SEED);
    sampling_study(resnet, &study_resnet, IMAGES, SWEEPS, SEED);
    return cmocka_run_group_tests_name("VGG", of_vgg, NULL, NULL) +
           cmocka_run_group_tests_name("ResNet", of_resnet, NULL, NULL);
}
