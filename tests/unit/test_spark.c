#include "pipeline/util/spark.h"
#include "tests/support/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void every_level_has_its_bar(void **state)
{
    const double values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    char text[8 * SPARK_BYTES + 1];

    (void)state;
    spark_draw(text, values, 8, 8, false);
    assert_string_equal(text, "_.:-=+*#");
    spark_draw(text, values, 8, 8, true);
    assert_string_equal(text, "▁▂▃▄▅▆▇█");
}

static void values_beyond_the_scale_get_its_ends(void **state)
{
    const double values[] = {-3, 8, 1e300, NAN, INFINITY, 3.99};
    char text[6 * SPARK_BYTES + 1];

    (void)state;
    spark_draw(text, values, 6, 8, false);
    assert_string_equal(text, "_##  -");
}

static void nothing_to_draw_is_empty(void **state)
{
    char text[] = "x";

    (void)state;
    spark_draw(text, NULL, 0, 1, true);
    assert_string_equal(text, "");
}

static void set_locale(const char *all, const char *type, const char *lang)
{
    setenv("LC_ALL", all, 1);
    setenv("LC_CTYPE", type, 1);
    setenv("LANG", lang, 1);
}

/* An empty variable counts as one that is not set. */
static void the_first_locale_that_is_set_decides(void **state)
{
    (void)state;
    set_locale("", "", "de_DE.UTF-8");
    assert_true(spark_unicode());
    set_locale("", "C.utf8", "C");
    assert_true(spark_unicode());
    set_locale("C", "C.UTF-8", "C.UTF-8");
    assert_false(spark_unicode());
    set_locale("", "de_DE.ISO-8859-1", "C.UTF-8");
    assert_false(spark_unicode());
    set_locale("", "", "");
    assert_false(spark_unicode());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_has_its_bar),
        cmocka_unit_test(values_beyond_the_scale_get_its_ends),
        cmocka_unit_test(nothing_to_draw_is_empty),
        cmocka_unit_test(the_first_locale_that_is_set_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
