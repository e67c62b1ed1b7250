/* Rows of images, from a measure's result to the columns of a store, by way of part files. */
#include "kernels/base/network_vgg.h"
#include "pipeline/run/rows.h"
#include "tests/support/assert.h"
#include "tests/support/store_files.h"

#include <math.h>

enum {
    IMAGES = 7,
    BLOCK = 4,
    ODD = 3,
    CLASSES = 3,
    QUERIES = 2,
    WATCHED = 1 /* the variable whose relevance is kept */
};

/* A run over a tiny VGG11, and a result that differs in every number. */
struct fixture {
    struct network net;
    struct measure_plan plan;
    struct rows_layout layout;
    struct rows rows;
    struct measure_result result;
    double relevance[1024], queries[2 * QUERIES];
};

static size_t variables(const struct fixture *f)
{
    return f->net.nlinks + 1;
}

static size_t watched_channels(const struct fixture *f)
{
    return network_shape(&f->net, WATCHED).channels;
}

/* The ledger of image i in variable k: four different numbers. */
static double ledger(size_t term, size_t i, size_t k)
{
    return (double)(1000 * term + 100 * i + k) / 64;
}

static void make_result(struct fixture *f, size_t i)
{
    struct measure_result *r = &f->result;

    *r = (struct measure_result){.predicted = i % CLASSES,
                                 .target = (i + 1) % CLASSES,
                                 .logit = (double)i + 0.5,
                                 .probability = 1 / (double)(i + 2),
                                 .given_mass = (double)i + 0.25,
                                 .relevance = f->relevance};
    for (size_t k = 0; k < variables(f); k++) {
        r->mass[k] = ledger(1, i, k);
        r->variation[k] = ledger(2, i, k);
        r->bias[k] = ledger(3, i, k);
        r->absorbed[k] = ledger(4, i, k);
    }
    for (size_t c = 0; c < f->plan.channel[variables(f)]; c++)
        f->relevance[c] = (double)(100 * i + c);
    for (size_t q = 0; q < 2 * QUERIES; q++)
        f->queries[q] = (double)(10 * i + q);
}

static void begin_blocks(struct fixture *f, size_t block)
{
    static const struct rows_options options = {
        .relevance = {[WATCHED] = true}, .nqueries = QUERIES, .queries = {"ears", "tail"}};

    *f = (struct fixture){.plan = {.net = &f->net}};
    assert_more(network_vgg_standard(&f->net, "vgg11", 32, 32, CLASSES), 0);
    for (size_t k = 0; k < variables(f); k++)
        f->plan.channel[k + 1] = f->plan.channel[k] + network_shape(&f->net, k).channels;
    assert_at_most(f->plan.channel[variables(f)], 1024);
    rows_layout_init(&f->layout, &f->plan, block, &options);
    rows_init(&f->rows, &f->layout);
}

static void begin(struct fixture *f)
{
    begin_blocks(f, BLOCK);
}

/* Images first .. first + n - 1, of the given status each; unread ones have no result. */
static void add_block(struct fixture *f, size_t first, size_t n, const enum store_status *status)
{
    struct error err = {0};

    assert_int_equal(rows_add_block(&f->rows, first, n, &err), OK);
    for (size_t row = 0; row < n; row++) {
        make_result(f, first + row);
        rows_set(&f->rows, row, status[first + row], status[first + row] == STORE_IMAGE_UNREAD ? NULL : &f->result,
                 f->queries);
    }
}

static const enum store_status kinds[IMAGES] = {STORE_IMAGE_OK,        STORE_IMAGE_UNREAD, STORE_IMAGE_EXPLODED,
                                                STORE_IMAGE_UNDEFINED, STORE_IMAGE_OK,     STORE_IMAGE_UNREAD,
                                                STORE_IMAGE_OK};

/* Write blocks b, b + 2, ... of the rows to a part file. */
static void write_part(const struct fixture *f, size_t b, const char *name)
{
    const struct rows_layout *l = &f->layout;
    struct partfile_writer *part;
    struct error err = {0};

    assert_int_equal(partfile_create(&part, files_path(name), l->columns, l->ncolumns, l->block, &err), OK);
    for (; b < f->rows.nblocks; b += 2) {
        const struct rows_block *block = &f->rows.blocks[b];
        const void *data[ROWS_MAX_COLUMNS];
        for (size_t column = 0; column < l->ncolumns; column++)
            data[column] = block->packed + l->offset[column];
        assert_int_equal(partfile_append(part, block->first, block->nrows, data, &err), OK);
    }
    assert_int_equal(partfile_commit(part, &err), OK);
}

