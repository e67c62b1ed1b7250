/* Names of the program. */
#ifndef NRMFLOW_VERSION_H
#define NRMFLOW_VERSION_H

/* The program version, "0.1.0". */
const char *version_string(void);

#endif
