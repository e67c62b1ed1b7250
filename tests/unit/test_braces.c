/* Patterns with braces, against files that are there. */
#include "io/dataset/braces.h"
#include "tests/support/assert.h"
#include "tests/support/temporary.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[TEMPORARY_PATH];

static int setup(void **state)
{
    static const char *const names[] = {"t-000.tar", "t-001.tar", "t-002.tar", "t-9.tar", "t-10.tar",
                                        "t-11.tar",  "a{b.tar",   "train.tar", "val.tar", "val2.tar"};
    char path[2 * TEMPORARY_PATH];

    (void)state;
    temporary_folder(folder);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    return chdir(folder);
}

static int teardown(void **state)
{
    (void)state;
    return chdir("/") != 0 || temporary_remove(folder);
}

static void check(const char *pattern, const char *expected)
{
    char joined[512] = "";
    struct error err = {0};
    glob_t found;

    if (dataset_braces_glob(&found, pattern, &err) != OK)
        fail_msg("%s: %s", pattern, err.message);
    for (size_t i = 0; i < found.gl_pathc; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", i ? " " : "", found.gl_pathv[i]);
    assert_string_equal(joined, expected);
    globfree(&found);
}

static void ranges_are_numbers_with_as_many_digits(void **state)
{
    (void)state;
    check("t-{000..002}.tar", "t-000.tar t-001.tar t-002.tar");
    check("t-{9..11}.tar", "t-9.tar t-10.tar t-11.tar");
    check("t-{001..001}.tar", "t-001.tar");
    check("t-0{00..02}.tar", "t-000.tar t-001.tar t-002.tar");
    check("t-{0..0}{01..2}.ta[r]", "t-001.tar t-002.tar");
}

static void words_are_tried_in_their_order(void **state)
{
    (void)state;
    check("{val,train}.tar", "val.tar train.tar");
    check("val{,2}.tar", "val.tar val2.tar");
    check("{t-001,t-9}.t[a]r", "t-001.tar t-9.tar");
}

static void other_braces_are_characters(void **state)
{
    (void)state;
    check("a{b.tar", "a{b.tar");
    check("a\\{b.tar", "a{b.tar");
    check("a{b.ta?", "a{b.tar");
    check("t-00[12].tar", "t-001.tar t-002.tar");
}

static void a_missing_file_is_named(void **state)
{
    static const char *const missing[][2] = {{"t-{000..003}.tar", "t-003.tar: no shard matches"},
                                             {"{train,test}.tar", "test.tar: no shard matches"},
                                             {"t-{11..9}.tar", "t-{11..9}.tar: no shard matches"},
                                             {"x*.tar", "x*.tar: no shard matches"}};

    (void)state;
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        struct error err = {0};
        glob_t found;
        assert_int_equal(dataset_braces_glob(&found, missing[i][0], &err), FAIL_SYSTEM);
        assert_string_equal(err.message, missing[i][1]);
        globfree(&found);
    }
}

static void braces_within_braces_are_refused(void **state)
{
    struct error err = {0};
    glob_t found;

    (void)state;
    assert_int_equal(dataset_braces_glob(&found, "{t-00{1..2},train}.tar", &err), FAIL_CONFIG);
    assert_non_null(strstr(err.message, "braces within braces"));
    globfree(&found);
}

static void the_number_of_files_is_limited(void **state)
{
    char pattern[512] = "t-000.tar";
    struct error err = {0};
    glob_t found;

    (void)state;
    for (size_t i = 0; i < 40; i++)
        strcat(pattern, "{,}");
    assert_int_equal(dataset_braces_glob(&found, pattern, &err), FAIL_LIMIT);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_numbers_with_as_many_digits),
        cmocka_unit_test(words_are_tried_in_their_order),
        cmocka_unit_test(other_braces_are_characters),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(braces_within_braces_are_refused),
        cmocka_unit_test(the_number_of_files_is_limited),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
