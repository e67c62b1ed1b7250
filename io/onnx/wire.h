/* The wire format of protobuf: a message is a sequence of fields, each a number with a value; private to io/onnx/.
 *
 * A file is read through one small buffer; what is skipped is not read. A caller walks through the fields of a message
 * and, for a field that is a message, through its bytes in the same way, so that depth is that of the code:
 *
 *     while (onnx_wire_next(&field, wire, &message))
 *         if (field.number == NAME && field.type == ONNX_WIRE_BYTES)
 *             ...
 *     return wire->rc;
 *
 * The first failure ends all walks: onnx_wire_next then returns false. Fields of unexpected number or type are to be
 * ignored, and the last value of a field that is not repeated wins, as protobuf demands. Groups are refused.
 */
#ifndef NRMFLOW_IO_ONNX_WIRE_H
#define NRMFLOW_IO_ONNX_WIRE_H

#include "io/onnx/file.h"

#include <stdbool.h>

enum { ONNX_WIRE_BUFFER = 1 << 14 };

enum onnx_wire_type { ONNX_WIRE_VARINT = 0, ONNX_WIRE_FIXED64 = 1, ONNX_WIRE_BYTES = 2, ONNX_WIRE_FIXED32 = 5 };

/* Bytes of the file that are not read yet. */
struct onnx_span {
    uint64_t at, end;
};

struct onnx_field {
    uint64_t number;
    enum onnx_wire_type type;
    uint64_t value;        /* of all types but ONNX_WIRE_BYTES: the bits */
    struct onnx_span span; /* of ONNX_WIRE_BYTES */
};

struct onnx_wire {
    const struct onnx_file *file;
    struct error *err;
    enum status rc; /* OK until the first failure */
    uint64_t start; /* of the buffer's bytes in the file */
    size_t held;
    unsigned char buffer[ONNX_WIRE_BUFFER];
};

void onnx_wire_init(struct onnx_wire *wire, const struct onnx_file *file, struct error *err);

/* The whole file. */
struct onnx_span onnx_wire_file(const struct onnx_wire *wire);

/* Take the next field of a message; false at its end, or after a failure. */
bool onnx_wire_next(struct onnx_field *field, struct onnx_wire *wire, struct onnx_span *message);

/* Take a number of a packed field; false at the end of its bytes, or after a failure. */
bool onnx_wire_varint(uint64_t *value, struct onnx_wire *wire, struct onnx_span *bytes);
bool onnx_wire_fixed(uint64_t *value, struct onnx_wire *wire, struct onnx_span *bytes, size_t nbytes);

/* Take the next number of a repeated field of numbers, packed or not: `wanted` is the type of an unpacked one. `field`
 * is changed. False at the end of its numbers, if it has another type, or after a failure. */
bool onnx_wire_number(uint64_t *value, struct onnx_wire *wire, struct onnx_field *field, enum onnx_wire_type wanted);

/* Copy n bytes from an offset on; returns wire->rc. */
enum status onnx_wire_copy(void *bytes, struct onnx_wire *wire, uint64_t offset, size_t n);

/* Record a failure of the file; returns its status. */
enum status onnx_wire_damaged(struct onnx_wire *wire, uint64_t offset, const char *reason);

#endif
