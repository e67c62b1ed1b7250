/* The files of a model: the ONNX file and, below its folder, files with the numbers of tensors; private to io/onnx/.
 *
 * The name of an external file comes from the model, which may be hostile: it is a relative path without `..`, every
 * folder and the file itself are opened without following links, and only a regular file is read.
 */
#ifndef NRMFLOW_IO_ONNX_FILE_H
#define NRMFLOW_IO_ONNX_FILE_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct onnx_file {
    char *path;
    int fd;
    uint64_t nbytes;
    int folder;          /* that the file is in */
    int external;        /* the external file that was read last, or -1 */
    char *external_name; /* its name */
    uint64_t external_nbytes;
};

/* Open a model's file. Ownership: caller closes it with onnx_file_close, also after a failure. Errors: FAIL_SYSTEM,
 * FAIL_RESOURCE. */
enum status onnx_file_open(struct onnx_file *file, const char *path, struct error *err);
void onnx_file_close(struct onnx_file *file);

/* Read n bytes from an offset on. Errors: FAIL_FORMAT if the file ends before them, FAIL_SYSTEM. */
enum status onnx_file_read(void *bytes, const struct onnx_file *file, uint64_t offset, size_t n, struct error *err);

/* The same of an external file; and its length. Errors: also FAIL_FORMAT if the name is not allowed or names something
 * else than a regular file. */
enum status onnx_file_read_external(void *bytes, struct onnx_file *file, const char *name, uint64_t offset, size_t n,
                                    struct error *err);
enum status onnx_file_length_external(uint64_t *nbytes, struct onnx_file *file, const char *name, struct error *err);

#endif
