/* Decoding against PIL, which tests/support/make_images.py asks. */
#include "io/image/image.h"
#include "io/image/probe.h"
#include "tests/support/assert.h"
#include "tests/support/image_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    PNG_TOLERANCE = 0,
    JPEG_TOLERANCE = 1, /* two libjpeg builds may round a value differently */
    MAX_CASES = 128
};

struct listed {
    char name[64], status[16];
    size_t width, height;
};

struct fixture {
    char folder[PATH_LENGTH], truncated[PATH_LENGTH];
    struct listed cases[MAX_CASES];
    size_t ncases;
    struct image image;
};

static void read_cases(struct fixture *f)
{
    char path[PATH_LENGTH + 16];

    snprintf(path, sizeof path, "%s/cases.txt", f->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct listed *c = f->cases;
    while (fscanf(file, "%63s %15s %zu %zu", c->name, c->status, &c->width, &c->height) == 4)
        c = &f->cases[++f->ncases];
    fclose(file);
    assert_in_range(f->ncases, 40, MAX_CASES - 1);
}

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    temporary_folder(f->folder);
    temporary_folder(f->truncated);
    if (!run_python("make_images.py", "images", f->folder) || !run_python("make_images.py", "truncated", f->truncated))
        return -1;
    read_cases(f);
    return 0;
}

static int remove_fixture(void **state)
{
    struct fixture *f = *state;

    temporary_remove(f->folder);
    temporary_remove(f->truncated);
    image_free(&f->image);
    free(f);
    return 0;
}

static enum status decode_file(struct fixture *f, const char *name, size_t channels, struct error *err)
{
    char path[2 * PATH_LENGTH];
    size_t nbytes;

    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    unsigned char *bytes = read_file(path, &nbytes);
    enum status rc = image_decode(&f->image, bytes, nbytes, channels, err);
    free(bytes);
    return rc;
}

static int largest_difference(const unsigned char *a, const unsigned char *b, size_t n)
{
    int largest = 0;

    for (size_t i = 0; i < n; i++)
        if (abs(a[i] - b[i]) > largest)
            largest = abs(a[i] - b[i]);
    return largest;
}

static bool is_png(const char *name)
{
    return strcmp(name, "png_named.jpg") == 0 || (strstr(name, ".png") && strcmp(name, "jpeg_named.png") != 0);
}

static bool is_webp(const char *name)
{
    return strstr(name, "webp") != NULL;
}

/* What the beginning of a file says is what decoding gives. */
static void check_probe(struct fixture *f, const struct listed *c)
{
    char path[2 * PATH_LENGTH];
    size_t nbytes, pixels = c->width * c->height;
    struct image_probe probe;

    snprintf(path, sizeof path, "%s/%s", f->folder, c->name);
    unsigned char *bytes = read_file(path, &nbytes);
    assert_false(image_probe(&probe, bytes, 12));
    assert_true(image_probe(&probe, bytes, nbytes));
    if (probe.width != c->width || probe.height != c->height || probe.decode_bytes < 4 * pixels)
        fail_msg("%s: %zu x %zu, %zu bytes", c->name, probe.width, probe.height, probe.decode_bytes);
    if (strstr(c->name, "progressive.jpg")) /* 4:2:0: 1.5 coefficients of two bytes for each pixel */
        assert_in_range(probe.decode_bytes, 7 * pixels - 8, 7 * pixels);
    free(bytes);
}

static void check_case(struct fixture *f, const struct listed *c, size_t channels, bool png)
{
    char path[2 * PATH_LENGTH];
    struct error err = {0};
    size_t nbytes;

    if (decode_file(f, c->name, channels, &err) != OK)
        fail_msg("%s: %s", c->name, err.message);
    snprintf(path, sizeof path, "%s/%s.%s", f->folder, c->name, channels == 3 ? "rgb" : "l");
    unsigned char *expected = read_file(path, &nbytes);
    if (f->image.width != c->width || f->image.height != c->height || f->image.channels != channels ||
        nbytes != c->width * c->height * channels)
        fail_msg("%s: %zu x %zu x %zu, not %zu x %zu x %zu", c->name, f->image.width, f->image.height,
                 f->image.channels, c->width, c->height, channels);
    int difference = largest_difference(f->image.pixels, expected, nbytes);
    if (difference > (png ? PNG_TOLERANCE : JPEG_TOLERANCE))
        fail_msg("%s, %zu channels: values differ from PIL's by up to %d", c->name, channels, difference);
    free(expected);
}

