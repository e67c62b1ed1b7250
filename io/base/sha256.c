#include "io/base/sha256.h"

#include "io/base/fault.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct sha256 {
    EVP_MD_CTX *context;
};

enum status sha256_create(struct sha256 **out, struct error *err)
{
    struct sha256 *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s) {
        error_system(err, "no memory for a checksum");
        return FAIL_SYSTEM;
    }
    s->context = EVP_MD_CTX_new();
    if (!s->context || EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) != 1) {
        sha256_destroy(s);
        error_set(err, FAIL_SYSTEM, "OpenSSL offers no SHA-256");
        return FAIL_SYSTEM;
    }
    *out = s;
    return OK;
}

enum status sha256_update(struct sha256 *s, const void *bytes, size_t nbytes, struct error *err)
{
    if (EVP_DigestUpdate(s->context, bytes, nbytes) != 1)
        return error_set(err, FAIL_SYSTEM, "OpenSSL's SHA-256 failed");
    return OK;
}

enum status sha256_finish(char hex[SHA256_HEX], struct sha256 *s, struct error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (EVP_DigestFinal_ex(s->context, digest, &length) != 1 || length != (SHA256_HEX - 1) / 2)
        return error_set(err, FAIL_SYSTEM, "OpenSSL's SHA-256 failed");
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return OK;
}

void sha256_destroy(struct sha256 *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->context);
    free(s);
}

enum status sha256_file(char hex[SHA256_HEX], const char *path, struct error *err)
{
    enum { BUFFER = 1 << 18 };
    struct sha256 *s = NULL;
    unsigned char *buffer = malloc(BUFFER);
    FILE *file = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "rb");
    enum status rc = OK;
    size_t n;

    if (!buffer || !file) {
        rc = error_system(err, "%s", path);
        goto done;
    }
    TRY(sha256_create(&s, err));
    while ((n = fread(buffer, 1, BUFFER, file)) > 0)
        TRY(sha256_update(s, buffer, n, err));
    if (ferror(file)) {
        rc = error_system(err, "%s: reading failed", path);
        goto done;
    }
    TRY(sha256_finish(hex, s, err));
done:
    if (file)
        fclose(file);
    sha256_destroy(s);
    free(buffer);
    return rc;
}
