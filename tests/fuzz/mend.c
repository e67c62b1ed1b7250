#include "tests/fuzz/mend.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

static uint64_t little(const unsigned char *bytes, size_t n)
{
    uint64_t number = 0;

    while (n-- > 0)
        number = number << 8 | bytes[n];
    return number;
}

static void put_little(unsigned char *bytes, uint32_t number)
{
    for (size_t i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
}

static void put_big(unsigned char *bytes, uint32_t number)
{
    for (size_t i = 0; i < 4; i++)
        bytes[3 - i] = (unsigned char)(number >> 8 * i);
}

static uint32_t big(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

void mend_png(unsigned char *bytes, size_t nbytes)
{
    enum { SIGNATURE = 8, HEAD = 8, MAX_SIDE = 1023 };

    for (size_t at = SIGNATURE; at + HEAD + 4 <= nbytes;) {
        size_t length = big(bytes + at);

        if (length > nbytes - at - HEAD - 4)
            return;
        unsigned char *data = bytes + at + HEAD;
        if (memcmp(bytes + at + 4, "IHDR", 4) == 0 && length >= 8) {
            put_big(data, big(data) & MAX_SIDE);
            put_big(data + 4, big(data + 4) & MAX_SIDE);
        }
        put_big(data + length, (uint32_t)crc32(0, bytes + at + 4, (uInt)(length + 4)));
        at += HEAD + length + 4;
    }
}

/* There is no checksum; the sides are in the frame's segment. */
void mend_jpeg(unsigned char *bytes, size_t nbytes)
{
    for (size_t at = 0; at + 9 <= nbytes; at++)
        if (bytes[at] == 0xff && bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xcf) {
            bytes[at + 5] &= 3;
            bytes[at + 7] &= 3;
        }
}

/* ---- archives -------------------------------------------------------------------------------------------------- */

/* The checksum in the central directory, of members that are stored as they are. */
void mend_zip(unsigned char *bytes, size_t nbytes)
{
    enum { CENTRAL = 46, LOCAL = 30 };

    for (size_t at = 0; at + CENTRAL <= nbytes; at++) {
        if (memcmp(bytes + at, "PK\1\2", 4) != 0 || little(bytes + at + 10, 2) != 0)
            continue;
        size_t local = (size_t)little(bytes + at + 42, 4), length = (size_t)little(bytes + at + 20, 4);

        if (local > nbytes || nbytes - local < LOCAL)
            continue;
        size_t start = local + LOCAL + (size_t)little(bytes + local + 26, 2) + (size_t)little(bytes + local + 28, 2);

        if (start <= nbytes && length <= nbytes - start)
            put_little(bytes + at + 16, (uint32_t)crc32(0, bytes + start, (uInt)length));
    }
}

void mend_tar(unsigned char *bytes, size_t nbytes)
{
    enum { RECORD = 512, SUM = 148, WIDTH = 8, MAGIC = 257 };

    for (size_t at = 0; at + RECORD <= nbytes; at += RECORD) {
        unsigned sum = 0;
        char text[WIDTH + 1];

        if (memcmp(bytes + at + MAGIC, "ustar", 5) != 0)
            continue;
        memset(bytes + at + SUM, ' ', WIDTH);
        for (size_t i = 0; i < RECORD; i++)
            sum += bytes[at + i];
        snprintf(text, sizeof text, "%06o", sum & 0777777U);
        memcpy(bytes + at + SUM, text, WIDTH - 1);
    }
}

/* ---- HDF5 ------------------------------------------------------------------------------------------------------ */

static uint32_t turn(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

/* Bob Jenkins' lookup3 (public domain), which HDF5 uses with an initial value of 0. */
static uint32_t lookup3(const unsigned char *bytes, size_t nbytes)
{
    static const unsigned char mixing[6] = {4, 6, 8, 16, 19, 4}, last[7] = {14, 11, 25, 16, 4, 14, 24};
    uint32_t s[3], t;

    s[0] = s[1] = s[2] = 0xdeadbeef + (uint32_t)nbytes;
    for (; nbytes > 12; nbytes -= 12, bytes += 12) {
        for (size_t i = 0; i < 3; i++)
            s[i] += (uint32_t)little(bytes + 4 * i, 4);
        for (size_t i = 0; i < 6; i++) {
            size_t a = i % 3, b = (i + 1) % 3, c = (i + 2) % 3;

            s[a] -= s[c];
            s[a] ^= turn(s[c], mixing[i]);
            s[c] += s[b];
        }
    }
    if (nbytes == 0)
        return s[2];
    for (size_t i = 0; i < nbytes; i++)
        s[i / 4] += (uint32_t)bytes[i] << 8 * (i % 4);
    for (size_t i = 0; i < 7; i++) {
        size_t a = (i + 2) % 3, b = (i + 1) % 3;

        t = turn(s[b], last[i]);
        s[a] = (s[a] ^ s[b]) - t;
    }
    return s[2];
}

static void seal(unsigned char *bytes, size_t nbytes, size_t at, size_t length)
{
    if (length <= nbytes - at && nbytes - at - length >= 4)
        put_little(bytes + at + length, lookup3(bytes + at, length));
}

static void seal_object(unsigned char *bytes, size_t nbytes, size_t at)
{
    unsigned flags = bytes[at + 5];
    size_t head = 6U + (flags & 0x20 ? 16U : 0U) + (flags & 0x10 ? 4U : 0U), width = (size_t)1 << (flags & 3);

    if (nbytes - at >= head + width)
        seal(bytes, nbytes, at, head + width + (size_t)(little(bytes + at + head, width) & 0xffffff));
}

/* The head of a fixed array, and its block, unless that is in pages. */
static void seal_fixed(unsigned char *bytes, size_t nbytes, size_t at)
{
    enum { HEAD = 24, BLOCK_HEAD = 14 };

    seal(bytes, nbytes, at, HEAD);
    if (nbytes - at < HEAD)
        return;
    size_t element = bytes[at + 6], bits = bytes[at + 7] & 31;
    uint64_t count = little(bytes + at + 8, 8), block = little(bytes + at + 16, 8);

    if (count <= (uint64_t)1 << bits && count < nbytes && block < nbytes)
        seal(bytes, nbytes, (size_t)block, BLOCK_HEAD + element * (size_t)count);
}

void mend_hdf5(unsigned char *bytes, size_t nbytes)
{
    enum { SUPERBLOCK = 44, LEAST = 12, EXTENSIBLE_HEAD = 68 };

    if (nbytes < SUPERBLOCK + 4 || memcmp(bytes, "\x89HDF", 4) != 0 || bytes[8] < 2)
        return;
    seal(bytes, nbytes, 0, SUPERBLOCK);
    for (size_t at = SUPERBLOCK + 4; at + LEAST <= nbytes; at++) {
        if (memcmp(bytes + at, "OHDR\2", 5) == 0)
            seal_object(bytes, nbytes, at);
        else if (memcmp(bytes + at, "FAHD", 4) == 0)
            seal_fixed(bytes, nbytes, at);
        else if (memcmp(bytes + at, "EAHD", 4) == 0)
            seal(bytes, nbytes, at, EXTENSIBLE_HEAD);
    }
}
