#include "io/onnx/wire.h"

#include <string.h>

enum { GROUP_START = 3, GROUP_END = 4, VARINT_BITS = 64, TAG_BITS = 3 };

void onnx_wire_init(struct onnx_wire *wire, const struct onnx_file *file, struct error *err)
{
    wire->file = file;
    wire->err = err;
    wire->rc = OK;
    wire->start = 0;
    wire->held = 0;
}

struct onnx_span onnx_wire_file(const struct onnx_wire *wire)
{
    return (struct onnx_span){0, wire->file->nbytes};
}

enum status onnx_wire_damaged(struct onnx_wire *wire, uint64_t offset, const char *reason)
{
    if (wire->rc == OK)
        wire->rc = error_set(wire->err, FAIL_FORMAT, "%s: byte %llu: %s; the file is damaged, or no ONNX file",
                             wire->file->path, (unsigned long long)offset, reason);
    return wire->rc;
}

/* Make the buffer hold the byte at `at`, which is in the file. */
static bool hold(struct onnx_wire *wire, uint64_t at)
{
    if (wire->rc != OK)
        return false;
    if (at >= wire->start && at - wire->start < wire->held)
        return true;
    uint64_t left = wire->file->nbytes - at;
    size_t n = left < ONNX_WIRE_BUFFER ? (size_t)left : ONNX_WIRE_BUFFER;
    wire->held = 0;
    wire->rc = onnx_file_read(wire->buffer, wire->file, at, n, wire->err);
    if (wire->rc != OK)
        return false;
    wire->start = at;
    wire->held = n;
    return true;
}

enum status onnx_wire_copy(void *bytes, struct onnx_wire *wire, uint64_t offset, size_t n)
{
    if (wire->rc == OK && offset >= wire->start && offset - wire->start <= wire->held &&
        n <= wire->held - (size_t)(offset - wire->start))
        memcpy(bytes, wire->buffer + (offset - wire->start), n);
    else if (wire->rc == OK)
        wire->rc = onnx_file_read(bytes, wire->file, offset, n, wire->err);
    return wire->rc;
}

bool onnx_wire_varint(uint64_t *value, struct onnx_wire *wire, struct onnx_span *bytes)
{
    uint64_t first = bytes->at;

    if (wire->rc != OK || bytes->at >= bytes->end)
        return false;
    *value = 0;
    for (unsigned shift = 0; shift < VARINT_BITS; shift += 7) {
        if (bytes->at >= bytes->end) {
            onnx_wire_damaged(wire, first, "a number reaches beyond the end of what it is in");
            return false;
        }
        if (!hold(wire, bytes->at))
            return false;
        unsigned char byte = wire->buffer[bytes->at++ - wire->start];
        *value |= (uint64_t)(byte & 0x7fU) << shift;
        if (!(byte & 0x80U))
            return true;
    }
    onnx_wire_damaged(wire, first, "a number has more than 64 bits");
    return false;
}

bool onnx_wire_fixed(uint64_t *value, struct onnx_wire *wire, struct onnx_span *bytes, size_t nbytes)
{
    if (wire->rc != OK || bytes->at >= bytes->end)
        return false;
    if (nbytes > bytes->end - bytes->at) {
        onnx_wire_damaged(wire, bytes->at, "a number reaches beyond the end of what it is in");
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < nbytes; i++) {
        if (!hold(wire, bytes->at))
            return false;
        *value |= (uint64_t)wire->buffer[bytes->at++ - wire->start] << 8 * i;
    }
    return true;
}

static bool take_bytes(struct onnx_field *field, struct onnx_wire *wire, struct onnx_span *message)
{
    uint64_t length, first = message->at;

    if (!onnx_wire_varint(&length, wire, message)) {
        onnx_wire_damaged(wire, first, "a field has no length");
        return false;
    }
    if (length > message->end - message->at) {
        onnx_wire_damaged(wire, first, "a field is longer than what it is in; is the file truncated?");
        return false;
    }
    field->span = (struct onnx_span){message->at, message->at + length};
    message->at += length;
    return true;
}

bool onnx_wire_next(struct onnx_field *field, struct onnx_wire *wire, struct onnx_span *message)
{
    uint64_t tag, first = message->at;

    if (!onnx_wire_varint(&tag, wire, message))
        return false;
    *field = (struct onnx_field){.number = tag >> TAG_BITS, .type = (enum onnx_wire_type)(tag & 7)};
    if (field->number == 0) {
        onnx_wire_damaged(wire, first, "a field has the number 0");
        return false;
    }
    bool taken = false;
    switch (tag & 7) {
    case ONNX_WIRE_VARINT:
        taken = onnx_wire_varint(&field->value, wire, message);
        break;
    case ONNX_WIRE_FIXED64:
        taken = onnx_wire_fixed(&field->value, wire, message, 8);
        break;
    case ONNX_WIRE_FIXED32:
        taken = onnx_wire_fixed(&field->value, wire, message, 4);
        break;
    case ONNX_WIRE_BYTES:
        taken = take_bytes(field, wire, message);
        break;
    default:
        onnx_wire_damaged(wire, first,
                          (tag & 7) == GROUP_START || (tag & 7) == GROUP_END ? "a group, which ONNX does not have"
                                                                             : "a field of unknown type");
    }
    if (!taken)
        onnx_wire_damaged(wire, first, "a field has no value");
    return taken;
}

bool onnx_wire_number(uint64_t *value, struct onnx_wire *wire, struct onnx_field *field, enum onnx_wire_type wanted)
{
    if (field->type == ONNX_WIRE_BYTES) {
        if (wanted == ONNX_WIRE_VARINT)
            return onnx_wire_varint(value, wire, &field->span);
        return onnx_wire_fixed(value, wire, &field->span, wanted == ONNX_WIRE_FIXED32 ? 4 : 8);
    }
    if (field->type != wanted)
        return false;
    *value = field->value;
    field->type = ONNX_WIRE_BYTES; /* of which none is left */
    field->span = (struct onnx_span){0, 0};
    return true;
}
