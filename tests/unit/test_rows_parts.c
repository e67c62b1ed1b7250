/* Part files that are not what this run has written. */
#include "pipeline/run/rows.h"
#include "tests/support/store_files.h"

enum { ROWS_OF_FILE = 64, BLOCK = 4 };

static struct rows_layout make_layout(void)
{
    return (struct rows_layout){.block = BLOCK, .ncolumns = 1, .columns = {{"images.mass", PARTFILE_F64, 1}}};
}

static void write_part(const char *path, size_t rows_per_block)
{
    static const double zeros[ROWS_OF_FILE];
    const struct rows_layout layout = make_layout();
    const void *data[] = {zeros};
    struct partfile_writer *part;
    struct error err = {0};

    assert_int_equal(partfile_create(&part, path, layout.columns, layout.ncolumns, rows_per_block, &err), OK);
    assert_int_equal(partfile_append(part, 0, rows_per_block, data, &err), OK);
    assert_int_equal(partfile_commit(part, &err), OK);
}

static enum status open_parts(struct error *err)
{
    const struct rows_layout layout = make_layout();
    const char *const paths[] = {files_path("epoch.part")};
    struct rows_parts parts;
    enum status rc = rows_parts_open(&parts, &layout, paths, 1, err);

    rows_parts_free(&parts);
    return rc;
}

static void part_of_this_run_opens(void **state)
{
    struct error err = {0};

    (void)state;
    write_part(files_path("epoch.part"), BLOCK);
    assert_int_equal(open_parts(&err), OK);
}

/* Its blocks would be read into memory for smaller ones. */
static void larger_blocks_are_refused(void **state)
{
    struct error err = {0};

    (void)state;
    write_part(files_path("epoch.part"), ROWS_OF_FILE);
    assert_int_equal(open_parts(&err), FAIL_FORMAT);
    assert_non_null(strstr(err.message, "blocks of 64 rows, this run's have 4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(part_of_this_run_opens, files_clean),
        cmocka_unit_test_teardown(larger_blocks_are_refused, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
