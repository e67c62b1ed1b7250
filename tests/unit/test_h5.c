#include "io/h5/atomic.h"
#include "io/h5/h5.h"
#include "tests/support/assert.h"
#include "tests/support/store_files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void expect_refused(const char *path, enum status status, const char *part)
{
    struct error err = {0};
    hid_t file;

    assert_int_equal(h5_open(&file, path, &err), status);
    assert_less(file, 0);
    files_expect_message(err.message, part);
    files_expect_message(err.message, path);
}

static void missing_file_is_a_system_error(void **state)
{
    (void)state;
    expect_refused(files_path("missing.h5"), FAIL_SYSTEM, "No such file");
}

static void text_file_is_not_hdf5(void **state)
{
    (void)state;
    files_write_text(files_path("text.h5"), "some text, longer than a signature");
    expect_refused(files_path("text.h5"), FAIL_FORMAT, "not an HDF5 file");
}

static void empty_file_is_called_empty(void **state)
{
    (void)state;
    files_write_text(files_path("empty.h5"), "");
    expect_refused(files_path("empty.h5"), FAIL_FORMAT, "empty");
}

static void fifo_is_refused_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(files_path("fifo.h5"), 0600), 0);
    expect_refused(files_path("fifo.h5"), FAIL_FORMAT, "regular file");
}

static void add_dataset(hid_t file, const char *name, hid_t properties, int ndim, const hsize_t *dims)
{
    hid_t space = H5Screate_simple(ndim, dims, NULL);
    hid_t dataset = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);

    assert_at_least(dataset, 0);
    h5_close(&dataset);
    h5_close(&space);
}

static void add_chunked(hid_t file, const char *name, int ndim, const hsize_t *dims, const hsize_t *chunk, int filter)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_chunk(properties, ndim, chunk);
    if (filter)
        H5Pset_filter(properties, filter, H5Z_FLAG_OPTIONAL, 0, NULL);
    add_dataset(file, name, properties, ndim, dims);
    h5_close(&properties);
}

/* One dataset of each kind that is refused, and one that is not. */
static void make_strange(const char *path)
{
    hid_t file, group, outside;

    h5_start();
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    outside = H5Pcreate(H5P_DATASET_CREATE);
    add_dataset(file, "group/plain", H5P_DEFAULT, 1, (const hsize_t[]){10});
    add_chunked(file, "unwritten", 1, (const hsize_t[]){(hsize_t)1 << 40}, (const hsize_t[]){10}, 0);
    add_chunked(file, "wide_chunks", 2, (const hsize_t[]){10000, 10000}, (const hsize_t[]){10000, 5000}, 0);
    add_chunked(file, "filtered", 1, (const hsize_t[]){10}, (const hsize_t[]){10}, 32015);
    H5Pset_external(outside, "other.bin", 0, 80);
    add_dataset(file, "outside", outside, 1, (const hsize_t[]){10});
    H5Lcreate_soft("/group/plain", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", file, "external", H5P_DEFAULT, H5P_DEFAULT);
    h5_close(&outside);
    h5_close(&group);
    h5_close(&file);
}

static void expect_dataset(const char *name, enum status status, const char *part)
{
    struct error err = {0};
    hid_t file, dataset;
    const char *path = files_path("strange.h5");

    make_strange(path);
    assert_int_equal(h5_open(&file, path, &err), OK);
    assert_int_equal(h5_open_dataset(&dataset, file, name, path, &err), status);
    files_expect_message(err.message, part);
    h5_close(&dataset);
    h5_close(&file);
}

static void plain_dataset_opens(void **state)
{
    (void)state;
    expect_dataset("group/plain", OK, "");
}

static void soft_link_is_refused(void **state)
{
    (void)state;
    expect_dataset("soft", FAIL_UNSUPPORTED, "link");
}

static void path_through_external_link_is_refused(void **state)
{
    (void)state;
    expect_dataset("external/data", FAIL_UNSUPPORTED, "/external is a soft or an external link");
}

static void external_storage_is_refused(void **state)
{
    (void)state;
    expect_dataset("outside", FAIL_UNSUPPORTED, "other files");
}

static void unknown_filter_is_refused_with_advice(void **state)
{
    (void)state;
    expect_dataset("filtered", FAIL_UNSUPPORTED, "h5repack");
}

static void wide_chunks_are_refused(void **state)
{
    (void)state;
    expect_dataset("wide_chunks", FAIL_LIMIT, "256 MiB");
}

static void group_is_not_a_dataset(void **state)
{
    (void)state;
    expect_dataset("group", FAIL_FORMAT, "not a dataset");
}

static void missing_dataset_is_named(void **state)
{
    (void)state;
    expect_dataset("group/none", FAIL_FORMAT, "has no /group/none");
}

static void size_beyond_the_file_is_refused(void **state)
{
    struct error err = {0};
    hid_t file, dataset;
    size_t ndim, dims[H5_MAX_DIMS], n;
    const char *path = files_path("strange.h5");

    (void)state;
    make_strange(path);
    assert_int_equal(h5_open(&file, path, &err), OK);
    assert_int_equal(h5_open_dataset(&dataset, file, "unwritten", path, &err), OK);
    assert_int_equal(h5_shape(&ndim, dims, &n, dataset, 8, "unwritten", path, &err), FAIL_LIMIT);
    h5_close(&dataset);
    h5_close(&file);
}

/* ---- writing aside --------------------------------------------------------------------------------------------- */

static void add_numbers(struct h5_atomic *aside, size_t count)
{
    double *numbers = calloc(count, sizeof *numbers);
    hsize_t dims = count;
    hid_t space = H5Screate_simple(1, &dims, NULL), dataset;

    assert_non_null(numbers);
    dataset =
        H5Dcreate2(h5_atomic_file(aside), "numbers", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_at_least(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers), 0);
    h5_close(&dataset);
    h5_close(&space);
    free(numbers);
}

static void commit_replaces_the_old_file(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};
    const char *path = files_path("store.h5");
    hid_t file;

    (void)state;
    files_write_text(path, "old");
    assert_int_equal(h5_atomic_create(&aside, path, &err), OK);
    add_numbers(aside, 1000);
    files_expect_text(path, "old");
    assert_int_equal(h5_atomic_commit(aside, &err), OK);
    assert_int_equal(h5_open(&file, path, &err), OK);
    assert_true(h5_exists(file, "numbers"));
    h5_close(&file);
    assert_int_equal(files_count(), 1);
}

