/* Versions of the program, its compiler and its libraries. */
#ifndef NRMFLOW_PIPELINE_UTIL_VERSION_H
#define NRMFLOW_PIPELINE_UTIL_VERSION_H

#include <stddef.h>

enum { VERSION_TEXT = 160 };

/* The program version, such as "0.2.0": PROJECT_VERSION of CMakeLists.txt. */
const char *version_string(void);

/* How the program was built: "Release", "GCC 12.2.0", and its sanitizers ("none", "address,undefined"). */
const char *version_build_type(void);
const char *version_compiler(void);
const char *version_sanitizers(void);

/* The name of library i, and its version as loaded into `out`; returns NULL after the last. */
const char *version_library(char out[VERSION_TEXT], size_t i);

/* The instruction set that the kernels use on this processor: "generic", "avx2", "avx512" or "amx". */
const char *version_instructions(void);

#endif
