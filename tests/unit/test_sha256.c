#include "io/base/sha256.h"
#include "tests/support/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void checksum(char hex[SHA256_HEX], const char *text, size_t step)
{
    struct sha256 *s = NULL;
    struct error err = {0};

    assert_int_equal(sha256_create(&s, &err), OK);
    for (size_t i = 0, n = strlen(text); i < n; i += step)
        assert_int_equal(sha256_update(s, text + i, n - i < step ? n - i : step, &err), OK);
    assert_int_equal(sha256_finish(hex, s, &err), OK);
    sha256_destroy(s);
}

/* The examples of FIPS 180-2. */
static void published_examples_are_met(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    checksum(hex, "", 1);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    checksum(hex, "abc", 3);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    checksum(hex, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 5);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void file_has_the_checksum_of_its_bytes(void **state)
{
    char path[TEMPORARY_PATH], line[1000], hex[SHA256_HEX];
    struct error err = {0};

    (void)state;
    int fd = temporary_file(path);
    memset(line, 'a', sizeof line);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, line, sizeof line), sizeof line);
    close(fd);
    assert_int_equal(sha256_file(hex, path, &err), OK);
    unlink(path);
    /* A million times "a", also of FIPS 180-2; longer than one buffer. */
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void missing_file_is_an_error_with_its_path(void **state)
{
    char hex[SHA256_HEX];
    struct error err = {0};

    (void)state;
    assert_int_equal(sha256_file(hex, "there_is_none", &err), FAIL_SYSTEM);
    assert_non_null(strstr(err.message, "there_is_none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_are_met),
        cmocka_unit_test(file_has_the_checksum_of_its_bytes),
        cmocka_unit_test(missing_file_is_an_error_with_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
