/* What every user of HDF5 in io/ needs: errors without HDF5's own printing, closing an identifier of any kind, UTF-8
 * strings of fixed length, and opening files of unknown origin without following links out of them.
 *
 * Errors: FAIL_SYSTEM if the operating system fails, FAIL_FORMAT if the file is damaged or of another format,
 * FAIL_UNSUPPORTED for valid HDF5 that is refused on purpose, FAIL_LIMIT for sizes that cannot be right.
 */
#ifndef NRMFLOW_IO_H5_H5_H
#define NRMFLOW_IO_H5_H5_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#include <hdf5.h>

enum { H5_MAX_DIMS = 6 };

/* Turn off HDF5's printing of errors and its loading of filter plug-ins. Idempotent; called by every open here. */
void h5_start(void);

/* Close an identifier of any kind and make it H5I_INVALID_HID; an invalid one is left alone. */
void h5_close(hid_t *id);

/* Record a failure like error_set, with ": " and the cause that HDF5 gives appended, and empty HDF5's error stack. */
enum status h5_error(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A string type of `nbytes` bytes, at least one, UTF-8, padded with NUL. Caller closes it. Negative on failure. */
hid_t h5_text_type(size_t nbytes);

/* Set the creation properties of a group, or of a file for its root, that all groups in our files have: links in the
 * order of their creation, no times, and links and attributes in the object's header, which has a checksum. HDF5 1.10
 * can crash on damage in groups that are stored otherwise. Negative on failure. */
herr_t h5_set_group(hid_t properties);

/* Whether all groups on the way to `path`, and `path` itself if it is a group, store their links as h5_set_group sets
 * it. */
bool h5_compact(hid_t file, const char *path);

/* Open a file for reading: a regular file with HDF5's signature that is complete. Works without file locks.
 *
 *   file  out  caller closes it with h5_close, which also closes everything opened in it */
enum status h5_open(hid_t *file, const char *path, struct error *err);

/* Whether `path` ("a/b/c", relative to `file`) leads to an object through hard links only. */
bool h5_exists(hid_t file, const char *path);

/* Open a group or a dataset; soft and external links are refused. Caller closes it.
 *
 *   where  in  name of the file, for messages */
enum status h5_open_object(hid_t *object, hid_t file, const char *path, const char *where, struct error *err);

/* The same for a dataset, which must store its data in this file, chunked or not, with no filters except shuffle,
 * deflate and fletcher32. Virtual datasets, external files, other filters and chunks above 256 MiB are refused. */
enum status h5_open_dataset(hid_t *dataset, hid_t file, const char *path, const char *where, struct error *err);

/* Shape of a dataset that is to be read into elements of `element_bytes`.
 *
 *   ndim  out  0 for a scalar, at most H5_MAX_DIMS
 *   dims  out  [H5_MAX_DIMS] the first ndim are set
 *   nelements out  their product; product * element_bytes does not overflow
 * Errors: FAIL_LIMIT if the data cannot have been stored in a file of this size. */
enum status h5_shape(size_t *ndim, size_t *dims, size_t *nelements, hid_t dataset, size_t element_bytes,
                     const char *path, const char *where, struct error *err);

#endif
