#include "pipeline/run/reader.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 4, SIDE = 32, FLOATS = SIDE * SIDE };

struct fixture {
    struct dataset_listing *listing;
    struct preprocessing preprocessing;
};

static int setup(void **state)
{
    static struct fixture f = {
        .preprocessing = {
            .pad = 2, .channels = 1, .height = SIDE, .width = SIDE, .divisor = 255, .mean = {0.3f}, .std = {0.4f}}};
    struct dataset_options options = {.path = JOBS "/demo/t10k-images-idx3-ubyte.gz"};
    struct error err = {0};

    *state = &f;
    return dataset_scan(&f.listing, &options, &err) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f->listing);
    return 0;
}

static struct reader *open(const struct fixture *f, float **inputs)
{
    struct reader *reader;
    struct error err = {0};

    *inputs = calloc((size_t)2 * CAPACITY * FLOATS, sizeof **inputs);
    assert_int_equal(reader_open(&reader, f->listing, &f->preprocessing, CAPACITY, *inputs, &err), OK);
    return reader;
}

/* The images must be those that a plain loop reads. */
static void check(const struct fixture *f, const struct reader_batch *batch, size_t first, size_t end)
{
    static float expected[FLOATS];
    struct dataset *dataset;
    struct image image;
    struct image_scratch scratch;
    struct error err = {0};

    image_init(&image);
    image_scratch_init(&scratch);
    assert_int_equal(dataset_open(&dataset, f->listing, &err), OK);
    assert_same(batch->first, first);
    assert_same(batch->end, end);
    for (size_t i = first; i < end; i++) {
        assert_int_equal(dataset_read(&image, dataset, i, 1, &err), OK);
        assert_int_equal(image_preprocess(expected, &scratch, &image, &f->preprocessing, &err), OK);
        assert_int_equal(batch->images[i - first].rc, OK);
        assert_memory_equal(batch->inputs + (i - first) * FLOATS, expected, sizeof expected);
    }
    dataset_close(dataset);
    image_free(&image);
    image_scratch_free(&scratch);
}

static void images_come_whether_or_not_they_were_announced(void **state)
{
    const struct fixture *f = *state;
    float *inputs;
    struct reader *reader = open(f, &inputs);

    check(f, reader_take(reader, 0, 4), 0, 4);
    reader_ahead(reader, 4, 8);
    check(f, reader_take(reader, 4, 8), 4, 8);
    reader_ahead(reader, 8, 12);
    check(f, reader_take(reader, 20, 21), 20, 21); /* another one than announced */
    check(f, reader_take(reader, 8, 12), 8, 12);
    reader_ahead(reader, 30, 34);
    reader_ahead(reader, 40, 43); /* the last announcement counts */
    check(f, reader_take(reader, 40, 43), 40, 43);
    assert_more(reader_seconds(reader), 0);
    reader_close(reader);
    free(inputs);
}

static void a_batch_in_use_is_not_touched_by_what_is_read_ahead(void **state)
{
    const struct fixture *f = *state;
    float *inputs;
    struct reader *reader = open(f, &inputs);

    for (size_t first = 0; first < 400; first += CAPACITY) {
        const struct reader_batch *batch = reader_take(reader, first, first + CAPACITY);
        reader_ahead(reader, first + CAPACITY, first + 2 * CAPACITY);
        check(f, batch, first, first + CAPACITY);
    }
    reader_close(reader); /* while it reads */
    free(inputs);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    reader_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_come_whether_or_not_they_were_announced),
        cmocka_unit_test(a_batch_in_use_is_not_touched_by_what_is_read_ahead),
        cmocka_unit_test(closing_nothing_is_fine),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
