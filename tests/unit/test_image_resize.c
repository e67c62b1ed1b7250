/* Resizing and preprocessing against PIL, torch and (where installed) torchvision. */
#include "io/image/image.h"
#include "tests/support/assert.h"
#include "tests/support/image_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct image in, out;
    struct image_scratch scratch;
};

struct records {
    unsigned char *bytes, *next;
    size_t nbytes;
};

static int make_fixture(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : -1;
}

static int remove_fixture(void **state)
{
    struct fixture *f = *state;

    image_free(&f->in);
    image_free(&f->out);
    image_scratch_free(&f->scratch);
    free(f);
    return 0;
}

static struct records make_records(const char *task)
{
    char folder[PATH_LENGTH], path[PATH_LENGTH + 16];
    struct records r;

    temporary_folder(folder);
    assert_true(run_python("make_images.py", task, folder));
    snprintf(path, sizeof path, "%s/cases.bin", folder);
    r.next = r.bytes = read_file(path, &r.nbytes);
    temporary_remove(folder);
    return r;
}

static bool more(const struct records *r)
{
    return r->next < r->bytes + r->nbytes;
}

static void take(void *out, struct records *r, size_t nbytes)
{
    assert_at_most(nbytes, (size_t)(r->bytes + r->nbytes - r->next));
    memcpy(out, r->next, nbytes);
    r->next += nbytes;
}

static void take_image(struct image *image, struct records *r, size_t width, size_t height, size_t channels)
{
    assert_int_equal(image_reshape(image, width, height, channels, NULL), OK);
    take(image->pixels, r, width * height * channels);
}

static void resizing_equals_pil_bit_for_bit(void **state)
{
    struct fixture *f = *state;
    struct records r = make_records("resize");
    struct image expected;
    size_t ncases = 0;

    image_init(&expected);
    for (; more(&r); ncases++) {
        uint32_t head[6];
        take(head, &r, sizeof head);
        take_image(&f->in, &r, head[1], head[2], head[0]);
        take_image(&expected, &r, head[3], head[4], head[0]);
        assert_int_equal(image_resize(&f->out, &f->scratch, &f->in, head[3], head[4],
                                      head[5] ? IMAGE_BICUBIC : IMAGE_BILINEAR, NULL),
                         OK);
        if (memcmp(f->out.pixels, expected.pixels, (size_t)head[0] * head[3] * head[4]) != 0)
            fail_msg("%u x %u x %u to %u x %u, %s, differs from PIL", head[0], head[1], head[2], head[3], head[4],
                     head[5] ? "bicubic" : "bilinear");
    }
    assert_in_range(ncases, 100, 1000);
    image_free(&expected);
    free(r.bytes);
}

static void preprocessing_equals_torchvision_bit_for_bit(void **state)
{
    struct fixture *f = *state;
    struct records r = make_records("preprocess");
    size_t ncases = 0;

    for (; more(&r); ncases++) {
        struct error err = {0};
        uint32_t head[8];
        take(head, &r, sizeof head);
        struct preprocessing p = {.resize = head[3],
                                  .crop = head[4],
                                  .pad = head[5],
                                  .channels = head[0],
                                  .width = head[6],
                                  .height = head[7],
                                  .divisor = 255.0F};
        take(p.mean, &r, p.channels * sizeof(float));
        take(p.std, &r, p.channels * sizeof(float));
        take_image(&f->in, &r, head[1], head[2], head[0]);
        size_t nbytes = p.channels * p.width * p.height * sizeof(float);
        float *out = malloc(nbytes), *expected = malloc(nbytes);
        take(expected, &r, nbytes);
        if (image_preprocess(out, &f->scratch, &f->in, &p, &err) != OK)
            fail_msg("%s", err.message);
        if (memcmp(out, expected, nbytes) != 0)
            fail_msg("%u x %u, resize %u, crop %u, pad %u: differs from torchvision", head[1], head[2], head[3],
                     head[4], head[5]);
        free(out);
        free(expected);
    }
    assert_in_range(ncases, 20, 1000);
    free(r.bytes);
}

static void a_reversed_network_gets_blue_first(void **state)
{
    struct fixture *f = *state;
    struct preprocessing p = {.channels = 3,
                              .height = 1,
                              .width = 1,
                              .reversed = true,
                              .divisor = 1.0F,
                              .mean = {103.0F, 116.0F, 123.0F},
                              .std = {1.0F, 2.0F, 4.0F}};
    const float expected[3] = {3.0F, 1.0F, 1.0F};
    float out[3];

    assert_int_equal(image_reshape(&f->in, 1, 1, 3, NULL), OK);
    memcpy(f->in.pixels, (unsigned char[]){127, 118, 106}, 3);
    assert_int_equal(image_preprocess(out, &f->scratch, &f->in, &p, NULL), OK);
    for (size_t c = 0; c < 3; c++)
        assert_float_equal(out[c], expected[c], 0.0F);
}

static void an_image_of_another_shape_names_both_sizes(void **state)
{
    struct fixture *f = *state;
    struct preprocessing p = {.channels = 1, .height = 32, .width = 32, .divisor = 255.0F, .std = {1.0F}};
    struct error err = {0};
    float out[1];

    assert_int_equal(image_reshape(&f->in, 30, 28, 1, NULL), OK);
    assert_int_equal(image_preprocess(out, &f->scratch, &f->in, &p, &err), FAIL_MISMATCH);
    assert_non_null(strstr(err.message, "30 x 28"));
    assert_non_null(strstr(err.message, "32 x 32"));
}

static void an_absurd_size_is_a_limit(void **state)
{
    struct fixture *f = *state;
    struct preprocessing p = {
        .resize = 256, .crop = 224, .channels = 1, .height = 224, .width = 224, .divisor = 255.0F, .std = {1.0F}};
    float out[1];

    assert_int_equal(image_reshape(&f->in, 1, 100000, 1, NULL), OK);
    assert_int_equal(image_preprocess(out, &f->scratch, &f->in, &p, NULL), FAIL_LIMIT);
    p.resize = SIZE_MAX / 2;
    assert_int_equal(image_preprocess(out, &f->scratch, &f->in, &p, NULL), FAIL_LIMIT);
    p.resize = 0;
    p.crop = SIZE_MAX / 2;
    assert_int_equal(image_preprocess(out, &f->scratch, &f->in, &p, NULL), FAIL_LIMIT);
    assert_int_equal(image_reshape(&f->in, 20000, 20000, 1, NULL), FAIL_LIMIT);
    assert_int_equal(f->in.height, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizing_equals_pil_bit_for_bit),
        cmocka_unit_test(preprocessing_equals_torchvision_bit_for_bit),
        cmocka_unit_test(a_reversed_network_gets_blue_first),
        cmocka_unit_test(an_image_of_another_shape_names_both_sizes),
        cmocka_unit_test(an_absurd_size_is_a_limit),
    };

    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
