/* The libraries that io is built on. */
#ifndef NRMFLOW_IO_BASE_LIBRARIES_H
#define NRMFLOW_IO_BASE_LIBRARIES_H

#include <stddef.h>

/* Version of library i as it runs, where it can tell, else as it was compiled against; into out[n].
 * Returns its name, or NULL after the last. */
const char *libraries_version(char *out, size_t n, size_t i);

#endif
