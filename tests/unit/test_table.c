#include "pipeline/util/spark.h"
#include "pipeline/util/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- tables ----------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 3, ROWS = 2 };

static const char *const cells[ROWS][COLUMNS] = {{"caf\u00e9", "1.5", "x"}, {"a", "", "long\033[31m"}};
static const struct table_column columns[COLUMNS] = {{"name", true}, {"value", false}, {"note", true}};

static void cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    (void)data;
    snprintf(out, TABLE_CELL, "%s", cells[row][column]);
}

static enum paint paint(const void *data, size_t row, size_t column)
{
    (void)data;
    return row == 0 && column == 1 ? PAINT_RED : PAINT_PLAIN;
}

static void expect_table(const struct table *table, bool colours, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    table_print(out, table, colours);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

static void names_are_left_and_numbers_right(void **state)
{
    (void)state;
    expect_table(&(struct table){columns, COLUMNS, ROWS, NULL, cell, NULL}, false,
                 "\nname  value  note\ncaf\u00e9    1.5  x\na            long?[31m\n");
}

static void colours_do_not_count_as_width(void **state)
{
    (void)state;
    expect_table(&(struct table){columns, COLUMNS, 1, NULL, cell, paint}, true,
                 "\n\033[1mname\033[0m  \033[1mvalue\033[0m  \033[1mnote\033[0m\ncaf\u00e9    \033[31m1.5\033[0m  x\n");
}

static void a_table_without_rows_is_nothing(void **state)
{
    (void)state;
    expect_table(&(struct table){columns, COLUMNS, 0, NULL, cell, NULL}, true, "");
}

static void empty_cells_at_the_end_leave_no_blanks(void **state)
{
    (void)state;
    expect_table(&(struct table){columns, 2, ROWS, NULL, cell, NULL}, false, "\nname  value\ncaf\u00e9    1.5\na\n");
}

static void sizes_have_the_largest_unit_that_fits(void **state)
{
    static const struct {
        uint64_t nbytes;
        const char *text;
    } rows[] = {{0, "0 bytes"},
                {1023, "1023 bytes"},
                {1024, "1.0 KiB"},
                {1536 * 1024, "1.5 MiB"},
                {UINT64_MAX, "16777216.0 TiB"}};

    char text[TABLE_CELL];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        table_size(text, rows[i].nbytes);
        assert_string_equal(text, rows[i].text);
    }
}

/* ---- bars ------------------------------------------------------------------------------------------------------- */

static void bars_grow_with_the_values(void **state)
{
    static const double values[] = {0, 0.124, 0.126, 0.5, 0.99, 1, 5, -3, NAN, INFINITY};

    enum { N = sizeof values / sizeof values[0] };

    char bars[N * SPARK_BYTES + 1];

    (void)state;
    spark_draw(bars, values, N, 1, false);
    assert_string_equal(bars, "__.=###_  ");
    spark_draw(bars, values, N, 1, true);
    assert_string_equal(bars, "\u2581\u2581\u2582\u2585\u2588\u2588\u2588\u2581  ");
    spark_draw(bars, values, 4, 0.5, false);
    assert_string_equal(bars, "_.:#");
}

static void locales_tell_whether_bars_can_be_shown(void **state)
{
    static const struct {
        const char *all, *type, *lang;
        bool unicode;
    } rows[] = {
        {"", "", "", false},
        {"", "", "C", false},
        {"", "", "en_GB.UTF-8", true},
        {"", "", "C.utf8", true},
        {"C", "", "C.UTF-8", false},
        {"", "C.UTF-8", "C", true},
        {"de_DE.UTF-8", "C", "C", true},
        {"", "", "de_DE.ISO-8859-15", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setenv("LC_ALL", rows[i].all, 1);
        setenv("LC_CTYPE", rows[i].type, 1);
        setenv("LANG", rows[i].lang, 1);
        assert_int_equal(spark_unicode(), rows[i].unicode);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_left_and_numbers_right),
        cmocka_unit_test(colours_do_not_count_as_width),
        cmocka_unit_test(a_table_without_rows_is_nothing),
        cmocka_unit_test(empty_cells_at_the_end_leave_no_blanks),
        cmocka_unit_test(sizes_have_the_largest_unit_that_fits),
        cmocka_unit_test(bars_grow_with_the_values),
        cmocka_unit_test(locales_tell_whether_bars_can_be_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
