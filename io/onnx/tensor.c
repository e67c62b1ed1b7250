#include "io/onnx/tensor.h"

#include <math.h>
#include <string.h>

/* Field numbers of TensorProto, and of StringStringEntryProto. */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    INT64_DATA = 7,
    NAME = 8,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    EXTERNAL_DATA = 13,
    DATA_LOCATION = 14,
    KEY = 1,
    VALUE = 2
};

enum { LOCATION_EXTERNAL = 1, MAX_TEXT = 4095, MAX_NUMBER = 20, INTEGER_BYTES = 8 };

/* By TensorProto.DataType: the type, and the field that holds its numbers if raw_data does not. */
static const struct {
    const char *dtype;
    unsigned field;
} types[] = {
    [1] = {"F32", FLOAT_DATA},   [2] = {"U8", INT32_DATA},    [3] = {"I8", INT32_DATA},    [4] = {"U16", INT32_DATA},
    [5] = {"I16", INT32_DATA},   [6] = {"I32", INT32_DATA},   [7] = {"I64", INT64_DATA},   [9] = {"BOOL", INT32_DATA},
    [10] = {"F16", INT32_DATA},  [11] = {"F64", DOUBLE_DATA}, [12] = {"U32", UINT64_DATA}, [13] = {"U64", UINT64_DATA},
    [16] = {"BF16", INT32_DATA},
};

enum { NTYPES = sizeof types / sizeof types[0] };

const struct weights_dtype *onnx_tensor_type(int64_t type)
{
    return type > 0 && type < NTYPES && types[type].dtype ? weights_dtype_find(types[type].dtype) : NULL;
}

/* What is collected while the fields of a TensorProto are walked through. */
struct parts {
    uint64_t dims[ONNX_MAX_DIMS], type, location;
    size_t ndim;
    struct onnx_span raw;
    bool has_raw;
    struct onnx_span chunk; /* the only packed piece of the field that holds the numbers */
    bool in_pieces;
    uint64_t offset, length; /* of external data */
    bool has_length;
};

char *onnx_tensor_text(struct onnx_wire *wire, struct onnx_memory *memory, struct onnx_span bytes)
{
    size_t n = (size_t)(bytes.end - bytes.at);

    if (wire->rc != OK)
        return NULL;
    if (bytes.end - bytes.at > MAX_TEXT) {
        wire->rc = error_set(wire->err, FAIL_LIMIT, "%s: byte %llu: a name of %llu bytes; at most %d are read",
                             wire->file->path, (unsigned long long)bytes.at, (unsigned long long)(bytes.end - bytes.at),
                             MAX_TEXT);
        return NULL;
    }
    char *text = onnx_memory_take(memory, n + 1, 1);
    if (!text) {
        wire->rc = error_system(wire->err, "%s", wire->file->path);
        return NULL;
    }
    if (onnx_wire_copy(text, wire, bytes.at, n) != OK)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
    return text;
}

bool onnx_tensor_shape(struct onnx_tensor *t, const uint64_t *dims, size_t ndim)
{
    size_t elements = 1;

    if (ndim > ONNX_MAX_DIMS)
        return false;
    for (size_t d = 0; d < ndim; d++) {
        t->dims[d] = (size_t)dims[d];
        if (__builtin_mul_overflow(elements, t->dims[d], &elements))
            return false;
    }
    t->ndim = ndim;
    t->elements = elements;
    return elements <= SIZE_MAX / sizeof(double);
}

static void read_dims(struct parts *parts, struct onnx_wire *wire, struct onnx_field *field)
{
    uint64_t size, at = field->span.at;

    while (onnx_wire_number(&size, wire, field, ONNX_WIRE_VARINT)) {
        if (parts->ndim == ONNX_MAX_DIMS || size > INT64_MAX) {
            onnx_wire_damaged(wire, at, "a tensor has an impossible shape, or more than 8 dimensions");
            return;
        }
        parts->dims[parts->ndim++] = size;
    }
}

/* A decimal number; false if it is none. */
static bool parse_number(uint64_t *number, const char *text)
{
    size_t n = strlen(text);

    *number = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= MAX_NUMBER - 2)
            return false;
        *number = 10 * *number + (uint64_t)(text[i] - '0');
    }
    return n > 0;
}

static void read_external(struct onnx_tensor *t, struct parts *parts, struct onnx_wire *wire,
                          struct onnx_memory *memory, struct onnx_span entry)
{
    const char *key = "", *value = "";
    uint64_t at = entry.at;
    struct onnx_field field;
    bool read = true;

    while (onnx_wire_next(&field, wire, &entry)) {
        if (field.type == ONNX_WIRE_BYTES && field.number == KEY)
            key = onnx_tensor_text(wire, memory, field.span);
        else if (field.type == ONNX_WIRE_BYTES && field.number == VALUE)
            value = onnx_tensor_text(wire, memory, field.span);
    }
    if (wire->rc != OK)
        return;
    if (strcmp(key, "location") == 0)
        t->external = value;
    else if (strcmp(key, "offset") == 0)
        read = parse_number(&parts->offset, value);
    else if (strcmp(key, "length") == 0)
        read = parts->has_length = parse_number(&parts->length, value);
    if (!read)
        onnx_wire_damaged(wire, at, "external data whose offset or length is no number");
}

