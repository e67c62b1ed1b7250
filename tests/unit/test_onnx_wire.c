/* The wire format: fields in, in any order, packed or not; whatever else is in, an error with its place. */
#include "io/onnx/wire.h"
#include "tests/support/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file of these bytes, and its walk. */
struct sample {
    char path[TEMPORARY_PATH];
    struct onnx_file file;
    struct onnx_wire wire;
    struct error err;
    struct onnx_span message;
};

static void open_sample(struct sample *s, const void *bytes, size_t n)
{
    int fd = temporary_file(s->path);

    s->err = (struct error){0};
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    assert_int_equal(onnx_file_open(&s->file, s->path, &s->err), OK);
    onnx_wire_init(&s->wire, &s->file, &s->err);
    s->message = onnx_wire_file(&s->wire);
}

static void close_sample(struct sample *s)
{
    onnx_file_close(&s->file);
    unlink(s->path);
}

#define OPEN(s, ...) open_sample(s, (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__}))

static void fields_of_every_type_are_taken(void **state)
{
    struct sample s;
    struct onnx_field f;

    (void)state;
    OPEN(&s, 0x08, 0xac, 0x02, 0x11, 1, 2, 3, 4, 5, 6, 7, 0x88, 0x1a, 2, 'h', 'i', 0x25, 1, 0, 0, 0x80);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.value, 300);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.number, 2);
    assert_int_equal(f.value, 0x8807060504030201U);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.number, 3);
    assert_int_equal(f.span.end - f.span.at, 2);
    char text[2];
    assert_int_equal(onnx_wire_copy(text, &s.wire, f.span.at, 2), OK);
    assert_memory_equal(text, "hi", 2);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.value, 0x80000001U);
    assert_false(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(s.wire.rc, OK);
    close_sample(&s);
}

static void repeated_numbers_may_be_packed_or_not(void **state)
{
    static const uint64_t want[] = {1, 300, 2};
    struct sample s;
    struct onnx_field f;
    uint64_t number;
    size_t n = 0;

    (void)state;
    OPEN(&s, 0x0a, 3, 1, 0xac, 0x02, 0x08, 2);
    while (onnx_wire_next(&f, &s.wire, &s.message))
        while (onnx_wire_number(&number, &s.wire, &f, ONNX_WIRE_VARINT))
            assert_int_equal(number, want[n++]);
    assert_int_equal(n, 3);
    assert_int_equal(s.wire.rc, OK);
    close_sample(&s);
}

static void numbers_of_another_type_are_ignored(void **state)
{
    struct sample s;
    struct onnx_field f;
    uint64_t number;

    (void)state;
    OPEN(&s, 0x0d, 1, 2, 3, 4);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_false(onnx_wire_number(&number, &s.wire, &f, ONNX_WIRE_VARINT));
    assert_int_equal(s.wire.rc, OK);
    close_sample(&s);
}

static void a_message_larger_than_the_buffer_is_skipped(void **state)
{
    size_t n = 3 * ONNX_WIRE_BUFFER, head = 4;
    unsigned char *bytes = calloc(n, 1);
    struct sample s;
    struct onnx_field f;

    (void)state;
    bytes[0] = 0x0a;
    bytes[1] = (unsigned char)(((n - head - 2) & 0x7f) | 0x80);
    bytes[2] = (unsigned char)((((n - head - 2) >> 7) & 0x7f) | 0x80);
    bytes[3] = (unsigned char)((n - head - 2) >> 14);
    bytes[n - 2] = 0x08;
    bytes[n - 1] = 5;
    open_sample(&s, bytes, n);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.span.end - f.span.at, n - head - 2);
    assert_true(onnx_wire_next(&f, &s.wire, &s.message));
    assert_int_equal(f.value, 5);
    free(bytes);
    close_sample(&s);
}

/* Walk to the end; the error names file and place. */
static void assert_damaged(struct sample *s, const char *words)
{
    struct onnx_field f;

    while (onnx_wire_next(&f, &s->wire, &s->message))
        continue;
    assert_int_equal(s->wire.rc, FAIL_FORMAT);
    assert_non_null(strstr(s->err.message, s->path));
    assert_non_null(strstr(s->err.message, words));
    assert_false(onnx_wire_next(&f, &s->wire, &s->message));
    close_sample(s);
}

static void damage_is_said_with_its_place(void **state)
{
    struct sample s;

    (void)state;
    OPEN(&s, 0x08, 1, 0x0b, 0x0c);
    assert_damaged(&s, "byte 2: a group");
    OPEN(&s, 0x08);
    assert_damaged(&s, "byte 0: a field has no value");
    OPEN(&s, 0x08, 0x80);
    assert_damaged(&s, "byte 1: a number reaches beyond");
    OPEN(&s, 0x0a, 5, 1);
    assert_damaged(&s, "byte 1: a field is longer");
    OPEN(&s, 0x0d, 1, 2, 3);
    assert_damaged(&s, "byte 1: a number reaches beyond");
    OPEN(&s, 0x00, 1);
    assert_damaged(&s, "byte 0: a field has the number 0");
    OPEN(&s, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    assert_damaged(&s, "byte 1: a number has more than 64 bits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_every_type_are_taken),
        cmocka_unit_test(repeated_numbers_may_be_packed_or_not),
        cmocka_unit_test(numbers_of_another_type_are_ignored),
        cmocka_unit_test(a_message_larger_than_the_buffer_is_skipped),
        cmocka_unit_test(damage_is_said_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
