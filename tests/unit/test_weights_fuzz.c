/* Valid files with a few bytes changed at random: whatever comes, it is an error with the path or finite numbers.
 * NRMFLOW_FUZZ_SEED and NRMFLOW_FUZZ_ROUNDS override the seed and the number of changed files of each kind. */
#include "tests/support/assert.h"
#include "tests/support/weights_fixture.h"

#include <fcntl.h>
#include <math.h>

enum { MAX_CHANGES = 4 };

static int setup(void **state)
{
    return fixture_setup(state, "valid");
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static unsigned char damage(unsigned char byte, uint64_t random)
{
    static const unsigned char interesting[] = {0x00, 0xff, 0x7f, 0x80, 0x01, '0', '9', '"'};

    switch (random >> 8 & 3) {
    case 0:
        return interesting[random & 7];
    case 1:
        return (unsigned char)(byte ^ 1U << (random & 7));
    default:
        return (unsigned char)random;
    }
}

static void write_byte(int fd, size_t at, unsigned char byte)
{
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* A file opens with an error that names it, or every number in it is finite. */
static void check_outcome(const char *path)
{
    struct error err = {0};
    struct weights *w = NULL;
    enum status rc = weights_open(&w, path, &err);

    if (rc == OK) {
        size_t n = weights_floats(w);
        float *floats = malloc(n * sizeof *floats);
        assert_non_null(floats);
        rc = weights_load(floats, w, &err);
        for (size_t i = 0; rc == OK && i < n; i++)
            assert_true(isfinite(floats[i]));
        free(floats);
        weights_close(w);
    } else {
        assert_null(w);
    }
    assert_int_equal(rc, err.status);
    assert_that(rc == OK || strstr(err.message, path), "status %d, \"%s\"", (int)rc, err.message);
}

/* Change bytes among the first `head` and the last `tail`, where a format keeps what is not numbers. */
static void fuzz(const struct fixture *f, const char *name, size_t head, size_t tail)
{
    char path[FIXTURE_PATH];
    uint64_t seed = number_from("NRMFLOW_FUZZ_SEED", 20240607), rounds = number_from("NRMFLOW_FUZZ_ROUNDS", 1500);
    size_t nbytes;

    print_message("%s: seed %llu\n", name, (unsigned long long)seed);
    fixture_path(path, f, name);
    unsigned char *bytes = fixture_bytes(&nbytes, path);
    int fd = open(path, O_RDWR);
    assert_at_least(fd, 0);
    head = head < nbytes ? head : nbytes;
    tail = tail < nbytes ? tail : nbytes;
    for (uint64_t round = 0; round < rounds; round++) {
        size_t changed[MAX_CHANGES], n = 1 + draw(&seed) % MAX_CHANGES;
        for (size_t i = 0; i < n; i++) {
            size_t at = draw(&seed) % (head + tail);
            changed[i] = at < head ? at : nbytes - tail + (at - head);
            write_byte(fd, changed[i], damage(bytes[changed[i]], draw(&seed)));
        }
        check_outcome(path);
        for (size_t i = 0; i < n; i++)
            write_byte(fd, changed[i], bytes[changed[i]]);
    }
    check_outcome(path);
    close(fd);
    free(bytes);
}

static void changed_safetensors_are_refused_or_read(void **state)
{
    fuzz(*state, "small.safetensors", 2400, 0);
}

static void changed_zip_files_are_refused_or_read(void **state)
{
    fuzz(*state, "small.pth", 2400, 2400);
}

static void changed_stream_files_are_refused_or_read(void **state)
{
    fuzz(*state, "small_stream.pth", 3600, 0);
}

static void changed_keras_files_are_refused_or_read(void **state)
{
    fuzz(*state, "small.h5", SIZE_MAX / 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_safetensors_are_refused_or_read),
        cmocka_unit_test(changed_zip_files_are_refused_or_read),
        cmocka_unit_test(changed_stream_files_are_refused_or_read),
        cmocka_unit_test(changed_keras_files_are_refused_or_read),
    };

    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