static void discard_leaves_the_old_file(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};
    const char *path = files_path("store.h5");

    (void)state;
    files_write_text(path, "old");
    assert_int_equal(h5_atomic_create(&aside, path, &err), OK);
    add_numbers(aside, 10);
    h5_atomic_discard(aside);
    files_expect_text(path, "old");
    assert_int_equal(files_count(), 1);
}

static void symbolic_link_is_followed(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};
    struct stat info;
    const char *target = files_path("target.h5"), *link = files_path("link.h5");

    (void)state;
    files_write_text(target, "old");
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(h5_atomic_create(&aside, link, &err), OK);
    assert_int_equal(h5_atomic_commit(aside, &err), OK);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(H5Fis_hdf5(target), 1);
}

static void foreign_temporary_is_not_touched(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};
    const char *path = files_path("store.h5"), *precious = files_path("precious");
    char foreign[400];

    (void)state;
    files_write_text(precious, "precious");
    snprintf(foreign, sizeof foreign, "%s.tmp-%ld", path, (long)getpid());
    assert_int_equal(symlink(precious, foreign), 0);
    assert_int_equal(h5_atomic_create(&aside, path, &err), OK);
    assert_int_equal(h5_atomic_commit(aside, &err), OK);
    files_expect_text(precious, "precious");
}

static void device_is_not_overwritten(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};

    (void)state;
    assert_int_equal(h5_atomic_create(&aside, "/dev/null", &err), FAIL_CONFIG);
    assert_null(aside);
}

static void missing_folder_is_a_system_error(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};

    (void)state;
    assert_int_equal(h5_atomic_create(&aside, files_path("none/store.h5"), &err), FAIL_SYSTEM);
    files_expect_message(err.message, "No such file");
}

static void failed_rename_leaves_no_temporary(void **state)
{
    struct h5_atomic *aside;
    struct error err = {0};
    const char *path = files_path("store.h5");

    (void)state;
    assert_int_equal(h5_atomic_create(&aside, path, &err), OK);
    assert_int_equal(mkdir(path, 0700), 0); /* comes between, and cannot be replaced by a file */
    assert_int_equal(h5_atomic_commit(aside, &err), FAIL_SYSTEM);
    files_expect_message(err.message, "cannot be renamed");
    assert_int_equal(files_count(), 1);
}

static int write_beyond_limit(const char *path)
{
    struct h5_atomic *aside;
    struct error err = {0};
    const struct rlimit limit = {100000, 100000};

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || h5_atomic_create(&aside, path, &err) != OK)
        return 1;
    add_numbers(aside, 100000);
    enum status during = h5_atomic_check(aside, NULL);
    enum status after = h5_atomic_commit(aside, &err);

    return during == FAIL_SYSTEM && after == FAIL_SYSTEM && strstr(err.message, "File too large") ? 0 : 2;
}

/* The child also goes through HDF5's own clean-up at its end, which must survive, too. */
static void full_disk_leaves_the_old_file_and_no_other(void **state)
{
    const char *path = files_path("store.h5");

    (void)state;
    files_write_text(path, "old");
    assert_int_equal(files_in_child(write_beyond_limit, path), 0);
    files_expect_text(path, "old");
    assert_int_equal(files_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(missing_file_is_a_system_error, files_clean),
        cmocka_unit_test_teardown(text_file_is_not_hdf5, files_clean),
        cmocka_unit_test_teardown(empty_file_is_called_empty, files_clean),
        cmocka_unit_test_teardown(fifo_is_refused_without_waiting, files_clean),
        cmocka_unit_test_teardown(plain_dataset_opens, files_clean),
        cmocka_unit_test_teardown(soft_link_is_refused, files_clean),
        cmocka_unit_test_teardown(path_through_external_link_is_refused, files_clean),
        cmocka_unit_test_teardown(external_storage_is_refused, files_clean),
        cmocka_unit_test_teardown(unknown_filter_is_refused_with_advice, files_clean),
        cmocka_unit_test_teardown(wide_chunks_are_refused, files_clean),
        cmocka_unit_test_teardown(group_is_not_a_dataset, files_clean),
        cmocka_unit_test_teardown(missing_dataset_is_named, files_clean),
        cmocka_unit_test_teardown(size_beyond_the_file_is_refused, files_clean),
        cmocka_unit_test_teardown(commit_replaces_the_old_file, files_clean),
        cmocka_unit_test_teardown(discard_leaves_the_old_file, files_clean),
        cmocka_unit_test_teardown(symbolic_link_is_followed, files_clean),
        cmocka_unit_test_teardown(foreign_temporary_is_not_touched, files_clean),
        cmocka_unit_test_teardown(device_is_not_overwritten, files_clean),
        cmocka_unit_test_teardown(missing_folder_is_a_system_error, files_clean),
        cmocka_unit_test_teardown(failed_rename_leaves_no_temporary, files_clean),
        cmocka_unit_test_teardown(full_disk_leaves_the_old_file_and_no_other, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
