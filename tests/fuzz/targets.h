/* What is fuzzed: the readers of files of unknown origin, each behind a name.
 *
 * Whatever the bytes are, a reader answers with data or with an error that says what, and ends. A target that sees
 * anything else aborts.
 */
#ifndef NRMFLOW_TESTS_FUZZ_TARGETS_H
#define NRMFLOW_TESTS_FUZZ_TARGETS_H

#include "io/base/error.h"

#include <stddef.h>

struct fuzz_target {
    const char *name;
    const char *file; /* what the file is called that is given the bytes; NULL if none is needed */
    void (*run)(const char *path, const unsigned char *bytes, size_t nbytes);
    void (*mend)(unsigned char *bytes, size_t nbytes); /* after a change, see mend.h; may be NULL */
};

/* The target of this name, or NULL; and all of them, [*count]. */
const struct fuzz_target *fuzz_target_find(const char *name);
const struct fuzz_target *fuzz_targets(size_t *count);

/* Run a target. The bytes are copied to memory of just this size, and to the target's file in a folder of this process,
 * which is removed at its end. */
void fuzz_target_run(const struct fuzz_target *target, const unsigned char *bytes, size_t nbytes);

/* Abort with a message. */
void fuzz_fail(const char *what) __attribute__((noreturn));

/* Abort unless a result is as it should be: OK, or a failure with a message. */
void fuzz_check(enum status rc, const struct error *err);

/* The runs of single targets. */
void fuzz_weights(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_onnx(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_pickle(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_image(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_list(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_idx(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_tar(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_hdf5(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_store(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_part(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_config(const char *path, const unsigned char *bytes, size_t nbytes);
void fuzz_sets(const char *path, const unsigned char *bytes, size_t nbytes);

#endif
