#include "io/weights/internal.h"

#include <string.h>

static uint32_t word(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t half_word(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static double from_float_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void decode_f32(double *values, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = from_float_bits(word(bytes + 4 * i));
}

static void decode_f64(double *values, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = word(bytes + 8 * i) | (uint64_t)word(bytes + 8 * i + 4) << 32;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static void decode_bf16(double *values, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = from_float_bits(half_word(bytes + 2 * i) << 16);
}

/* 1 sign bit, 5 of the exponent with bias 15, 10 of the fraction; float has 8 with bias 127, and 23. */
static void decode_f16(double *values, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t half = half_word(bytes + 2 * i), sign = (half & 0x8000U) << 16;
        uint32_t exponent = half >> 10 & 0x1fU, fraction = half & 0x3ffU;
        if (exponent == 0)
            values[i] = (sign ? -1.0 : 1.0) * (double)fraction * 0x1p-24;
        else
            values[i] = from_float_bits(sign | (exponent == 0x1f ? 0xffU : exponent + 112) << 23 | fraction << 13);
    }
}

static const struct weights_dtype dtypes[] = {
    {"F32", 4, decode_f32}, {"F16", 2, decode_f16}, {"BF16", 2, decode_bf16}, {"F64", 8, decode_f64},
    {"I64", 8, NULL},       {"I32", 4, NULL},       {"I16", 2, NULL},         {"I8", 1, NULL},
    {"U64", 8, NULL},       {"U32", 4, NULL},       {"U16", 2, NULL},         {"U8", 1, NULL},
    {"BOOL", 1, NULL},      {"F8_E4M3", 1, NULL},   {"F8_E5M2", 1, NULL},     {"C64", 8, NULL},
    {"C128", 16, NULL},
};

const struct weights_dtype *weights_dtype_find(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}