static void check_cases(struct fixture *f, bool png)
{
    size_t ncases = 0;

    for (size_t i = 0; i < f->ncases; i++)
        if (strcmp(f->cases[i].status, "ok") == 0 && is_png(f->cases[i].name) == png && !is_webp(f->cases[i].name)) {
            check_case(f, &f->cases[i], 3, png);
            check_case(f, &f->cases[i], 1, png);
            ncases++;
        }
    assert_in_range(ncases, 10, MAX_CASES);
}

static void png_files_decode_exactly_as_pil_decodes_them(void **state)
{
    check_cases(*state, true);
}

static void jpeg_files_decode_as_pil_decodes_them(void **state)
{
    check_cases(*state, false);
}

static void webp_files_decode_exactly_as_pil_decodes_them(void **state)
{
    struct fixture *f = *state;
    size_t ncases = 0;

    for (size_t i = 0; i < f->ncases; i++)
        if (strcmp(f->cases[i].status, "ok") == 0 && is_webp(f->cases[i].name)) {
            check_case(f, &f->cases[i], 3, true);
            check_case(f, &f->cases[i], 1, true);
            ncases++;
        }
    assert_in_range(ncases, 10, MAX_CASES);
}

static void the_beginning_of_a_file_says_how_large_its_image_is(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->ncases; i++)
        if (strcmp(f->cases[i].status, "ok") == 0)
            check_probe(f, &f->cases[i]);
}

static void files_that_cannot_be_decoded_say_why(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->ncases; i++) {
        const struct listed *c = &f->cases[i];
        struct error err = {0};
        if (strcmp(c->status, "ok") == 0)
            continue;
        enum status rc = decode_file(f, c->name, 3, &err);
        if (strcmp(error_name(rc), c->status) != 0)
            fail_msg("%s: got '%s' (%s), not '%s'", c->name, error_name(rc), err.message, c->status);
        assert_int_equal(rc, err.status);
        assert_more(strlen(err.message), 10);
    }
}

/* A beginning of a file is refused wherever PIL refuses it, and where PIL decodes it, it is refused or equal. */
static void check_beginnings(struct fixture *f, const unsigned char *bytes, size_t nbytes, const bool *good)
{
    struct image whole;

    image_init(&whole);
    assert_int_equal(image_decode(&whole, bytes, nbytes, 3, NULL), OK);
    for (size_t n = 0; n < nbytes; n++) {
        unsigned char *part = malloc(n + 1);
        memcpy(part, bytes, n);
        part = realloc(part, n ? n : 1); /* no byte more than the decoder may read */
        enum status rc = image_decode(&f->image, part, n, 3, NULL);
        free(part);
        if (rc != OK && rc != FAIL_FORMAT)
            fail_msg("status %d of the first %zu bytes", rc, n);
        if (rc == OK && !good[n])
            fail_msg("the first %zu bytes are decoded, which PIL refuses", n);
        if (rc == OK)
            assert_memory_equal(f->image.pixels, whole.pixels, whole.width * whole.height * 3);
    }
    image_free(&whole);
}

static void truncated_files_are_refused_where_pil_refuses_them(void **state)
{
    struct fixture *f = *state;
    char path[PATH_LENGTH + 16], name[64];
    size_t ngood, nfiles = 0;

    snprintf(path, sizeof path, "%s/cases.txt", f->truncated);
    FILE *cases = fopen(path, "r");
    assert_non_null(cases);
    while (fscanf(cases, "%63s %zu", name, &ngood) == 2) {
        char file[PATH_LENGTH + 80];
        size_t nbytes, length;
        snprintf(file, sizeof file, "%s/%s", f->truncated, name);
        unsigned char *bytes = read_file(file, &nbytes);
        bool *good = calloc(nbytes + 1, sizeof *good);
        for (size_t i = 0; i < ngood && fscanf(cases, "%zu", &length) == 1; i++)
            good[length] = true;
        check_beginnings(f, bytes, nbytes, good);
        free(good);
        free(bytes);
        nfiles++;
    }
    fclose(cases);
    assert_int_equal(nfiles, 6);
}

