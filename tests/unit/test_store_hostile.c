/* Stores that nobody should trust: whatever the bytes are, the reader answers with data or with a message. */
#include "io/h5/h5.h"
#include "io/store/check.h"
#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

enum { ROUNDS = 50 };

/* HDF5 itself leaks where it fails to read a damaged file. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static void read_attributes(const struct store_reader *reader, const char *object)
{
    struct store_names names;
    int64_t integer;
    double real;
    char *text;

    if (store_list_attributes(&names, reader, object, NULL) != OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        if (store_get_text(&text, reader, object, names.names[i], NULL) == OK)
            free(text);
        (void)store_get_int(&integer, reader, object, names.names[i], NULL);
        (void)store_get_real(&real, reader, object, names.names[i], NULL);
    }
    store_names_free(&names);
}

static void read_dataset(const struct store_reader *reader, const char *path)
{
    size_t ndim, dims[STORE_MAX_DIMS], count = STORE_ANY;
    int64_t *integers;
    double *reals;
    char **texts;

    if (store_shape(&ndim, dims, reader, path, NULL) != OK)
        return;
    if (store_read_real(&reals, reader, path, ndim, dims, NULL) == OK)
        free(reals);
    if (store_read_int(&integers, reader, path, ndim, dims, NULL) == OK)
        free(integers);
    if (store_read_text(&texts, reader, path, &count, NULL) == OK)
        free(texts);
}

static void read_object(const struct store_reader *reader, const char *path, int depth)
{
    struct store_names names;

    read_attributes(reader, path);
    read_dataset(reader, path);
    if (depth == 0 || store_list(&names, reader, path, NULL) != OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        size_t nbytes = strlen(path) + strlen(names.names[i]) + 2;
        char *child = malloc(nbytes);

        assert_non_null(child);
        snprintf(child, nbytes, "%s%s%s", path, path[0] ? "/" : "", names.names[i]);
        read_object(reader, child, depth - 1);
        free(child);
    }
    store_names_free(&names);
}

enum { OPENED = 10, REFUSED, NO_MESSAGE, LEFT_OPEN }; /* none that a sanitizer ends with */

static int read_everything(const char *path)
{
    struct store_problems problems = {0};
    struct store_reader *reader;
    struct error err = {0};

    if (store_open_read(&reader, path, &err) != OK)
        return err.message[0] ? REFUSED : NO_MESSAGE;
    read_object(reader, "", 3);
    (void)store_check(&problems, reader, NULL);
    store_problems_free(&problems);
    store_close(reader);
    return H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) == 0 ? OPENED : LEFT_OPEN;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void mutate(unsigned char *bytes, size_t nbytes, uint64_t seed)
{
    uint64_t random = seed;
    size_t nchanges = 1 + next_random(&random) % 16;

    for (size_t i = 0; i < nchanges; i++) {
        /* half of the changes hit the first kilobytes, where most of the structure is */
        size_t range = next_random(&random) % 2 && nbytes > 4096 ? 4096 : nbytes;

        bytes[next_random(&random) % range] = (unsigned char)next_random(&random);
    }
}

static void write_mutant(const char *path, const unsigned char *bytes, size_t nbytes, uint64_t seed)
{
    unsigned char *copy = malloc(nbytes);

    assert_non_null(copy);
    memcpy(copy, bytes, nbytes);
    mutate(copy, nbytes, seed);
    files_write(path, copy, nbytes);
    free(copy);
}

static void changed_bytes_never_crash(void **state)
{
    static unsigned char *bytes; /* where the child's search for leaks finds it */
    size_t nbytes, nopened = 0;
    const char *sample = files_path("sample.h5"), *mutant = files_path("mutant.h5");

    (void)state;
    sample_write(sample);
    bytes = files_read(&nbytes, sample);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        write_mutant(mutant, bytes, nbytes, seed);
        int result = files_in_child(read_everything, mutant);

        if (result != OPENED && result != REFUSED)
            fail_msg("the reader ended with %d on the mutant of seed %llu", result, (unsigned long long)seed);
        nopened += result == OPENED;
    }
    assert_in_range(nopened, 1, ROUNDS - 1);
    free(bytes);
}

static void no_prefix_of_a_store_opens(void **state)
{
    size_t nbytes;

    (void)state;
    sample_write(files_path("sample.h5"));
    unsigned char *bytes = files_read(&nbytes, files_path("sample.h5"));

    for (size_t i = 0; i < 200; i++) {
        size_t length = i < 100 ? i : nbytes * (i - 100) / 100 + i % 7;

        files_write(files_path("prefix.h5"), bytes, length);
        assert_int_equal(read_everything(files_path("prefix.h5")), REFUSED);
    }
    free(bytes);
}

/* ---- stores made by hand --------------------------------------------------------------------------------------- */

/* The sample, changed by `change`, open for reading. */
static struct store_reader *open_changed(void (*change)(hid_t file))
{
    const char *path = files_path("sample.h5");
    struct store_reader *reader;
    struct error err = {0};

    sample_write(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);