/* The field that holds the numbers of the message's type. Its type may come after its numbers, so they are looked at
 * when both are known. */
static unsigned data_field(const struct parts *parts)
{
    return parts->type < NTYPES ? types[parts->type].field : 0;
}

static void read_field(struct onnx_tensor *t, struct parts *parts, struct onnx_wire *wire, struct onnx_memory *memory,
                       struct onnx_field *field)
{
    if (field->number == DIMS)
        read_dims(parts, wire, field);
    else if (field->number == DATA_TYPE && field->type == ONNX_WIRE_VARINT)
        parts->type = field->value;
    else if (field->number == DATA_LOCATION && field->type == ONNX_WIRE_VARINT)
        parts->location = field->value;
    else if (field->number == NAME && field->type == ONNX_WIRE_BYTES)
        t->name = onnx_tensor_text(wire, memory, field->span);
    else if (field->number == EXTERNAL_DATA && field->type == ONNX_WIRE_BYTES)
        read_external(t, parts, wire, memory, field->span);
    else if (field->number == RAW_DATA && field->type == ONNX_WIRE_BYTES) {
        parts->raw = field->span;
        parts->has_raw = true;
    }
}

/* How many numbers the field has, and whether they lie in one piece. */
static size_t count_numbers(struct parts *parts, struct onnx_wire *wire, struct onnx_span message,
                            enum onnx_wire_type type)
{
    struct onnx_field field;
    size_t n = 0, pieces = 0;
    uint64_t number;

    while (onnx_wire_next(&field, wire, &message)) {
        if (field.number != data_field(parts) || (field.type != type && field.type != ONNX_WIRE_BYTES))
            continue;
        parts->in_pieces = pieces++ > 0 || field.type != ONNX_WIRE_BYTES;
        parts->chunk = field.span;
        if (field.type != ONNX_WIRE_BYTES)
            n++;
        else if (type != ONNX_WIRE_VARINT)
            n += (size_t)(field.span.end - field.span.at) / (type == ONNX_WIRE_FIXED32 ? 4 : 8);
        else
            while (onnx_wire_varint(&number, wire, &field.span))
                n++;
    }
    return n;
}

/* Copy the field's numbers to memory, each with the bytes of the type. */
static unsigned char *copy_numbers(const struct parts *parts, const struct onnx_tensor *t, struct onnx_wire *wire,
                                   struct onnx_memory *memory, struct onnx_span message, enum onnx_wire_type type)
{
    size_t nbytes = t->dtype->nbytes, at = 0;
    unsigned char *bytes = onnx_memory_take(memory, t->elements, nbytes);
    struct onnx_field field;
    uint64_t number;

    if (!bytes) {
        wire->rc = error_system(wire->err, "%s", wire->file->path);
        return NULL;
    }
    while (onnx_wire_next(&field, wire, &message)) {
        if (field.number != data_field(parts))
            continue;
        while (at < t->elements && onnx_wire_number(&number, wire, &field, type)) {
            for (size_t b = 0; b < nbytes; b++)
                bytes[at * nbytes + b] = (unsigned char)(number >> 8 * b);
            at++;
        }
    }
    return bytes;
}

static enum onnx_wire_type wire_type(unsigned field)
{
    return field == FLOAT_DATA ? ONNX_WIRE_FIXED32 : field == DOUBLE_DATA ? ONNX_WIRE_FIXED64 : ONNX_WIRE_VARINT;
}

static enum status wrong_length(const struct onnx_tensor *t, struct onnx_wire *wire, uint64_t nbytes)
{
    wire->rc = error_set(wire->err, FAIL_FORMAT,
                         "%s: tensor '%.200s' has %llu bytes, but %zu elements of type %s; the file is damaged",
                         wire->file->path, t->name, (unsigned long long)nbytes, t->elements, t->dtype->name);
    return wire->rc;
}

static void locate_external(struct onnx_tensor *t, const struct parts *parts, struct onnx_wire *wire)
{
    uint64_t needed = (uint64_t)t->elements * t->dtype->nbytes;

    if (!t->external) {
        wire->rc = error_set(wire->err, FAIL_FORMAT, "%s: tensor '%.200s' is in another file without a name",
                             wire->file->path, t->name);
        return;
    }
    t->offset = parts->offset;
    if (parts->has_length && parts->length != needed)
        wrong_length(t, wire, parts->length);
}

static void locate_typed(struct onnx_tensor *t, struct parts *parts, struct onnx_wire *wire, struct onnx_memory *memory,
                         struct onnx_span message)
{
    enum onnx_wire_type type = wire_type(data_field(parts));
    size_t n = count_numbers(parts, wire, message, type);

    if (wire->rc != OK)
        return;
    if (n != t->elements) {
        wrong_length(t, wire, (uint64_t)n * t->dtype->nbytes);
        return;
    }
    if (type != ONNX_WIRE_VARINT && !parts->in_pieces && parts->chunk.end - parts->chunk.at == n * t->dtype->nbytes)
        t->offset = parts->chunk.at;
    else
        t->bytes = copy_numbers(parts, t, wire, memory, message, type);
}

