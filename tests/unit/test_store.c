#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

#include <math.h>

/* ---- the table ------------------------------------------------------------------------------------------------- */

static void stars_stand_for_one_name(void **state)
{
    (void)state;
    assert_non_null(store_field("layers/conv1_1/mean"));
    assert_non_null(store_field("flows/conv5_3-fc6/to_bias"));
    assert_null(store_field("layers/mean"));
    assert_null(store_field("layers//mean"));
    assert_null(store_field("layers/../mean"));
    assert_null(store_field("layers/a/b/mean"));
    assert_null(store_field("layers/conv1_1/mean/"));
    assert_null(store_field("/images/label"));
    assert_null(store_field(""));
}

static void every_field_is_found_by_its_path(void **state)
{
    size_t count;
    const struct store_field *fields = store_fields(&count);
    char path[128];

    (void)state;
    for (size_t i = 0; i < count; i++) {
        sample_path(path, sizeof path, &fields[i]);
        assert_ptr_equal(store_field(path), &fields[i]);
    }
}

/* ---- writing and reading --------------------------------------------------------------------------------------- */

static void list_fields(const char *path)
{
    size_t count, dims[STORE_MAX_DIMS];
    const struct store_field *fields = store_fields(&count);
    FILE *stream = fopen(path, "w");
    char name[128];

    assert_non_null(stream);
    for (size_t i = 0; i < count; i++) {
        size_t ndim = sample_dims(dims, &fields[i]);

        sample_path(name, sizeof name, &fields[i]);
        fprintf(stream, "%zu\t%s\t%s\t%s\t", i, name, store_type_name(fields[i].type), fields[i].axes);
        for (size_t d = 0; d < ndim; d++)
            fprintf(stream, "%s%zu", d ? "," : "", dims[d]);
        fprintf(stream, "\t%s\t%s\n", fields[i].description, fields[i].units);
    }
    assert_int_equal(fclose(stream), 0);
}

static void h5py_and_h5dump_read_every_field(void **state)
{
    const char *store = files_path("sample.h5"), *fields = files_path("fields.txt");
    char command[1024];

    (void)state;
    sample_write(store);
    list_fields(fields);
    snprintf(command, sizeof command,
             "LSAN_OPTIONS=detect_leaks=0 '%s' -B '%s/../tests/support/check_store.py' '%s' '%s'", TEST_PYTHON, JOBS,
             store, fields);
    assert_int_equal(system(command), 0);
}

static void expect_field(const struct store_reader *reader, size_t index)
{
    size_t nfields, dims[STORE_MAX_DIMS], found[STORE_MAX_DIMS], ndim, count = 1;
    const struct store_field *field = &store_fields(&nfields)[index];
    struct error err = {0};
    double *values;
    char path[128];

    sample_path(path, sizeof path, field);
    assert_int_equal(store_shape(&ndim, found, reader, path, &err), OK);
    assert_int_equal(ndim, sample_dims(dims, field));
    for (size_t d = 0; d < ndim; d++)
        count *= dims[d];
    if (field->type == STORE_TEXT || field->type == STORE_STATUS)
        return;
    if (store_read_real(&values, reader, path, ndim, dims, &err) != OK)
        fail_msg("%s", err.message);
    double scale = field->type == STORE_F32 || field->type == STORE_F64 ? 1 : field->type == STORE_I32 ? 8 : 8 << 20;

    for (size_t i = 0; i < count; i++)
        assert_same(values[i], scale * sample_value(index, i));
    free(values);
}

static struct store_reader *open_sample(void)
{
    struct store_reader *reader;
    struct error err = {0};
    const char *path = files_path("sample.h5");

    sample_write(path);
    if (store_open_read(&reader, path, &err) != OK)
        fail_msg("%s", err.message);
    return reader;
}

static void reader_returns_what_was_written(void **state)
{
    struct store_reader *reader = open_sample();
    size_t nfields;

    (void)state;
    store_fields(&nfields);
    for (size_t i = 0; i < nfields; i++)
        expect_field(reader, i);
    store_close(reader);
}

