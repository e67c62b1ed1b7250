/* Files of class names as people have them. */
#include "pipeline/run/class_list.h"
#include "tests/support/assert.h"
#include "tests/support/temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) text, sizeof(text) - 1

static enum status read_text(struct class_list *list, const char *text, size_t nbytes, struct error *err)
{
    char folder[TEMPORARY_PATH], path[TEMPORARY_PATH + 16];

    temporary_folder(folder);
    snprintf(path, sizeof path, "%s/names", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, nbytes, file), nbytes);
    fclose(file);
    enum status rc = class_list_read(list, path, err);
    temporary_remove(folder);
    return rc;
}

/* `names`: the expected ones, joined by '|'. */
static void check_names(const char *text, size_t nbytes, const char *names)
{
    struct class_list list;
    struct error err = {0};
    char joined[256] = "";

    if (read_text(&list, text, nbytes, &err) != OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < list.count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", i ? "|" : "", list.names[i]);
    assert_string_equal(joined, names);
    class_list_free(&list);
}

static void check_refused(const char *text, size_t nbytes, const char *reason)
{
    struct class_list list;
    struct error err = {0};

    assert_int_equal(read_text(&list, text, nbytes, &err), FAIL_FORMAT);
    if (!strstr(err.message, reason) || !strstr(err.message, "/names: "))
        fail_msg("\"%s\" says nothing of \"%s\"", err.message, reason);
    class_list_free(&list);
}

static void lines_are_names(void **state)
{
    (void)state;
    check_names(TEXT("tench\ngreat white shark\nhen\n"), "tench|great white shark|hen");
    check_names(TEXT("tench\nhen"), "tench|hen");
    check_names(TEXT("n01440764 tench, Tinca tinca\nb\n"), "n01440764 tench, Tinca tinca|b");
    check_names(TEXT("a\n\nc\n"), "a||c");
    check_names(TEXT("H\xc3\xbchner\n"), "H\xc3\xbchner");
}

static void what_editors_add_is_no_part_of_a_name(void **state)
{
    (void)state;
    check_names(TEXT("\xef\xbb\xbf"
                     "a\r\nb\r\n"),
                "a|b");
    check_names(TEXT("a \nb\t\n\n \r\n\n"), "a|b");
    check_names(TEXT("\n\n"), "");
    check_names(TEXT(""), "");
}

static void json_lists_are_read(void **state)
{
    (void)state;
    check_names(TEXT("[\"a\", \"b\", \"c\"]"), "a|b|c");
    check_names(TEXT("\xef\xbb\xbf\r\n [[\"n01\", \"a\"], [\"n02\", \"b\"]]"), "a|b");
    check_names(TEXT("[{\"index\": 1, \"word_net_id\": \"n02\", \"name\": \"b\"}, {\"index\": 0, \"name\": \"a\"}]"),
                "a|b");
    check_names(TEXT("[{\"name\": \"a\"}, {\"name\": \"b\"}]"), "a|b");
}

static void json_objects_are_read(void **state)
{
    (void)state;
    check_names(TEXT("{\"0\": [\"n01440764\", \"tench\"], \"2\": [\"n3\", \"hen\"], \"1\": [\"n2\", \"shark\"]}"),
                "tench|shark|hen");
    check_names(TEXT("{\"1\": \"b\", \"0\": \"a\"}"), "a|b");
    check_names(TEXT("{\"dog\": 1, \"cat\": 0}"), "cat|dog");
    check_names(TEXT("{\"0\": 1, \"1\": 0}"), "1|0");
}

static void other_files_are_refused_by_what_they_are(void **state)
{
    static char longest[2000];

    (void)state;
    memset(longest, 'x', sizeof longest);
    check_refused(longest, sizeof longest, "line 1 is no class name");
    check_refused(TEXT("a\nb\0c\n"), "line 2 is no class name");
    check_refused(TEXT("a\nH\xfchner\n"), "line 2 is no class name: it is not text in UTF-8");
    check_refused(TEXT("\xff\xfe"
                       "a\0\n\0"),
                  "is text in UTF-16");
    check_refused(TEXT("{0: 'tench, Tinca tinca',\n 1: 'goldfish'}"), "ast.literal_eval");
    check_refused(TEXT("[\"a\", 3]"), "entry 1 is no class name");
    check_refused(TEXT("[\"a\", []]"), "entry 1 is no class name");
    check_refused(TEXT("{\"a\": \"b\"}"), "\"a\" is neither the number of a class");
    check_refused(TEXT("{\"0\": {\"title\": \"b\"}}"), "entry 0 is no class name");
    check_refused(TEXT("{\"a\": 1, \"b\": 1}"), "class 1 has two names, \"a\" and \"b\"");
    check_refused(TEXT("[\"a\", \"b\""), "begins as JSON but is not, line 1");
}

static void numbers_are_limited_before_memory_is_taken(void **state)
{
    struct class_list list;
    struct error err = {0};

    (void)state;
    assert_int_equal(read_text(&list, TEXT("{\"a\": 1000000000000}"), &err), FAIL_LIMIT);
    class_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_names),
        cmocka_unit_test(what_editors_add_is_no_part_of_a_name),
        cmocka_unit_test(json_lists_are_read),
        cmocka_unit_test(json_objects_are_read),
        cmocka_unit_test(other_files_are_refused_by_what_they_are),
        cmocka_unit_test(numbers_are_limited_before_memory_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
