/* The libraries that io/ is built on. */
#ifndef NRMFLOW_IO_BASE_LIBRARIES_H
#define NRMFLOW_IO_BASE_LIBRARIES_H

#include <stddef.h>

/* Write the version of library i to out[n]: the version at run time if the library reports it, otherwise the version at
 * compile time. Returns the library's name, or NULL after the last one. */
const char *libraries_version(char *out, size_t n, size_t i);

#endif