static void reader_returns_text(void **state)
{
    struct store_reader *reader = open_sample();
    struct error err = {0};
    size_t count = STORE_ANY, nfields;
    size_t field = (size_t)(store_field("images/path") - store_fields(&nfields));
    char **values, want[64];

    (void)state;
    assert_int_equal(store_read_text(&values, reader, "images/path", &count, &err), OK);
    assert_int_equal(count, 700);
    for (size_t i = 0; i < count; i++) {
        sample_string(want, sizeof want, field, i);
        assert_string_equal(values[i], want);
    }
    free(values);
    store_close(reader);
}

static void reader_returns_status_as_integers(void **state)
{
    struct store_reader *reader = open_sample();
    struct error err = {0};
    size_t count = 700;
    int64_t *values;

    (void)state;
    assert_int_equal(store_read_int(&values, reader, "images/status", 1, &count, &err), OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(values[i], i % STORE_NSTATUS);
    free(values);
    store_close(reader);
}

static void reader_returns_attributes(void **state)
{
    struct store_reader *reader = open_sample();
    struct error err = {0};
    int64_t seed;
    double seconds;
    char *text;

    (void)state;
    assert_int_equal(store_get_int(&seed, reader, "", "seed", &err), OK);
    assert_int_equal(seed, INT64_C(1) << 60);
    assert_int_equal(store_get_real(&seconds, reader, "", "seconds_back", &err), OK);
    assert_same(seconds, 1.25);
    assert_int_equal(store_get_text(&text, reader, "flows/sample", "method", &err), OK);
    assert_string_equal(text, "exact");
    free(text);
    assert_false(store_has_attribute(reader, "", "none"));
    store_close(reader);
}

static void reader_checks_shapes(void **state)
{
    struct store_reader *reader = open_sample();
    struct error err = {0};
    size_t dims[2] = {700, 5};
    double *values;

    (void)state;
    assert_int_equal(store_read_real(&values, reader, "images/mass", 2, dims, &err), FAIL_FORMAT);
    assert_null(values);
    files_expect_message(err.message, "axis 1 of /images/mass has the length 4; 5 is expected");
    store_close(reader);
}

static void rows_are_read_from_the_middle(void **state)
{
    struct store_reader *reader = open_sample();
    struct error err = {0};
    double rows[3][4];
    size_t nfields, mass = (size_t)(store_field("images/mass") - store_fields(&nfields));

    (void)state;
    assert_int_equal(store_read_rows(&rows[0][0], reader, "images/mass", 500, 3, 4, &err), OK);
    for (size_t i = 0; i < 12; i++)
        assert_same(rows[i / 4][i % 4], sample_value(mass, 2000 + i));
    assert_int_equal(store_read_rows(&rows[0][0], reader, "images/mass", 698, 3, 4, &err), FAIL_FORMAT);
    store_close(reader);
}

static void rows_in_any_order_equal_one_write(void **state)
{
    enum { ROWS = 1000, WIDTH = 300, BLOCK = 100 };

    static float rows[BLOCK][WIDTH];
    const size_t dims[2] = {ROWS, WIDTH};
    size_t any[2] = {STORE_ANY, STORE_ANY};
    struct store *store = sample_begin("rows.h5");
    struct error err = {0};
    float *values;

    (void)state;
    assert_int_equal(store_create_rows(store, "layers/fc6/relevance", 2, dims, &err), OK);
    for (size_t turn = 0; turn < ROWS / BLOCK; turn++) {
        size_t first = turn * 7 % 10 * BLOCK;

        for (size_t i = 0; i < (size_t)BLOCK * WIDTH; i++)
            rows[i / WIDTH][i % WIDTH] = (float)(first * WIDTH + i);
        assert_int_equal(store_write_rows(store, "layers/fc6/relevance", first, BLOCK, rows, &err), OK);
    }
    struct store_reader *reader = sample_finish(store, "rows.h5");

    assert_int_equal(store_read_float(&values, reader, "layers/fc6/relevance", 2, any, &err), OK);
    assert_int_equal(any[0] * any[1], ROWS * WIDTH);
    for (size_t i = 0; i < (size_t)ROWS * WIDTH; i++)
        assert_same(values[i], (float)i);
    free(values);
    store_close(reader);
}

/* Begin "copied.h5" with rows of three columns, and copy two stores into it: "one.h5" and again "one.h5". */
static void copied_rows_keep_their_bits(void **state)
{
    enum { ROWS = 700, WIDTH = 300 };

    static float relevance[ROWS][WIDTH];
    static int32_t label[ROWS];
    static uint8_t status[ROWS];
    const char *const paths[] = {"layers/fc6/relevance", "images/label", "images/status"};
    const size_t dims[] = {ROWS, WIDTH}, both[] = {2 * ROWS, WIDTH};
    struct store *store = sample_begin("one.h5");
    struct error err = {0};
    size_t n = 2 * ROWS, any[] = {STORE_ANY, STORE_ANY};
    float *values;
    int64_t *labels, *statuses;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        relevance[i][i % WIDTH] = i % 2 ? -0.0F : (float)NAN;
        label[i] = (int32_t)i - 5;
        status[i] = (uint8_t)(i % STORE_NSTATUS);
    }
    assert_int_equal(store_write(store, paths[0], relevance, 2, dims, &err), OK);
    assert_int_equal(store_write(store, paths[1], label, 1, dims, &err), OK);
    assert_int_equal(store_write(store, paths[2], status, 1, dims, &err), OK);
    struct store_reader *one = sample_finish(store, "one.h5");

    store = sample_begin("copied.h5");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store_create_rows(store, paths[i], i ? 1 : 2, both, &err), OK);
        for (size_t at = 0; at < 2 * ROWS; at += ROWS)
            assert_int_equal(store_copy_rows(store, paths[i], at, one, ROWS, &err), OK);
    }
    assert_int_equal(store_copy_rows(store, paths[1], ROWS + 1, one, ROWS, &err), FAIL_FORMAT); /* beyond the end */
    assert_int_equal(store_copy_rows(store, "images/target", 0, one, ROWS, &err), FAIL_FORMAT); /* not begun */
    store_close(one);
    struct store_reader *reader = sample_finish(store, "copied.h5");

    assert_int_equal(store_read_float(&values, reader, paths[0], 2, any, &err), OK);
    assert_int_equal(store_read_int(&labels, reader, paths[1], 1, &n, &err), OK);
    assert_int_equal(store_read_int(&statuses, reader, paths[2], 1, &n, &err), OK);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        assert_memory_equal(values + i * WIDTH, relevance[i % ROWS], sizeof relevance[0]);
        assert_int_equal(labels[i], label[i % ROWS]);
        assert_int_equal(statuses[i], status[i % ROWS]);
    }
    free(values);
    free(labels);
    free(statuses);
    store_close(reader);
}

