#include "io/h5/h5.h"
#include "io/store/partfile.h"
#include "tests/support/assert.h"
#include "tests/support/store_files.h"

#include <signal.h>
#include <sys/resource.h>

/* HDF5 itself leaks where it fails to read a damaged file. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

enum { ROWS = 16, WIDTH = 5, NBLOCKS = 300, NCOLUMNS = 4 };

static const struct partfile_column columns[NCOLUMNS] = {
    {"label", PARTFILE_I32, 1},
    {"position", PARTFILE_I64, 2},
    {"relevance", PARTFILE_F32, WIDTH},
    {"mass", PARTFILE_F64, 3},
};

/* Blocks come in any order, and every fifth one is short. */
static size_t image_of(size_t block)
{
    return block * 7 % NBLOCKS * ROWS;
}

static size_t rows_of(size_t block)
{
    return block % 5 == 4 ? 1 + block % ROWS : ROWS;
}

struct rows {
    int32_t label[ROWS];
    int64_t position[ROWS][2];
    float relevance[ROWS][WIDTH];
    double mass[ROWS][3];
};

static void fill(struct rows *rows, size_t block)
{
    *rows = (struct rows){0};
    for (size_t i = 0; i < rows_of(block); i++) {
        size_t image = image_of(block) + i;

        rows->label[i] = (int32_t)image - 3;
        for (size_t k = 0; k < 2; k++)
            rows->position[i][k] = (int64_t)(image * 2 + k) << 33;
        for (size_t k = 0; k < WIDTH; k++)
            rows->relevance[i][k] = (float)(image * WIDTH + k) / 7;
        for (size_t k = 0; k < 3; k++)
            rows->mass[i][k] = (double)(image * 3 + k) / 7;
    }
}

static enum status append(struct partfile_writer *part, size_t block, struct error *err)
{
    struct rows rows;
    const void *const data[NCOLUMNS] = {rows.label, rows.position, rows.relevance, rows.mass};

    fill(&rows, block);
    return partfile_append(part, image_of(block), rows_of(block), data, err);
}

static enum status write_part(const char *path, size_t nblocks, struct error *err)
{
    struct partfile_writer *part;
    enum status rc = partfile_create(&part, path, columns, NCOLUMNS, ROWS, err);

    for (size_t block = 0; rc == OK && block < nblocks; block++)
        rc = append(part, block, err);
    if (rc == OK)
        return partfile_commit(part, err);
    partfile_discard(part);
    return rc;
}

static struct partfile_reader *reader; /* of the part file that is open */

static enum status open_with(struct partfile **out, const char *path, const struct partfile_column *other,
                             size_t ncolumns, struct error *err)
{
    *out = NULL;
    enum status rc = partfile_reader_start(&reader, other, ncolumns, err);

    if (rc == OK)
        rc = partfile_open(out, reader, path, err);
    if (rc != OK)
        partfile_reader_end(reader);
    return rc;
}

static void close_part(struct partfile *part)
{
    partfile_close(part);
    partfile_reader_end(reader);
}

static struct partfile *open_part(size_t nblocks)
{
    struct partfile *part;
    struct error err = {0};
    const char *path = files_path("part.h5");

    if (write_part(path, nblocks, &err) != OK || open_with(&part, path, columns, NCOLUMNS, &err) != OK)
        fail_msg("%s", err.message);
    return part;
}

/* Whether a block reads as it was written; `failed` tells whether reading was refused. */
static bool same_block(bool *failed, const struct partfile *part, size_t block)
{
    struct rows want, got = {0};
    void *const data[NCOLUMNS] = {got.label, got.position, got.relevance, got.mass};

    fill(&want, block);
    for (size_t column = 0; column < NCOLUMNS; column++)
        *failed = *failed || partfile_read(data[column], part, block, column, NULL) != OK;
    return partfile_first_image(part, block) == image_of(block) && partfile_nrows(part, block) == rows_of(block) &&
           memcmp(&want, &got, sizeof want) == 0;
}

static void blocks_read_as_they_were_written(void **state)
{
    struct partfile *part = open_part(NBLOCKS);
    bool failed = false;

    (void)state;
    assert_int_equal(partfile_nblocks(part), NBLOCKS);
    assert_int_equal(partfile_rows_per_block(part), ROWS);
    for (size_t i = 0; i < NBLOCKS; i++)
        assert_true(same_block(&failed, part, i * 11 % NBLOCKS));
    assert_false(failed);
    close_part(part);
}

