#define _FILE_OFFSET_BITS 64
#include "io/onnx/file.h"

#include "io/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: opening a pipe does not wait for its other end. */
enum { OPEN_FILE = O_RDONLY | O_CLOEXEC | O_NONBLOCK, OPEN_FOLDER = O_RDONLY | O_CLOEXEC | O_DIRECTORY };

static int open_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

    if (!folder)
        return -1;
    int fd = open(folder, OPEN_FOLDER);
    free(folder);
    return fd;
}

enum status onnx_file_open(struct onnx_file *file, const char *path, struct error *err)
{
    struct stat st;

    *file = (struct onnx_file){.fd = -1, .folder = -1, .external = -1};
    file->path = strdup(path);
    if (!file->path)
        return error_system(err, "%s", path);
    file->fd = fault_hit(FAULT_OPEN) ? -1 : open(path, OPEN_FILE);
    if (file->fd < 0 || fstat(file->fd, &st) != 0)
        return error_system(err, "%s: cannot open the network", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, FAIL_SYSTEM, "%s: not a regular file", path);
    file->nbytes = (uint64_t)st.st_size;
    file->folder = open_folder_of(path);
    if (file->folder < 0)
        return error_system(err, "%s: cannot open its folder", path);
    return OK;
}

static void close_external(struct onnx_file *file)
{
    if (file->external >= 0)
        close(file->external);
    file->external = -1;
    free(file->external_name);
    file->external_name = NULL;
}

void onnx_file_close(struct onnx_file *file)
{
    close_external(file);
    if (file->fd >= 0)
        close(file->fd);
    if (file->folder >= 0)
        close(file->folder);
    free(file->path);
    *file = (struct onnx_file){.fd = -1, .folder = -1, .external = -1};
}

static enum status read_at(void *bytes, int fd, const char *path, uint64_t offset, size_t n, struct error *err)
{
    unsigned char *at = bytes;

    while (n > 0) {
        ssize_t got = fault_hit(FAULT_READ) ? -1 : pread(fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(err, "%s: reading failed", path);
        if (got == 0)
            return error_set(err, FAIL_FORMAT, "%s: the file was truncated while it was read", path);
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return OK;
}

enum status onnx_file_read(void *bytes, const struct onnx_file *file, uint64_t offset, size_t n, struct error *err)
{
    if (offset > file->nbytes || n > file->nbytes - offset)
        return error_set(err, FAIL_FORMAT, "%s: the file ends at byte %llu, but %zu bytes are needed from byte %llu on",
                         file->path, (unsigned long long)file->nbytes, n, (unsigned long long)offset);
    return read_at(bytes, file->fd, file->path, offset, n, err);
}

/* Whether a path is relative, and no part of it is empty, `.` or `..`. */
static bool is_below(const char *name)
{
    for (const char *at = name;;) {
        size_t n = strcspn(at, "/");
        if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        if (!at[n])
            return true;
        at += n + 1;
    }
}

/* Open a file by the parts of its path, so that no part of it can be a link. */
static int open_below(int folder, const char *name)
{
    int at = dup(folder);

    for (const char *slash; at >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        char *part = strndup(name, (size_t)(slash - name));
        int next = part ? openat(at, part, OPEN_FOLDER | O_NOFOLLOW) : -1;
        free(part);
        close(at);
        at = next;
    }
    if (at < 0)
        return -1;
    int fd = fault_hit(FAULT_OPEN) ? -1 : openat(at, name, OPEN_FILE | O_NOFOLLOW);
    close(at);
    return fd;
}

static enum status open_external(struct onnx_file *file, const char *name, struct error *err)
{
    struct stat st;

    if (file->external >= 0 && strcmp(file->external_name, name) == 0)
        return OK;
    close_external(file);
    if (!is_below(name))
        return error_set(err, FAIL_FORMAT,
                         "%s: the file's tensors are in '%.200s', which is no plain path below the model's folder",
                         file->path, name);
    file->external = open_below(file->folder, name);
    if (file->external < 0 || fstat(file->external, &st) != 0)
        return error_system(err,
                            "%s: cannot open '%.200s', which holds tensors of this file and belongs beside it (links "
                            "are not followed)",
                            file->path, name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, FAIL_FORMAT, "%s: '%.200s', which holds its tensors, is not a regular file", file->path,
                         name);
    file->external_nbytes = (uint64_t)st.st_size;
    file->external_name = strdup(name);
    if (!file->external_name) {
        close_external(file);
        return error_system(err, "%s", file->path);
    }
    return OK;
}

enum status onnx_file_length_external(uint64_t *nbytes, struct onnx_file *file, const char *name, struct error *err)
{
    enum status rc = open_external(file, name, err);

    if (rc == OK)
        *nbytes = file->external_nbytes;
    return rc;
}

enum status onnx_file_read_external(void *bytes, struct onnx_file *file, const char *name, uint64_t offset, size_t n,
                                    struct error *err)
{
    enum status rc = open_external(file, name, err);

    if (rc != OK)
        return rc;
    if (offset > file->external_nbytes || n > file->external_nbytes - offset)
        return error_set(err, FAIL_FORMAT, "%s: '%.200s' ends at byte %llu, but %zu bytes are needed from byte %llu on",
                         file->path, name, (unsigned long long)file->external_nbytes, n, (unsigned long long)offset);
    return read_at(bytes, file->external, name, offset, n, err);
}
