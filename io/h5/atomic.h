/* An HDF5 file that is replaced as a whole or not at all.
 *
 * The data goes to a temporary file, "<path>.tmp-<pid>" in the directory of `path`, which h5_atomic_commit renames into
 * place. HDF5 does not survive a failed write when it closes a file, so write failures are hidden from it: the first
 * one is remembered, the remaining writes are dropped, and h5_atomic_check and h5_atomic_commit report it.
 */
#ifndef NRMFLOW_IO_H5_ATOMIC_H
#define NRMFLOW_IO_H5_ATOMIC_H

#include "io/base/error.h"

#include <hdf5.h>

struct h5_atomic;

/* Create the temporary file. It never overwrites a file that exists already. If `path` is a symbolic link, the file
 * that it names will be replaced, or made if there is none.
 *
 *   out  out  caller ends it with h5_atomic_commit or h5_atomic_discard
 * Errors: FAIL_SYSTEM; FAIL_CONFIG if `path` is a directory or a device. */
enum status h5_atomic_create(struct h5_atomic **out, const char *path, struct error *err);

/* The open file, borrowed: valid until commit or discard, which close everything opened in it. */
hid_t h5_atomic_file(const struct h5_atomic *atomic);

/* The path of the final file, for messages. */
const char *h5_atomic_path(const struct h5_atomic *atomic);

/* FAIL_SYSTEM if a write has failed so far (a full disk). */
enum status h5_atomic_check(const struct h5_atomic *atomic, struct error *err);

/* Close, fsync, rename over `path`, fsync the directory; frees `atomic` whatever happens. On failure the temporary file
 * is removed, and an old file at `path` is unchanged. */
enum status h5_atomic_commit(struct h5_atomic *atomic, struct error *err);

/* Close and remove the temporary file; NULL is fine. */
void h5_atomic_discard(struct h5_atomic *atomic);

#endif