    assert_at_least(file, 0);
    change(file);
    h5_close(&file);
    if (store_open_read(&reader, path, &err) != OK)
        fail_msg("%s", err.message);
    return reader;
}

static void expect_unread(void (*change)(hid_t file), const char *dataset, enum status status, const char *part)
{
    struct store_reader *reader = open_changed(change);
    struct error err = {0};
    size_t any = STORE_ANY;
    double *values;

    assert_int_equal(store_read_real(&values, reader, dataset, 1, &any, &err), status);
    assert_null(values);
    files_expect_message(err.message, part);
    store_close(reader);
}

static void add_numbers(hid_t file, const char *path, hsize_t count, hsize_t chunk, H5Z_filter_t filter)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &count, NULL);

    H5Pset_chunk(properties, 1, &chunk);
    if (filter)
        H5Pset_filter(properties, filter, H5Z_FLAG_OPTIONAL, 0, NULL);
    hid_t dataset = H5Dcreate2(file, path, H5T_IEEE_F64LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);

    assert_at_least(dataset, 0);
    h5_close(&dataset);
    h5_close(&space);
    h5_close(&properties);
}

static void add_huge(hid_t file)
{
    add_numbers(file, "layers/sample/huge", (hsize_t)1 << 50, 1 << 10, 0);
}

static void add_overflowing(hid_t file)
{
    add_numbers(file, "layers/sample/overflowing", (hsize_t)1 << 62, 1 << 10, 0);
}

static void add_filtered(hid_t file)
{
    add_numbers(file, "layers/sample/filtered", 100, 10, 32015);
}

static void add_external(hid_t file)
{
    H5Lcreate_external("/etc/other.h5", "/", file, "layers/other", H5P_DEFAULT, H5P_DEFAULT);
}

static void add_dense_group(hid_t file)
{
    hid_t properties = H5Pcreate(H5P_GROUP_CREATE);

    H5Pset_link_phase_change(properties, 0, 0);
    hid_t group = H5Gcreate2(file, "layers/dense", H5P_DEFAULT, properties, H5P_DEFAULT);

    add_numbers(file, "layers/dense/mean", 100, 10, 0);
    h5_close(&group);
    h5_close(&properties);
}

static void huge_dataset_is_refused(void **state)
{
    (void)state;
    expect_unread(add_huge, "layers/sample/huge", FAIL_LIMIT, "cannot hold");
}

static void size_that_overflows_is_refused(void **state)
{
    (void)state;
    expect_unread(add_overflowing, "layers/sample/overflowing", FAIL_LIMIT, "impossibly large");
}

static void unknown_filter_is_refused(void **state)
{
    (void)state;
    expect_unread(add_filtered, "layers/sample/filtered", FAIL_UNSUPPORTED, "32015");
}

static void external_link_is_refused(void **state)
{
    (void)state;
    expect_unread(add_external, "layers/other/mean", FAIL_UNSUPPORTED, "/layers/other is a soft or an external link");
}

static void group_without_checksums_is_refused(void **state)
{
    (void)state;
    expect_unread(add_dense_group, "layers/dense/mean", FAIL_UNSUPPORTED, "/layers/dense");
}

static void set_version(hid_t file, int64_t version)
{
    hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);

    assert_at_least(H5Awrite(attribute, H5T_NATIVE_INT64, &version), 0);
    h5_close(&attribute);
}

static void expect_not_opened(int64_t version, bool has_format, enum status status, const char *part)
{
    const char *path = files_path("sample.h5");
    struct store_reader *reader;
    struct error err = {0};

    sample_write(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);

    set_version(file, version);
    if (!has_format)
        H5Adelete(file, "format");
    h5_close(&file);
    assert_int_equal(store_open_read(&reader, path, &err), status);
    assert_null(reader);
    files_expect_message(err.message, part);
}

static void newer_store_asks_for_an_update(void **state)
{
    (void)state;
    expect_not_opened(STORE_FORMAT_VERSION + 1, true, FAIL_UNSUPPORTED, "update nrmflow");
}

static void impossible_version_is_refused(void **state)
{
    (void)state;
    expect_not_opened(0, true, FAIL_FORMAT, "impossible");
}

static void other_hdf5_file_is_no_store(void **state)
{
    (void)state;
    expect_not_opened(1, false, FAIL_FORMAT, "not a store of nrmflow");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(changed_bytes_never_crash, files_clean),
        cmocka_unit_test_teardown(no_prefix_of_a_store_opens, files_clean),
        cmocka_unit_test_teardown(huge_dataset_is_refused, files_clean),
        cmocka_unit_test_teardown(size_that_overflows_is_refused, files_clean),
        cmocka_unit_test_teardown(unknown_filter_is_refused, files_clean),
        cmocka_unit_test_teardown(external_link_is_refused, files_clean),
        cmocka_unit_test_teardown(group_without_checksums_is_refused, files_clean),
        cmocka_unit_test_teardown(newer_store_asks_for_an_update, files_clean),
        cmocka_unit_test_teardown(impossible_version_is_refused, files_clean),
        cmocka_unit_test_teardown(other_hdf5_file_is_no_store, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
