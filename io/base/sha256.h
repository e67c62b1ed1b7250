/* SHA-256 checksums of a stream of bytes or of a whole file. */
#ifndef NRMFLOW_IO_BASE_SHA256_H
#define NRMFLOW_IO_BASE_SHA256_H

#include "io/base/error.h"

#include <stddef.h>

enum { SHA256_HEX = 65 }; /* 64 lower-case digits and a zero */

struct sha256;

/* Begin a checksum. Ownership: caller destroys it with sha256_destroy. Errors: FAIL_SYSTEM. */
enum status sha256_create(struct sha256 **out, struct error *err);

/* Add nbytes bytes. Errors: FAIL_SYSTEM. */
enum status sha256_update(struct sha256 *s, const void *bytes, size_t nbytes, struct error *err);

/* Write the checksum of everything added; nothing can be added afterwards. Errors: FAIL_SYSTEM. */
enum status sha256_finish(char hex[SHA256_HEX], struct sha256 *s, struct error *err);

void sha256_destroy(struct sha256 *s);

/* The checksum of a file from its first byte to its end. Errors: FAIL_SYSTEM with the path. */
enum status sha256_file(char hex[SHA256_HEX], const char *path, struct error *err);

#endif