/* Flip, overwrite, cut or repeat a few bytes. */
static size_t mutate(unsigned char *out, const unsigned char *bytes, size_t nbytes, uint64_t *random)
{
    memcpy(out, bytes, nbytes);
    for (size_t n = 1 + next_random(random) % 4; n > 0; n--) {
        size_t at = next_random(random) % nbytes;
        switch (next_random(random) % 4) {
        case 0:
            out[at] = (unsigned char)next_random(random);
            break;
        case 1:
            out[at] ^= (unsigned char)(1 << next_random(random) % 8);
            break;
        case 2:
            out[at] = 0xff;
            break;
        default:
            memmove(out + at, out + at / 2, nbytes - at);
        }
    }
    return next_random(random) % 8 ? nbytes : 1 + next_random(random) % nbytes;
}

static void damaged_files_never_do_more_than_fail(void **state)
{
    static const char *const names[] = {"1x1.png",  "interlaced_tiny.png", "palette_short.png", "grey_16_bit.png",
                                        "3x2.jpg",  "progressive.jpg",     "cmyk.jpg",          "grey_alpha.png",
                                        "grey.jpg", "palette_alpha.png"};

    enum { ROUNDS = 300 };
    struct fixture *f = *state;
    uint64_t random = 20240611;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_LENGTH + 64];
        size_t nbytes;
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        unsigned char *bytes = read_file(path, &nbytes);
        for (size_t round = 0; round < ROUNDS; round++) {
            unsigned char *mutated = malloc(nbytes);
            uint64_t seed = random;
            size_t n = mutate(mutated, bytes, nbytes, &random);
            struct error err = {0};
            enum status rc = image_decode(&f->image, mutated, n, round % 2 ? 1 : 3, &err);
            if (rc != err.status || (rc == OK && f->image.width * f->image.height * 3 > f->image.capacity))
                fail_msg("%s, seed %llu: status %d, '%s'", names[i], (unsigned long long)seed, rc, err.message);
            free(mutated);
        }
        free(bytes);
    }
}

static void an_image_in_memory_converts_like_a_decoded_one(void **state)
{
    struct fixture *f = *state;
    struct image grey;

    image_init(&grey);
    assert_int_equal(decode_file(f, "colour.png", 1, NULL), OK);
    assert_int_equal(image_reshape(&grey, f->image.width, f->image.height, 1, NULL), OK);
    memcpy(grey.pixels, f->image.pixels, grey.width * grey.height);
    assert_int_equal(decode_file(f, "colour.png", 3, NULL), OK);
    assert_int_equal(image_convert(&f->image, 1, NULL), OK);
    assert_memory_equal(f->image.pixels, grey.pixels, grey.width * grey.height);
    assert_int_equal(image_convert(&grey, 3, NULL), OK);
    assert_int_equal(grey.channels, 3);
    for (size_t i = 0; i < 3 * grey.width * grey.height; i++)
        assert_int_equal(grey.pixels[i], f->image.pixels[i / 3]);
    image_free(&grey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_files_decode_exactly_as_pil_decodes_them),
        cmocka_unit_test(jpeg_files_decode_as_pil_decodes_them),
        cmocka_unit_test(webp_files_decode_exactly_as_pil_decodes_them),
        cmocka_unit_test(the_beginning_of_a_file_says_how_large_its_image_is),
        cmocka_unit_test(files_that_cannot_be_decoded_say_why),
        cmocka_unit_test(truncated_files_are_refused_where_pil_refuses_them),
        cmocka_unit_test(damaged_files_never_do_more_than_fail),
        cmocka_unit_test(an_image_in_memory_converts_like_a_decoded_one),
    };

    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
