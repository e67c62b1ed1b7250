/* Files for the tests of images and data sets, by a Python helper or by hand. */
#ifndef NRMFLOW_TESTS_SUPPORT_IMAGE_FILES_H
#define NRMFLOW_TESTS_SUPPORT_IMAGE_FILES_H

#include "tests/support/temporary.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_LENGTH = 4096 };

/* Let a Python script of this folder do its job `task` in another. */
static inline bool run_python(const char *script, const char *task, const char *folder)
{
    char command[2 * PATH_LENGTH];

    snprintf(command, sizeof command, "%s -B %s/../tests/support/%s %s '%s'", TEST_PYTHON, JOBS, script, task, folder);
    return system(command) == 0;
}

/* The whole file, freed by the caller, with a NUL behind it. */
static inline unsigned char *read_file(const char *path, size_t *nbytes)
{
    FILE *file = fopen(path, "rb");
    struct stat status;

    if (!file || fstat(fileno(file), &status) != 0) {
        perror(path);
        abort();
    }
    unsigned char *bytes = calloc(1, (size_t)status.st_size + 1);
    *nbytes = bytes ? fread(bytes, 1, (size_t)status.st_size, file) : 0;
    fclose(file);
    return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t nbytes)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, nbytes, file) != nbytes || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

/* splitmix64: tests print the seed where it matters. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