/* Both blocks, the last one in the first part file. */
static void open_parts(struct fixture *f, struct rows_parts *parts, size_t nparts)
{
    const char *const paths[] = {files_path("a.part"), files_path("b.part")};
    struct error err = {0};

    begin(f);
    add_block(f, BLOCK, IMAGES - BLOCK, kinds);
    add_block(f, 0, BLOCK, kinds);
    write_part(f, 0, "a.part");
    write_part(f, 1, "b.part");
    if (rows_parts_open(parts, &f->layout, paths, nparts, &err) != OK)
        fail_msg("%s", err.message);
}

static void end(struct fixture *f, struct rows_parts *parts)
{
    rows_parts_free(parts);
    rows_free(&f->rows);
}

static struct store_reader *pack(struct rows_parts *parts, size_t counts[STORE_NSTATUS], bool complete)
{
    struct store *store;
    struct store_reader *reader;
    struct error err = {0};

    if (store_create(&store, files_path("store.h5"), 4, &err) != OK ||
        rows_pack(store, counts, parts, IMAGES, complete, &err) != OK || store_commit(store, &err) != OK ||
        store_open_read(&reader, files_path("store.h5"), &err) != OK)
        fail_msg("%s", err.message);
    return reader;
}

/* A column [IMAGES][width] of the store; caller frees. */
static double *column(const struct store_reader *reader, const char *path, size_t width)
{
    size_t dims[2] = {IMAGES, width};
    struct error err = {0};
    double *values;

    if (store_read_real(&values, reader, path, width ? 2 : 1, dims, &err) != OK)
        fail_msg("%s", err.message);
    return values;
}

/* ---- layout
 * ------------------------------------------------------------------------------------------------------- */

/* An odd number of rows needs padding after columns of 32 bits. */
static void columns_follow_each_other_without_overlap(void **state)
{
    struct fixture f;

    (void)state;
    begin_blocks(&f, ODD);
    for (size_t i = 0; i < f.layout.ncolumns; i++) {
        const struct partfile_column *c = &f.layout.columns[i];
        size_t bytes = c->type == PARTFILE_F64 || c->type == PARTFILE_I64 ? 8 : 4;
        assert_int_equal(f.layout.offset[i] % 8, 0);
        assert_within(f.layout.offset[i + 1] - f.layout.offset[i], ODD * c->width * bytes, ODD * c->width * bytes + 7,
                      "the rows of a block, and padding to eight bytes");
    }
    rows_free(&f.rows);
}

static void columns_are_named_as_in_the_store(void **state)
{
    struct fixture f;
    size_t last;

    (void)state;
    begin(&f);
    last = f.layout.ncolumns - 1;
    assert_int_equal(f.layout.nfixed, f.layout.query + 2 * QUERIES);
    assert_int_equal(last, f.layout.nfixed);
    assert_string_equal(f.layout.paths[f.layout.query + 3], "queries/tail/given");
    assert_string_equal(f.layout.names[f.layout.query + 3], "queries.tail.given");
    assert_string_equal(f.layout.paths[last], "layers/conv1_1/relevance");
    assert_string_equal(f.layout.columns[last].name, "layers.conv1_1.relevance");
    assert_int_equal(f.layout.columns[last].width, watched_channels(&f));
    rows_free(&f.rows);
}

/* ---- rows of a rank
 * ----------------------------------------------------------------------------------------------- */

static void new_rows_are_unread(void **state)
{
    struct fixture f;
    struct error err = {0};

    (void)state;
    begin(&f);
    assert_int_equal(rows_add_block(&f.rows, 0, BLOCK, &err), OK);
    for (size_t row = 0; row < BLOCK; row++) {
        struct rows_image image = rows_get(&f.rows, row);
        assert_int_equal(image.status, STORE_IMAGE_UNREAD);
        assert_int_equal(image.predicted, -1);
        assert_int_equal(image.target, -1);
        assert_nan(image.logit);
        assert_nan(image.value);
        assert_nan(image.given);
    }
    rows_free(&f.rows);
}