static void columns_are_found_by_name(void **state)
{
    const struct partfile_column order[NCOLUMNS] = {columns[3], columns[1], columns[0], columns[2]};
    struct partfile *part = open_part(2), *other;
    struct error err = {0};
    double mass[ROWS][3];

    (void)state;
    close_part(part);
    assert_int_equal(open_with(&other, files_path("part.h5"), order, NCOLUMNS, &err), OK);
    assert_int_equal(partfile_read(mass, other, 0, 0, &err), OK);
    assert_same(mass[2][1], 7.0 / 7);
    close_part(other);
}

static void no_blocks_are_a_part_file_too(void **state)
{
    struct partfile *part = open_part(0);

    (void)state;
    assert_int_equal(partfile_nblocks(part), 0);
    close_part(part);
}

static void columns_are_compressed_and_have_checksums(void **state)
{
    static const H5Z_filter_t want[] = {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32};
    struct error err = {0};
    hid_t file, dataset;

    (void)state;
    close_part(open_part(3));
    assert_int_equal(h5_open(&file, files_path("part.h5"), &err), OK);
    assert_int_equal(h5_open_dataset(&dataset, file, "columns/mass", "", &err), OK);
    hid_t properties = H5Dget_create_plist(dataset);

    assert_int_equal(H5Pget_nfilters(properties), 3);
    for (unsigned i = 0; i < 3; i++) {
        unsigned flags;
        size_t nvalues = 0;

        assert_int_equal(H5Pget_filter2(properties, i, &flags, &nvalues, NULL, 0, NULL, NULL), want[i]);
    }
    h5_close(&properties);
    h5_close(&dataset);
    h5_close(&file);
}

static void expect_mismatch(const struct partfile_column *other, size_t ncolumns, const char *message)
{
    struct partfile *part;
    struct error err = {0};

    close_part(open_part(2));
    assert_int_equal(open_with(&part, files_path("part.h5"), other, ncolumns, &err), FAIL_MISMATCH);
    assert_null(part);
    files_expect_message(err.message, message);
}

static void other_width_is_a_mismatch(void **state)
{
    const struct partfile_column other[NCOLUMNS] = {columns[0], columns[1], columns[2], {"mass", PARTFILE_F64, 4}};

    (void)state;
    expect_mismatch(other, NCOLUMNS, "/columns/mass has another type or width");
}

static void other_type_is_a_mismatch(void **state)
{
    const struct partfile_column other[NCOLUMNS] = {columns[0], columns[1], columns[2], {"mass", PARTFILE_F32, 3}};

    (void)state;
    expect_mismatch(other, NCOLUMNS, "/columns/mass has another type or width");
}

static void other_name_is_a_mismatch(void **state)
{
    const struct partfile_column other[NCOLUMNS] = {columns[0], columns[1], columns[2], {"bias", PARTFILE_F64, 3}};

    (void)state;
    expect_mismatch(other, NCOLUMNS, "no column bias");
}

static void fewer_columns_are_a_mismatch(void **state)
{
    (void)state;
    expect_mismatch(columns, 3, "has 4 columns, but this run has 3");
}

static void too_many_rows_are_refused(void **state)
{
    struct partfile_writer *part;
    struct error err = {0};
    static const int32_t labels[ROWS + 1];
    const void *const data[1] = {labels};

    (void)state;
    assert_int_equal(partfile_create(&part, files_path("part.h5"), columns, 1, ROWS, &err), OK);
    assert_int_equal(partfile_append(part, 0, ROWS + 1, data, &err), FAIL_LIMIT);
    partfile_discard(part);
    assert_int_equal(files_count(), 0);
}

static void column_named_like_a_path_is_refused(void **state)
{
    const struct partfile_column other = {"../x", PARTFILE_F64, 1};
    struct partfile_writer *part;
    struct error err = {0};

    (void)state;
    assert_int_equal(partfile_create(&part, files_path("part.h5"), &other, 1, ROWS, &err), FAIL_LIMIT);
    assert_int_equal(files_count(), 0);
}