enum status onnx_tensor_read(struct onnx_tensor *t, struct onnx_wire *wire, struct onnx_memory *memory,
                             struct onnx_span message)
{
    struct parts parts = {0};
    struct onnx_span fields = message;
    struct onnx_field field;

    *t = (struct onnx_tensor){.name = ""};
    while (onnx_wire_next(&field, wire, &fields))
        read_field(t, &parts, wire, memory, &field);
    if (wire->rc != OK)
        return wire->rc;
    if (!onnx_tensor_shape(t, parts.dims, parts.ndim))
        return onnx_wire_damaged(wire, message.at, "a tensor has an impossible shape");
    if (parts.location != LOCATION_EXTERNAL)
        t->external = NULL;
    if (parts.type >= NTYPES || !types[parts.type].dtype)
        return OK;
    t->dtype = weights_dtype_find(types[parts.type].dtype);
    if (parts.location == LOCATION_EXTERNAL)
        locate_external(t, &parts, wire);
    else if (!parts.has_raw)
        locate_typed(t, &parts, wire, memory, message);
    else if (parts.raw.end - parts.raw.at != (uint64_t)t->elements * t->dtype->nbytes)
        wrong_length(t, wire, parts.raw.end - parts.raw.at);
    else
        t->offset = parts.raw.at;
    return wire->rc;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

bool onnx_tensor_is_real_type(const struct onnx_tensor *t)
{
    return t->dtype && t->dtype->decode;
}

bool onnx_tensor_is_real(const struct onnx_tensor *t)
{
    return onnx_tensor_is_real_type(t) && !t->transposed;
}

bool onnx_tensor_is_integer(const struct onnx_tensor *t)
{
    return t->dtype && !t->dtype->decode && !t->transposed && t->elements <= ONNX_MAX_INTEGERS;
}

enum status onnx_tensor_fetch(unsigned char *bytes, struct onnx_file *file, const struct onnx_tensor *t, size_t first,
                              size_t n, struct error *err)
{
    size_t nbytes = t->dtype->nbytes;
    uint64_t offset = t->offset + (uint64_t)first * nbytes;

    if (t->bytes) {
        memcpy(bytes, t->bytes + first * nbytes, n * nbytes);
        return OK;
    }
    if (offset < t->offset)
        return error_set(err, FAIL_FORMAT, "%s: tensor '%.200s' has an impossible offset", file->path, t->name);
    if (t->external)
        return onnx_file_read_external(bytes, file, t->external, offset, n * nbytes, err);
    return onnx_file_read(bytes, file, offset, n * nbytes, err);
}

enum status onnx_tensor_values(double *values, unsigned char *scratch, struct onnx_file *file,
                               const struct onnx_tensor *t, struct error *err)
{
    enum status rc = onnx_tensor_fetch(scratch, file, t, 0, t->elements, err);

    if (rc != OK)
        return rc;
    t->dtype->decode(values, scratch, t->elements);
    for (size_t i = 0; i < t->elements; i++)
        if (!isfinite((float)values[i]))
            return error_set(
                err, FAIL_FORMAT,
                "%s: tensor '%.200s': element %zu is not a finite number as float; the weights are damaged", file->path,
                t->name, i);
    return OK;
}

int64_t onnx_tensor_integer(const struct weights_dtype *dtype, const unsigned char *bytes)
{
    bool has_sign = dtype->name[0] == 'I';
    uint64_t bits = 0;

    for (size_t b = dtype->nbytes; b-- > 0;) {
        if (b + 1 == dtype->nbytes && has_sign && bytes[b] & 0x80U)
            bits = UINT64_MAX;
        bits = bits << 8 | bytes[b];
    }
    return (int64_t)bits;
}

enum status onnx_tensor_integers(int64_t *values, struct onnx_file *file, const struct onnx_tensor *t,
                                 struct error *err)
{
    unsigned char bytes[INTEGER_BYTES];
    enum status rc = OK;

    for (size_t i = 0; i < t->elements && rc == OK; i++) {
        rc = onnx_tensor_fetch(bytes, file, t, i, 1, err);
        if (rc == OK)
            values[i] = onnx_tensor_integer(t->dtype, bytes);
    }
    return rc;
}

struct onnx_tensor *onnx_tensor_make(struct onnx_memory *memory, const int64_t *values, size_t n, size_t ndim)
{
    struct onnx_tensor *t = onnx_memory_take(memory, 1, sizeof *t);
    unsigned char *bytes = onnx_memory_take(memory, n, INTEGER_BYTES);

    if (!t || !bytes)
        return NULL;
    *t = (struct onnx_tensor){
        .name = "", .dtype = weights_dtype_find("I64"), .ndim = ndim, .dims = {n}, .elements = n, .bytes = bytes};
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < INTEGER_BYTES; b++)
            bytes[i * INTEGER_BYTES + b] = (unsigned char)((uint64_t)values[i] >> 8 * b);
    return t;
}
