/* Files that are written where the user says, on whatever file system that is. */
#ifndef NRMFLOW_IO_BASE_TARGET_H
#define NRMFLOW_IO_BASE_TARGET_H

#include <stdbool.h>

/* The path that a write to `path` is about: `path` itself, or where the symbolic link there leads, although nothing
 * need be there yet. So the file behind a link is replaced and not the link. From malloc; NULL with errno set: no
 * memory, or links that lead nowhere. */
char *target_path(const char *path);

/* fsync of a file or folder. A file system that has no such thing is no failure: then a file is as durable as that file
 * system makes it. False with errno set. */
bool target_sync(int descriptor);

/* Whether fsync works on the file system of an open file. */
bool target_can_sync(int descriptor);

#endif
