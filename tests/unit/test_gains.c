/* Statistics of an evaluation, on rows made by hand. */
#include "pipeline/evaluate/gains.h"
#include "pipeline/evaluate/verdict.h"
#include "tests/support/assert.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 6, STEPS = 2, CURVES = CURVE_SIDES * (STEPS + 1) * CURVE_OUTCOMES, ROW = ROW_HEAD + 2 * CURVES };

static const double fraction[STEPS + 1] = {0, 0.5, 1};

/* Two orders of one place. */
static struct design_result results[] = {
    {.kind = DESIGN_CURVES,
     .test = TEST_LAYERS,
     .order = ORDER_RELEVANCE,
     .place = "convolutions",
     .nfractions = STEPS + 1,
     .fraction = fraction,
     .at = ROW_HEAD,
     .floats = CURVES,
     .baseline = SIZE_MAX},
    {.kind = DESIGN_CURVES,
     .test = TEST_LAYERS,
     .order = ORDER_ACTIVATION,
     .place = "convolutions",
     .nfractions = STEPS + 1,
     .fraction = fraction,
     .at = ROW_HEAD + CURVES,
     .floats = CURVES,
     .baseline = 0},
};

static struct design small_design(void)
{
    struct design design = {.results = results, .nresults = 2, .row = ROW};

    for (size_t t = 0; t <= TESTS; t++)
        design.first[t] = t > TEST_LAYERS ? 2 : 0;
    return design;
}

/* Curves whose gain of p is `gain`: LeRF is higher by twice that in the middle. */
static void put_gain(float *row, const struct design_result *result, float gain)
{
    memset(row + result->at, 0, CURVES * sizeof *row);
    row[result->at + design_curve_at(result, CURVE_LERF, 1) + CURVE_P] = 2 * gain;
}

/* Images 0 to 4 are ok, with these p; image 5 was not read. */
static void fill_rows(float *rows, const float *relevance, const float *activation)
{
    static const float p[] = {0.5F, 0.9F, 0.7F, 0.7F, 0.6F};

    for (size_t i = 0; i < IMAGES * ROW; i++)
        rows[i] = NAN;
    for (size_t i = 0; i < IMAGES - 1; i++) {
        float *row = rows + i * ROW;
        row[ROW_STATUS] = STORE_IMAGE_OK;
        row[ROW_OUTCOME + CURVE_P] = p[i];
        put_gain(row, &results[0], relevance[i]);
        put_gain(row, &results[1], activation[i]);
    }
    rows[(IMAGES - 1) * ROW + ROW_STATUS] = STORE_IMAGE_UNREAD;
}

static struct gains gains_of(const float *relevance, const float *activation)
{
    float rows[IMAGES * ROW];
    struct design design = small_design();
    struct gains gains;
    struct error err = {0};

    fill_rows(rows, relevance, activation);
    assert_int_equal(gains_init(&gains, &design, rows, IMAGES, &err), OK);
    return gains;
}

static void test_means_and_errors_are_over_ok_images(void **state)
{
    const float relevance[] = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F}, activation[] = {0, 0, 0, 0, 0};
    struct gains gains = gains_of(relevance, activation);
    struct gains_mean mean = gains.results[0].value[GAINS_ALL][CURVE_P];

    (void)state;
    assert_same(gains.finished, IMAGES);
    assert_same(gains.ok, IMAGES - 1);
    assert_same(mean.images, IMAGES - 1);
    assert_near(mean.mean, 0.3, 1e-7);
    assert_near(mean.error, sqrt(0.025 / 5), 1e-7);
    assert_nan(gains.results[0].difference[GAINS_ALL][CURVE_P].mean);
    gains_free(&gains);
}

/* The more confident half has the image in the middle, and of equal p the one with the smaller number. */
static void test_halves_are_by_p_and_then_by_number(void **state)
{
    const float relevance[] = {1, 2, 4, 8, 16}, activation[] = {0, 0, 0, 0, 0};
    struct gains gains = gains_of(relevance, activation);

    (void)state;
    assert_near(gains.results[0].value[GAINS_SURE][CURVE_P].mean, (2 + 4 + 8) / 3.0, 1e-6);
    assert_near(gains.results[0].value[GAINS_UNSURE][CURVE_P].mean, (1 + 16) / 2.0, 1e-6);
    assert_near(gains.p[GAINS_SURE], (0.9 + 0.7 + 0.7) / 3, 1e-6);
    gains_free(&gains);
}

static void test_differences_are_paired_and_leave_out_images_without_one(void **state)
{
    const float relevance[] = {1, 2, 3, 4, 5}, activation[] = {0.9F, 1.9F, 2.9F, 3.9F, NAN};
    struct gains gains = gains_of(relevance, activation);
    struct gains_mean difference = gains.results[1].difference[GAINS_ALL][CURVE_P];

    (void)state;
    assert_same(difference.images, 4);
    assert_near(difference.mean, -0.1, 1e-6);
    assert_less(difference.error, 1e-6);
    assert_same(gains_sign(difference), 0); /* of four images */
    difference.images = GAINS_LEAST;
    assert_same(gains_sign(difference), -1);
    gains_free(&gains);
}

static void test_a_difference_within_three_errors_gives_no_verdict(void **state)
{
    const float relevance[] = {0, 0, 0, 0, 0}, mixed[] = {1, -1, 1, -1, 1}, clear[] = {1, 1.1F, 1, 0.9F, 1};
    struct design design = small_design();
    struct gains vague = gains_of(relevance, mixed), sure = gains_of(relevance, clear);
    char text[VERDICT_TEXT];

    (void)state;
    assert_false(verdict_sentence(text, &design, &vague, 0));
    assert_true(verdict_sentence(text, &design, &sure, 0));
    assert_string_equal(text, "layers: activation orders the channels of all convolutions together better than "
                              "relevance, by 1.000 +- 0.032 (gain of p)");
    assert_false(verdict_sentence(text, &design, &sure, 1));
    gains_free(&vague);
    gains_free(&sure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means_and_errors_are_over_ok_images),
        cmocka_unit_test(test_halves_are_by_p_and_then_by_number),
        cmocka_unit_test(test_differences_are_paired_and_leave_out_images_without_one),
        cmocka_unit_test(test_a_difference_within_three_errors_gives_no_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
