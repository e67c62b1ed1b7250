#include "io/base/libraries.h"

#include <stdio.h>
#include <string.h>
#include <webp/decode.h>

#include <archive.h>
#include <hdf5.h>
#include <jansson.h>
#include <jpeglib.h>
#include <openssl/crypto.h>
#include <png.h>
#include <zip.h>
#include <zlib.h>

static void hdf5(char *out, size_t n)
{
    unsigned major = 0, minor = 0, release = 0;

    H5get_libversion(&major, &minor, &release);
    snprintf(out, n, "%u.%u.%u", major, minor, release);
}

/* libjpeg has its version in its header only. */
static void jpeg(char *out, size_t n)
{
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
    int version = LIBJPEG_TURBO_VERSION_NUMBER;

    snprintf(out, n, "turbo %d.%d.%d", version / 1000000, version / 1000 % 1000, version % 1000);
#else
    snprintf(out, n, "%d", JPEG_LIB_VERSION);
#endif
}

/* The number of "libarchive 3.6.2" and the like. */
static void copy_number(char *out, size_t n, const char *text)
{
    snprintf(out, n, "%s", text + strcspn(text, "0123456789"));
}

static void archive(char *out, size_t n)
{
    copy_number(out, n, archive_version_string());
}

static void openssl(char *out, size_t n)
{
    copy_number(out, n, OpenSSL_version(OPENSSL_VERSION));
    out[strcspn(out, " ")] = '\0';
}

static void zlib(char *out, size_t n)
{
    copy_number(out, n, zlibVersion());
}

static void png(char *out, size_t n)
{
    copy_number(out, n, png_get_libpng_ver(NULL));
}

static void webp(char *out, size_t n)
{
    int version = WebPGetDecoderVersion();

    snprintf(out, n, "%d.%d.%d", version >> 16, version >> 8 & 0xff, version & 0xff);
}

static void zip(char *out, size_t n)
{
    copy_number(out, n, zip_libzip_version());
}

static void jansson(char *out, size_t n)
{
    copy_number(out, n, jansson_version_str());
}

const char *libraries_version(char *out, size_t n, size_t i)
{
    static const struct {
        const char *name;
        void (*version)(char *out, size_t n);
    } rows[] = {
        {"HDF5", hdf5},  {"zlib", zlib},          {"libjpeg", jpeg},    {"libpng", png},      {"libwebp", webp},
        {"libzip", zip}, {"libarchive", archive}, {"jansson", jansson}, {"OpenSSL", openssl},
    };

    if (i >= sizeof rows / sizeof rows[0])
        return NULL;
    rows[i].version(out, n);
    return rows[i].name;
}