static void nothing_is_visible_before_commit(void **state)
{
    struct partfile_writer *part;
    struct error err = {0};

    (void)state;
    assert_int_equal(partfile_create(&part, files_path("part.h5"), columns, NCOLUMNS, ROWS, &err), OK);
    assert_int_equal(append(part, 0, &err), OK);
    assert_int_not_equal(access(files_path("part.h5"), F_OK), 0);
    assert_int_equal(partfile_commit(part, &err), OK);
    assert_int_equal(access(files_path("part.h5"), F_OK), 0);
    assert_int_equal(files_count(), 1);
}

static int fill_the_disk(const char *path)
{
    const struct rlimit limit = {20000, 20000};
    struct error err = {0};

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    return write_part(path, NBLOCKS, &err) == FAIL_SYSTEM && strstr(err.message, "File too large") ? 0 : 2;
}

static void full_disk_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(files_in_child(fill_the_disk, files_path("part.h5")), 0);
    assert_int_equal(files_count(), 0);
}

enum { READ = 10, REFUSED, WRONG }; /* none that a sanitizer ends with */

/* Every block is what was written, or reading says that it is damaged. */
static int read_damaged(const char *path)
{
    struct partfile *part;
    bool failed = false;
    int result = READ;

    if (open_with(&part, path, columns, NCOLUMNS, NULL) != OK)
        return REFUSED;
    for (size_t block = 0; block < partfile_nblocks(part) && block < NBLOCKS && !failed; block++)
        if (!same_block(&failed, part, block) && !failed)
            result = WRONG;
    close_part(part);
    return failed ? REFUSED : result;
}

static void damage_is_never_read_as_data(void **state)
{
    enum { POSITIONS = 60, BLOCKS = 20 };

    static unsigned char *bytes; /* where the child's search for leaks finds it */
    size_t nbytes, nrefused = 0;
    const char *whole = files_path("part.h5"), *broken = files_path("broken.h5");

    (void)state;
    close_part(open_part(BLOCKS));
    bytes = files_read(&nbytes, whole);
    for (size_t i = 0; i < POSITIONS; i++) {
        size_t at = nbytes * i / POSITIONS + i;

        bytes[at] ^= 0x24;
        files_write(broken, bytes, nbytes);
        bytes[at] ^= 0x24;
        int result = files_in_child(read_damaged, broken);

        if (result != READ && result != REFUSED)
            fail_msg("reading ended with %d after a change of byte %zu of %zu", result, at, nbytes);
        nrefused += result == REFUSED;
    }
    assert_in_range(nrefused, POSITIONS / 4, POSITIONS);
    free(bytes);
}

static void cut_file_is_refused(void **state)
{
    size_t nbytes;
    struct partfile *part;

    (void)state;
    close_part(open_part(20));
    unsigned char *bytes = files_read(&nbytes, files_path("part.h5"));

    files_write(files_path("part.h5"), bytes, nbytes - 1);
    assert_int_equal(open_with(&part, files_path("part.h5"), columns, NCOLUMNS, NULL), FAIL_FORMAT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(blocks_read_as_they_were_written, files_clean),
        cmocka_unit_test_teardown(columns_are_found_by_name, files_clean),
        cmocka_unit_test_teardown(no_blocks_are_a_part_file_too, files_clean),
        cmocka_unit_test_teardown(columns_are_compressed_and_have_checksums, files_clean),
        cmocka_unit_test_teardown(other_width_is_a_mismatch, files_clean),
        cmocka_unit_test_teardown(other_type_is_a_mismatch, files_clean),
        cmocka_unit_test_teardown(other_name_is_a_mismatch, files_clean),
        cmocka_unit_test_teardown(fewer_columns_are_a_mismatch, files_clean),
        cmocka_unit_test_teardown(too_many_rows_are_refused, files_clean),
        cmocka_unit_test_teardown(column_named_like_a_path_is_refused, files_clean),
        cmocka_unit_test_teardown(nothing_is_visible_before_commit, files_clean),
        cmocka_unit_test_teardown(full_disk_leaves_nothing, files_clean),
        cmocka_unit_test_teardown(damage_is_never_read_as_data, files_clean),
        cmocka_unit_test_teardown(cut_file_is_refused, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
