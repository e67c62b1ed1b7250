/* A temporary folder of weights files made by make_weights.py, for the tests of the readers. */
#ifndef NRMFLOW_TESTS_SUPPORT_WEIGHTS_FIXTURE_H
#define NRMFLOW_TESTS_SUPPORT_WEIGHTS_FIXTURE_H

#include "io/weights/weights.h"
#include "tests/support/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIXTURE_PATH = 512 };

struct fixture {
    char folder[TEMPORARY_PATH];
};

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    int code = f ? temporary_remove(f->folder) : 0;

    free(f);
    return code;
}

/* Make the files of a kind, "valid" or "hostile". */
static inline int fixture_setup(void **state, const char *kind)
{
    struct fixture *f = calloc(1, sizeof *f);
    char command[2 * FIXTURE_PATH];

    *state = f;
    if (!f)
        return -1;
    temporary_folder(f->folder);
    snprintf(command, sizeof command, "%s -B '%s/../tests/support/make_weights.py' '%s' %s", TEST_PYTHON, JOBS,
             f->folder, kind);
    return system(command);
}

static inline void fixture_path(char path[FIXTURE_PATH], const struct fixture *f, const char *name)
{
    snprintf(path, FIXTURE_PATH, "%s/%s", f->folder, name);
}

/* A whole file; caller frees it. */
static inline unsigned char *fixture_bytes(size_t *nbytes, const char *path)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *nbytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*nbytes + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *nbytes, file), *nbytes);
    fclose(file);
    return bytes;
}

/* Open, and load if it opens; *out holds the numbers (caller frees) and is NULL on failure. */
static inline enum status fixture_load(float **out, const char *path, struct error *err)
{
    struct weights *w = NULL;
    enum status rc = weights_open(&w, path, err);

    *out = NULL;
    if (rc == OK) {
        *out = malloc(weights_floats(w) * sizeof **out);
        assert_non_null(*out);
        rc = weights_load(*out, w, err);
    }
    if (rc != OK) {
        free(*out);
        *out = NULL;
    }
    weights_close(w);
    return rc;
}

#endif