static void rows_of_another_type_or_number_are_not_copied(void **state)
{
    const size_t dims[] = {10, 3};
    const double mass[10][3] = {{0}};
    struct store *store = sample_begin("one.h5");
    struct error err = {0};

    (void)state;
    assert_int_equal(store_write(store, "images/mass", mass, 2, dims, &err), OK);
    struct store_reader *one = sample_finish(store, "one.h5");

    store = sample_begin("other.h5");
    const size_t wider[] = {10, 4};

    assert_int_equal(store_create_rows(store, "images/mass", 2, wider, &err), OK);
    assert_int_equal(store_copy_rows(store, "images/mass", 0, one, 10, NULL), FAIL_FORMAT);
    assert_int_equal(store_create_rows(store, "images/bias", 2, dims, &err), OK);
    assert_int_equal(store_copy_rows(store, "images/bias", 0, one, 10, NULL), FAIL_FORMAT); /* not there */
    store_discard(store);
    store_close(one);
    store = sample_begin("float.h5");
    const float relevance[10][3] = {{0}};

    assert_int_equal(store_write(store, "layers/fc6/relevance", relevance, 2, dims, &err), OK);
    one = sample_finish(store, "float.h5");
    store = sample_begin("rows.h5");
    assert_int_equal(store_create_rows(store, "layers/fc6/relevance", 2, dims, &err), OK);
    assert_int_equal(store_copy_rows(store, "layers/fc6/relevance", 0, one, 11, NULL), FAIL_FORMAT);
    store_discard(store);
    store_close(one);
}

