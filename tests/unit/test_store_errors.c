/* What a store refuses to write, and what a reader sees of one that is not finished. */
#include "tests/support/store_sample.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- mistakes of the caller ------------------------------------------------------------------------------------ */

static void expect_write_error(const char *path, size_t ndim, const char *part)
{
    const size_t dims[3] = {2, 2, 2};
    const double data[8] = {0};
    struct store *store = sample_begin("wrong.h5");
    struct error err = {0};

    assert_int_equal(store_write(store, "layers/fc6/mean", data, 1, dims, &err), OK);
    assert_int_equal(store_write(store, path, data, ndim, dims, &err), FAIL_FORMAT);
    files_expect_message(err.message, part);
    store_discard(store);
    assert_int_equal(files_count(), 0);
}

static void unknown_path_is_reported(void **state)
{
    (void)state;
    expect_write_error("layers/fc6/median", 1, "/layers/fc6/median is not a field");
}

static void second_write_is_reported(void **state)
{
    (void)state;
    expect_write_error("layers/fc6/mean", 1, "written twice");
}

static void wrong_number_of_axes_is_reported(void **state)
{
    (void)state;
    expect_write_error("layers/fc6/std", 2, "has the axes (channel), but 2 are given");
}

static void numbers_for_text_are_reported(void **state)
{
    (void)state;
    expect_write_error("images/path", 1, "holds text");
}

static void axis_of_another_length_fails_the_commit(void **state)
{
    const size_t two = 2, three = 3;
    const double data[3] = {0};
    struct store *store = sample_begin("axes.h5");
    struct error err = {0};

    (void)state;
    assert_int_equal(store_write(store, "layers/fc6/mean", data, 1, &two, &err), OK);
    assert_int_equal(store_write(store, "layers/fc6/std", data, 1, &three, &err), OK);
    assert_int_equal(store_commit(store, &err), FAIL_FORMAT);
    files_expect_message(err.message, "/layers/fc6/std has the length 3 along the axis channel");
    assert_int_equal(files_count(), 0);
}

static void rows_beyond_the_end_are_reported(void **state)
{
    const size_t two = 2;
    const int32_t labels[3] = {0};
    struct store *store = sample_begin("rows.h5");
    struct error err = {0};

    (void)state;
    assert_int_equal(store_create_rows(store, "images/label", 1, &two, &err), OK);
    assert_int_equal(store_write_rows(store, "images/label", 1, 2, labels, &err), FAIL_FORMAT);
    store_discard(store);
}

static void attribute_of_an_unknown_object_is_reported(void **state)
{
    struct store *store = sample_begin("object.h5");
    struct error err = {0};

    (void)state;
    assert_int_equal(store_set_text(store, "layers/fc6/mean", "note", "x", &err), FAIL_FORMAT);
    store_discard(store);
}

/* ---- atomicity ------------------------------------------------------------------------------------------------- */

static void commit_replaces_the_old_store(void **state)
{
    struct error err = {0};
    struct store_reader *reader;
    const char *path = files_path("sample.h5");

    (void)state;
    sample_write(path);
    struct store *store = sample_begin("sample.h5");

    assert_int_equal(store_set_text(store, "", "network", "vgg11", &err), OK);
    assert_int_equal(store_open_read(&reader, path, &err), OK);
    assert_true(store_has(reader, "layers/sample/mean"));
    store_close(reader);
    reader = sample_finish(store, "sample.h5");
    assert_false(store_has(reader, "layers/sample/mean"));
    store_close(reader);
    assert_int_equal(files_count(), 1);
}

static int fill_the_disk(const char *path)
{
    const struct rlimit limit = {60000, 60000};
    struct store *store;
    struct error err = {0};
    enum status rc = OK;
    size_t nfields;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_create(&store, path, 4, &err) != OK)
        return 1;
    store_fields(&nfields);
    for (size_t i = 0; i < nfields && rc == OK; i++)
        rc = sample_write_field(store, i, &err);
    if (rc == OK)
        rc = store_commit(store, &err);
    else
        store_discard(store);
    return rc == FAIL_SYSTEM && strstr(err.message, "File too large") ? 0 : 2;
}

static void full_disk_leaves_the_old_store(void **state)
{
    size_t before, after;
    const char *path = files_path("sample.h5");

    (void)state;
    sample_write(path);
    unsigned char *old = files_read(&before, path);

    assert_int_equal(files_in_child(fill_the_disk, path), 0);
    unsigned char *now = files_read(&after, path);

    assert_int_equal(before, after);
    assert_memory_equal(old, now, before);
    assert_int_equal(files_count(), 1);
    free(old);
    free(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(unknown_path_is_reported, files_clean),
        cmocka_unit_test_teardown(second_write_is_reported, files_clean),
        cmocka_unit_test_teardown(wrong_number_of_axes_is_reported, files_clean),
        cmocka_unit_test_teardown(numbers_for_text_are_reported, files_clean),
        cmocka_unit_test_teardown(axis_of_another_length_fails_the_commit, files_clean),
        cmocka_unit_test_teardown(rows_beyond_the_end_are_reported, files_clean),
        cmocka_unit_test_teardown(attribute_of_an_unknown_object_is_reported, files_clean),
        cmocka_unit_test_teardown(commit_replaces_the_old_store, files_clean),
        cmocka_unit_test_teardown(full_disk_leaves_the_old_store, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
