#include "io/base/target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 };

/* Where the link at `path` leads; malloc. */
static char *follow(const char *path)
{
    char to[PATH_MAX], *next;
    const char *slash = strrchr(path, '/');
    ssize_t length = readlink(path, to, sizeof to - 1);

    if (length < 0)
        return NULL;
    to[length] = '\0';
    int folder = to[0] != '/' && slash ? (int)(slash + 1 - path) : 0;
    size_t size = (size_t)folder + (size_t)length + 1;
    next = malloc(size);
    if (next)
        snprintf(next, size, "%.*s%s", folder, path, to);
    return next;
}

char *target_path(const char *path)
{
    char *at = strdup(path);
    struct stat info;

    for (int i = 0; at && lstat(at, &info) == 0 && S_ISLNK(info.st_mode); i++) {
        char *next = i < MAX_LINKS ? follow(at) : NULL;
        if (i == MAX_LINKS)
            errno = ELOOP;
        int code = errno;
        free(at);
        errno = code;
        at = next;
    }
    return at;
}

/* EINVAL: not for this kind of file; the others: not on this file system. */
static bool is_unsupported(int code)
{
    return code == EINVAL || code == ENOSYS || code == ENOTSUP || code == EOPNOTSUPP || code == EROFS;
}

bool target_sync(int descriptor)
{
    return fsync(descriptor) == 0 || is_unsupported(errno);
}

bool target_can_sync(int descriptor)
{
    return fsync(descriptor) == 0 || !is_unsupported(errno);
}