static void unwritten_rows_say_so(void **state)
{
    const size_t dims[2] = {2000, 2};
    size_t n = 2000, both[2] = {2000, 2};
    struct store *store = sample_begin("fill.h5");
    struct error err = {0};
    double *mass;
    int64_t *label, *status;

    (void)state;
    assert_int_equal(store_create_rows(store, "images/mass", 2, dims, &err), OK);
    assert_int_equal(store_create_rows(store, "images/label", 1, dims, &err), OK);
    assert_int_equal(store_create_rows(store, "images/status", 1, dims, &err), OK);
    struct store_reader *reader = sample_finish(store, "fill.h5");

    assert_int_equal(store_read_real(&mass, reader, "images/mass", 2, both, &err), OK);
    assert_int_equal(store_read_int(&label, reader, "images/label", 1, &n, &err), OK);
    assert_int_equal(store_read_int(&status, reader, "images/status", 1, &n, &err), OK);
    assert_nan(mass[1234]);
    assert_int_equal(label[1999], -1);
    assert_int_equal(status[0], STORE_IMAGE_UNREAD);
    free(mass);
    free(label);
    free(status);
    store_close(reader);
}

static void attribute_of_a_megabyte_survives(void **state)
{
    enum { NBYTES = 1 << 20 };
    struct store *store = sample_begin("config.h5");
    struct error err = {0};
    char *config = malloc(NBYTES + 1), *got;

    (void)state;
    assert_non_null(config);
    for (size_t i = 0; i < NBYTES; i++)
        config[i] = (char)('a' + i % 26);
    config[NBYTES] = '\0';
    assert_int_equal(store_set_text(store, "", "config", config, &err), OK);
    struct store_reader *reader = sample_finish(store, "config.h5");

    assert_int_equal(store_get_text(&got, reader, "", "config", &err), OK);
    assert_string_equal(got, config);
    free(got);
    free(config);
    store_close(reader);
}

static void empty_text_and_no_images_are_fine(void **state)
{
    struct store *store = sample_begin("none.h5");
    struct error err = {0};
    const size_t dims[2] = {0, 4};
    size_t count = STORE_ANY, any[2] = {STORE_ANY, STORE_ANY};
    char *text, **paths;
    double *mass;

    (void)state;
    assert_int_equal(store_set_text(store, "", "config", "", &err), OK);
    assert_int_equal(store_write_text(store, "images/path", NULL, 0, &err), OK);
    assert_int_equal(store_write(store, "images/mass", NULL, 2, dims, &err), OK);
    struct store_reader *reader = sample_finish(store, "none.h5");

    assert_int_equal(store_get_text(&text, reader, "", "config", &err), OK);
    assert_string_equal(text, "");
    assert_int_equal(store_read_text(&paths, reader, "images/path", &count, &err), OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_read_real(&mass, reader, "images/mass", 2, any, &err), OK);
    assert_int_equal(any[1], 4);
    free(text);
    free(paths);
    free(mass);
    store_close(reader);
}