static void a_row_comes_back_from_the_last_block(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    add_block(&f, 0, BLOCK, kinds);
    add_block(&f, BLOCK, IMAGES - BLOCK, kinds);
    struct rows_image image = rows_get(&f.rows, 2);

    assert_int_equal(image.status, STORE_IMAGE_OK);
    assert_int_equal(image.predicted, 6 % CLASSES);
    assert_int_equal(image.target, 7 % CLASSES);
    assert_same(image.logit, 6.5);
    assert_same(image.value, 60);
    assert_same(image.given, 61);
    rows_free(&f.rows);
}

static void rows_are_full_before_a_block_goes_beyond(void **state)
{
    struct fixture f;
    size_t nbytes;

    (void)state;
    begin(&f);
    nbytes = f.layout.offset[f.layout.ncolumns];
    assert_false(rows_full(&f.rows, nbytes));
    assert_true(rows_full(&f.rows, nbytes - 1));
    add_block(&f, 0, BLOCK, kinds);
    assert_false(rows_full(&f.rows, 2 * nbytes));
    assert_true(rows_full(&f.rows, 2 * nbytes - 1));
    rows_free(&f.rows);
}

/* ---- columns of the store
 * ----------------------------------------------------------------------------------------- */

static void statuses_are_counted_and_packed(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    size_t counts[STORE_NSTATUS], found[STORE_NSTATUS] = {0};

    (void)state;
    open_parts(&f, &parts, 2);
    struct store_reader *reader = pack(&parts, counts, true);
    size_t images = IMAGES;
    struct error err = {0};
    int64_t *status;

    assert_int_equal(store_read_int(&status, reader, "images/status", 1, &images, &err), OK);
    for (size_t i = 0; i < IMAGES; i++) {
        assert_int_equal(status[i], kinds[i]);
        found[kinds[i]]++;
    }
    for (size_t s = 0; s < STORE_NSTATUS; s++)
        assert_int_equal(counts[s], found[s]);
    free(status);
    store_close(reader);
    end(&f, &parts);
}

/* A measured image that failed has a prediction. */
static void predictions_are_of_measured_images(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    size_t counts[STORE_NSTATUS];

    (void)state;
    open_parts(&f, &parts, 2);
    struct store_reader *reader = pack(&parts, counts, true);
    double *predicted = column(reader, "images/predicted", 0), *target = column(reader, "images/target", 0);
    double *logit = column(reader, "images/logit", 0), *probability = column(reader, "images/probability", 0);

    for (size_t i = 0; i < IMAGES; i++) {
        bool measured = kinds[i] != STORE_IMAGE_UNREAD;
        assert_same(predicted[i], measured ? (double)(i % CLASSES) : -1);
        assert_same(target[i], measured ? (double)((i + 1) % CLASSES) : -1);
        if (!measured) {
            assert_nan(logit[i]);
            assert_nan(probability[i]);
        } else {
            assert_same(logit[i], (double)i + 0.5);
            assert_same(probability[i], (float)(1 / (double)(i + 2)));
        }
    }
    free(predicted);
    free(target);
    free(logit);
    free(probability);
    store_close(reader);
    end(&f, &parts);
}

/* An exploded image shows where. */
static void the_ledger_is_of_ok_and_exploded_images(void **state)
{
    static const char *const paths[] = {"images/mass", "images/variation", "images/bias", "images/absorbed"};
    struct fixture f;
    struct rows_parts parts;
    size_t counts[STORE_NSTATUS];

    (void)state;
    open_parts(&f, &parts, 2);
    struct store_reader *reader = pack(&parts, counts, true);

    for (size_t term = 0; term < 4; term++) {
        double *values = column(reader, paths[term], variables(&f));
        for (size_t i = 0; i < IMAGES; i++)
            for (size_t k = 0; k < variables(&f); k++) {
                double value = values[i * variables(&f) + k];
                if (kinds[i] == STORE_IMAGE_OK || kinds[i] == STORE_IMAGE_EXPLODED)
                    assert_same(value, ledger(term + 1, i, k));
                else
                    assert_nan(value);
            }
        free(values);
    }
    store_close(reader);
    end(&f, &parts);
}

