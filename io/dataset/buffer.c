#include "io/dataset/buffer.h"

#include "io/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void dataset_buffer_free(struct dataset_buffer *buffer)
{
    if (buffer) {
        free(buffer->bytes);
        *buffer = (struct dataset_buffer){0};
    }
}

void *dataset_buffer_extend(struct dataset_buffer *buffer, size_t nbytes, struct error *err)
{
    if (nbytes > SIZE_MAX / 2 - buffer->size) {
        error_set(err, FAIL_LIMIT, "a buffer of %zu bytes is too large", nbytes);
        return NULL;
    }
    size_t needed = buffer->size + nbytes;
    if (needed > buffer->capacity || !buffer->bytes) {
        size_t capacity = needed > 2 * buffer->capacity ? needed + 64 : 2 * buffer->capacity;
        unsigned char *grown = realloc(buffer->bytes, capacity);
        if (!grown) {
            error_set(err, FAIL_RESOURCE, "no memory for %zu bytes", capacity);
            return NULL;
        }
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    buffer->size = needed;
    return buffer->bytes + needed - nbytes;
}

enum status dataset_buffer_append(struct dataset_buffer *buffer, const void *bytes, size_t nbytes, struct error *err)
{
    void *place = dataset_buffer_extend(buffer, nbytes, err);

    if (!place)
        return FAIL_RESOURCE;
    memcpy(place, bytes, nbytes);
    return OK;
}

enum status dataset_buffer_open(int *descriptor, size_t *nbytes, const char *path, struct error *err)
{
    struct stat info;
    enum status rc = OK;
    int fd = fault_hit(FAULT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *descriptor = -1;
    if (fd < 0)
        return error_system(err, "%s: cannot be opened", path);
    if (fstat(fd, &info) != 0)
        rc = error_system(err, "%s: cannot be examined", path);
    else if (!S_ISREG(info.st_mode))
        rc = error_set(err, FAIL_FORMAT, "%s: is not a regular file", path);
    if (rc != OK) {
        close(fd);
        return rc;
    }
    *descriptor = fd;
    if (nbytes)
        *nbytes = (size_t)info.st_size;
    return OK;
}

enum status dataset_buffer_pread(struct dataset_buffer *buffer, int descriptor, size_t offset, size_t nbytes,
                                 const char *path, struct error *err)
{
    buffer->size = 0;
    unsigned char *place = dataset_buffer_extend(buffer, nbytes, err);
    if (!place)
        return FAIL_RESOURCE;
    for (size_t done = 0; done < nbytes;) {
        ssize_t n = fault_hit(FAULT_READ) ? -1 : pread(descriptor, place + done, nbytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(err, "%s: cannot be read", path);
        if (n == 0)
            return error_set(err, FAIL_FORMAT, "%s: ends at byte %zu; %zu bytes were expected", path, offset + done,
                             offset + nbytes);
        done += (size_t)n;
    }
    return OK;
}

enum status dataset_buffer_read(struct dataset_buffer *buffer, const char *path, size_t limit, struct error *err)
{
    int fd = -1;
    size_t nbytes = 0;
    enum status rc;

    TRY(dataset_buffer_open(&fd, &nbytes, path, err));
    if (nbytes > limit)
        rc = error_set(err, FAIL_LIMIT, "%s: has %zu bytes; at most %zu are read", path, nbytes, limit);
    else
        rc = dataset_buffer_pread(buffer, fd, 0, nbytes, path, err);
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

enum status dataset_buffer_join(char *out, const char *folder, const char *name, struct error *err)
{
    bool absolute = name[0] == '/';
    int length = snprintf(out, DATASET_PATH, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", name);

    if (length < 0 || length >= DATASET_PATH)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", name);
    return OK;
}