static void bytes_that_are_not_utf8_become_escapes(void **state)
{
    static const char *const names[] = {"caf\xe9.jpg",      "\xc3\xa9", "\xed\xa0\x80",
                                        "\xf0\x9f\x90\x88", "\xc0\xaf", "x\xe2\x82"};
    static const char *const want[] = {"caf\\xE9.jpg",     "\xc3\xa9",   "\\xED\\xA0\\x80",
                                       "\xf0\x9f\x90\x88", "\\xC0\\xAF", "x\\xE2\\x82"};
    struct store *store = sample_begin("utf8.h5");
    struct error err = {0};
    size_t count = 6;
    char **paths;

    (void)state;
    assert_int_equal(store_write_text(store, "images/path", names, count, &err), OK);
    struct store_reader *reader = sample_finish(store, "utf8.h5");

    assert_int_equal(store_read_text(&paths, reader, "images/path", &count, &err), OK);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(paths[i], want[i]);
    free(paths);
    store_close(reader);
}

static void names_of_files_are_escaped_so_that_they_can_be_told_apart(void **state)
{
    static const char *const names[][2] = {{"caf\xe9", "caf\\xE9"},
                                           {"caf\\xE9", "caf\\x5CxE9"},
                                           {"a\\b", "a\\b"},
                                           {"\\x5CxE9", "\\x5Cx5CxE9"},
                                           {"", ""},
                                           {"\xc3\xa9\\x", "\xc3\xa9\\x"}};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *escaped = store_escape_name(names[i][0]);
        assert_string_equal(escaped, names[i][1]);
        free(escaped);
    }
}

static void groups_list_in_the_order_of_writing(void **state)
{
    static const char *const names[] = {"input", "conv1_1", "pool1", "fc6"};
    struct store *store = sample_begin("order.h5");
    struct error err = {0};
    struct store_names found;
    const double zero = 0;
    const size_t one = 1;
    char path[64];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "layers/%s/mean", names[i]);
        assert_int_equal(store_write(store, path, &zero, 1, &one, &err), OK);
    }
    struct store_reader *reader = sample_finish(store, "order.h5");

    assert_int_equal(store_list(&found, reader, "layers", &err), OK);
    assert_int_equal(found.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(found.names[i], names[i]);
    store_names_free(&found);
    store_close(reader);
}

static void equal_contents_make_equal_files(void **state)
{
    size_t na, nb;

    (void)state;
    sample_write(files_path("a.h5"));
    sample_write(files_path("b.h5"));
    unsigned char *a = files_read(&na, files_path("a.h5")), *b = files_read(&nb, files_path("b.h5"));

    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_stand_for_one_name),
        cmocka_unit_test(every_field_is_found_by_its_path),
        cmocka_unit_test_teardown(h5py_and_h5dump_read_every_field, files_clean),
        cmocka_unit_test_teardown(reader_returns_what_was_written, files_clean),
        cmocka_unit_test_teardown(reader_returns_text, files_clean),
        cmocka_unit_test_teardown(reader_returns_status_as_integers, files_clean),
        cmocka_unit_test_teardown(reader_returns_attributes, files_clean),
        cmocka_unit_test_teardown(reader_checks_shapes, files_clean),
        cmocka_unit_test_teardown(rows_are_read_from_the_middle, files_clean),
        cmocka_unit_test_teardown(rows_in_any_order_equal_one_write, files_clean),
        cmocka_unit_test_teardown(copied_rows_keep_their_bits, files_clean),
        cmocka_unit_test_teardown(rows_of_another_type_or_number_are_not_copied, files_clean),
        cmocka_unit_test_teardown(unwritten_rows_say_so, files_clean),
        cmocka_unit_test_teardown(attribute_of_a_megabyte_survives, files_clean),
        cmocka_unit_test_teardown(empty_text_and_no_images_are_fine, files_clean),
        cmocka_unit_test_teardown(bytes_that_are_not_utf8_become_escapes, files_clean),
        cmocka_unit_test(names_of_files_are_escaped_so_that_they_can_be_told_apart),
        cmocka_unit_test_teardown(groups_list_in_the_order_of_writing, files_clean),
        cmocka_unit_test_teardown(equal_contents_make_equal_files, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