static void results_are_of_ok_images(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    size_t counts[STORE_NSTATUS];

    (void)state;
    open_parts(&f, &parts, 2);
    struct store_reader *reader = pack(&parts, counts, true);
    size_t width = watched_channels(&f);
    double *mass = column(reader, "images/given_mass", 0), *value = column(reader, "queries/tail/value", 0);
    double *given = column(reader, "queries/tail/given", 0), *r = column(reader, "layers/conv1_1/relevance", width);

    for (size_t i = 0; i < IMAGES; i++) {
        bool ok = kinds[i] == STORE_IMAGE_OK;
        const double found[] = {mass[i], value[i], given[i], r[i * width], r[i * width + width - 1]};
        size_t first = f.plan.channel[WATCHED];
        const double wanted[] = {(double)i + 0.25, (double)(10 * i + 2), (double)(10 * i + 3),
                                 (double)(100 * i + first), (double)(100 * i + first + width - 1)};
        for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
            if (ok)
                assert_same(found[j], wanted[j]);
            else
                assert_nan(found[j]);
        }
    }
    free(mass);
    free(value);
    free(given);
    free(r);
    store_close(reader);
    end(&f, &parts);
}

static void an_unfinished_store_may_lack_rows_but_has_no_relevance(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    size_t counts[STORE_NSTATUS];

    (void)state;
    open_parts(&f, &parts, 1);
    struct store_reader *reader = pack(&parts, counts, false);

    assert_int_equal(counts[STORE_IMAGE_OK] + counts[STORE_IMAGE_UNREAD], IMAGES - BLOCK);
    assert_false(store_has(reader, "layers/conv1_1/relevance"));
    assert_true(store_has(reader, "queries/tail/given"));
    store_close(reader);
    end(&f, &parts);
}

static void a_complete_store_needs_all_rows(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    struct store *store;
    struct error err = {0};
    size_t counts[STORE_NSTATUS];

    (void)state;
    open_parts(&f, &parts, 1);
    assert_int_equal(store_create(&store, files_path("store.h5"), 4, &err), OK);
    assert_int_equal(rows_pack(store, counts, &parts, IMAGES, true, &err), FAIL_FORMAT);
    files_expect_message(err.message, "hold 3 rows of 7");
    store_discard(store);
    end(&f, &parts);
}

static void a_row_in_two_parts_is_refused(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    struct error err = {0};

    (void)state;
    begin(&f);
    add_block(&f, 0, BLOCK, kinds);
    add_block(&f, BLOCK - 1, BLOCK, kinds);
    write_part(&f, 0, "a.part");
    write_part(&f, 1, "b.part");
    const char *const paths[] = {files_path("a.part"), files_path("b.part")};

    assert_int_equal(rows_parts_open(&parts, &f.layout, paths, 2, &err), FAIL_FORMAT);
    files_expect_message(err.message, "hold row 3 twice");
    end(&f, &parts);
}

static void a_column_is_nan_where_rows_are_missing(void **state)
{
    struct fixture f;
    struct rows_parts parts;
    struct error err = {0};
    double values[IMAGES];

    (void)state;
    open_parts(&f, &parts, 1); /* the last three rows */
    assert_int_equal(rows_read_column(values, &parts, f.layout.query, IMAGES, &err), OK);
    for (size_t i = 0; i < IMAGES; i++) {
        if (i < BLOCK || kinds[i] != STORE_IMAGE_OK)
            assert_nan(values[i]);
        else
            assert_same(values[i], (double)(10 * i));
    }
    assert_int_equal(rows_read_column(values, &parts, f.layout.query, IMAGES - 1, &err), FAIL_FORMAT);
    files_expect_message(err.message, "rows beyond its 6 images");
    end(&f, &parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_follow_each_other_without_overlap),
        cmocka_unit_test(columns_are_named_as_in_the_store),
        cmocka_unit_test(new_rows_are_unread),
        cmocka_unit_test(a_row_comes_back_from_the_last_block),
        cmocka_unit_test(rows_are_full_before_a_block_goes_beyond),
        cmocka_unit_test_teardown(statuses_are_counted_and_packed, files_clean),
        cmocka_unit_test_teardown(predictions_are_of_measured_images, files_clean),
        cmocka_unit_test_teardown(the_ledger_is_of_ok_and_exploded_images, files_clean),
        cmocka_unit_test_teardown(results_are_of_ok_images, files_clean),
        cmocka_unit_test_teardown(an_unfinished_store_may_lack_rows_but_has_no_relevance, files_clean),
        cmocka_unit_test_teardown(a_complete_store_needs_all_rows, files_clean),
        cmocka_unit_test_teardown(a_row_in_two_parts_is_refused, files_clean),
        cmocka_unit_test_teardown(a_column_is_nan_where_rows_are_missing, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
