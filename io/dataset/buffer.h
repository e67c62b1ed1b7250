/* A buffer of bytes that grows, and reading files into it; private to io/dataset/. */
#ifndef NRMFLOW_IO_DATASET_BUFFER_H
#define NRMFLOW_IO_DATASET_BUFFER_H

#include "io/base/error.h"

#include <stddef.h>

enum { DATASET_PATH = 4096 };

struct dataset_buffer {
    unsigned char *bytes; /* owned; from malloc */
    size_t size, capacity;
};

/* Release the bytes; the buffer is empty afterwards. NULL is fine. */
void dataset_buffer_free(struct dataset_buffer *buffer);

/* Add `nbytes` undefined bytes at the end and return a pointer to them; NULL without memory. It is valid until the next
 * call. */
void *dataset_buffer_extend(struct dataset_buffer *buffer, size_t nbytes, struct error *err);

/* Add a copy of some bytes. */
enum status dataset_buffer_append(struct dataset_buffer *buffer, const void *bytes, size_t nbytes, struct error *err);

/* Open a regular file for reading; a FIFO or a device is refused without waiting for it.
 *
 *   descriptor  out  caller closes it; -1 on failure
 *   nbytes      out  size of the file; may be NULL */
enum status dataset_buffer_open(int *descriptor, size_t *nbytes, const char *path, struct error *err);

/* Replace the buffer's content by `nbytes` bytes of a file from `offset` on; FAIL_FORMAT if the file ends before. */
enum status dataset_buffer_pread(struct dataset_buffer *buffer, int descriptor, size_t offset, size_t nbytes,
                                 const char *path, struct error *err);

/* Replace the buffer's content by a whole regular file; FAIL_LIMIT above `limit` bytes. */
enum status dataset_buffer_read(struct dataset_buffer *buffer, const char *path, size_t limit, struct error *err);

/* folder/name, or name if it is absolute; FAIL_LIMIT if longer than `out` [DATASET_PATH]. */
enum status dataset_buffer_join(char *out, const char *folder, const char *name, struct error *err);

#endif
