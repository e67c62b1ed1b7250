/* Rows of an HDF5 dataset of unknown origin; private to io/dataset/.
 *
 * HDF5 1.10 reads past its own memory if a chunk is smaller than the header claims, or a compact dataset smaller than
 * its shape. So raw chunks are fetched and decoded here, where every size is checked. Nothing can be done here against
 * damaged object headers, which have no checksums in h5py's default format, so files are read in a sandboxed process
 * (io/base/sandbox.h).
 */
#ifndef NRMFLOW_IO_DATASET_H5ARRAY_H
#define NRMFLOW_IO_DATASET_H5ARRAY_H

#include "io/dataset/buffer.h"
#include "io/h5/h5.h"

#include <stdbool.h>
#include <stddef.h>

enum { DATASET_H5ARRAY_FILTERS = 8, DATASET_H5ARRAY_ELEMENT = 8 };

struct dataset_h5array {
    hid_t data, space; /* owned; invalid identifiers when closed */
    size_t ndim, dims[H5_MAX_DIMS];
    size_t element_bytes, row_bytes; /* a row has one index of the first axis */
    hsize_t file_bytes;
    bool chunked;
    size_t chunk[H5_MAX_DIMS], chunk_bytes;
    size_t nfilters; /* in the order of writing */

    struct {
        H5Z_filter_t kind;
        size_t element; /* shuffle's */
    } filters[DATASET_H5ARRAY_FILTERS];

    unsigned char fill[DATASET_H5ARRAY_ELEMENT]; /* element of chunks that were never written */
    /* Decoded rows first .. first + count, kept for the next call: rows read in order decode each chunk once. */
    struct dataset_buffer rows, packed, spare;
    size_t first, count;
    char where[DATASET_PATH]; /* for messages: "FILE: /DATASET" */
};

/* Make an array that is closed. */
void dataset_h5array_init(struct dataset_h5array *array);

/* Open a dataset of integers or floating-point numbers of at most eight bytes, of at least one dimension.
 *
 *   path  in  of the file, for messages
 * Errors as h5_open_dataset and h5_shape; FAIL_FORMAT for damage, FAIL_UNSUPPORTED for other types. */
enum status dataset_h5array_open(struct dataset_h5array *array, hid_t file, const char *name, const char *path,
                                 struct error *err);

/* Rows first .. first + count, in the file's own number type.
 *
 *   out  [count][row_bytes]
 * Errors: FAIL_FORMAT for damage, FAIL_LIMIT for chunks of impossible size, FAIL_SYSTEM. */
enum status dataset_h5array_read(unsigned char *out, struct dataset_h5array *array, size_t first, size_t count,
                                 struct error *err);

/* Release everything; harmless on a closed array. */
void dataset_h5array_close(struct dataset_h5array *array);

#endif
