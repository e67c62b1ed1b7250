/* A strict reader of the HDF5 that Keras writes; private to keras.c and hdf5*.c.
 *
 * The metadata in h5py's default format is of the oldest kind, without checksums, and the HDF5 library (1.10) trusts
 * it: of files with one changed byte, one in a few thousand makes it read far outside of its buffers, divide by zero or
 * never return. Weights files are downloaded, so they are read here instead, and every size and address is checked.
 * Supported are superblocks 0 and 1, object headers 1, groups with symbol tables, attributes with lists of strings, and
 * arrays of IEEE numbers that are compact, contiguous or chunked, with deflate, shuffle and fletcher32. Everything else
 * is refused, and the message names it; links of any kind are not followed. After the HDF5 File Format Specification,
 * version 3.0.
 */
#ifndef NRMFLOW_IO_WEIGHTS_HDF5_H
#define NRMFLOW_IO_WEIGHTS_HDF5_H

#include "io/weights/internal.h"

enum {
    WEIGHTS_HDF5_MAX_FILTERS = 4,
    WEIGHTS_HDF5_MAX_BLOCKS = 64 /* of an object's header */
};

/* The file, and the object that messages name. */
struct weights_hdf5 {
    const struct weights *w;
    const char *where;
    uint64_t *spent; /* bytes of metadata read so far, plus a charge for every read; limited, so reading ends */
    struct error *err;
};

/* Bytes from which numbers are taken; `bad` is set when more are taken than there are. */
struct weights_hdf5_cursor {
    const unsigned char *at;
    size_t left;
    bool bad;
};

enum weights_hdf5_type {
    WEIGHTS_HDF5_DATASPACE = 0x01,
    WEIGHTS_HDF5_LINK_INFO = 0x02,
    WEIGHTS_HDF5_DATATYPE = 0x03,
    WEIGHTS_HDF5_LINK = 0x06,
    WEIGHTS_HDF5_EXTERNAL = 0x07,
    WEIGHTS_HDF5_LAYOUT = 0x08,
    WEIGHTS_HDF5_FILTERS = 0x0b,
    WEIGHTS_HDF5_ATTRIBUTE = 0x0c,
    WEIGHTS_HDF5_CONTINUATION = 0x10,
    WEIGHTS_HDF5_SYMBOLS = 0x11,
    WEIGHTS_HDF5_ATTRIBUTE_INFO = 0x15
};

struct weights_hdf5_message {
    unsigned type;
    bool shared; /* the bytes are the address of the message in the file */
    const unsigned char *bytes;
    size_t nbytes;
    uint64_t address; /* of the bytes */
};

/* The messages of an object's header. */
struct weights_hdf5_object {
    unsigned char *blocks[WEIGHTS_HDF5_MAX_BLOCKS]; /* the messages point into them */
    struct weights_hdf5_message *messages;
    size_t nmessages;
};

struct weights_hdf5_names {
    size_t n;
    char (*text)[WEIGHTS_MAX_NAME + 1];
};

/* An array: type, shape and the position of its numbers. */
struct weights_hdf5_array {
    const struct weights_dtype *dtype;
    bool big_endian, chunked;
    size_t ndim, dims[WEIGHTS_MAX_DIMS];
    uint64_t address; /* of the numbers, or of the tree of chunks */
    size_t chunk[WEIGHTS_MAX_DIMS];
    size_t nfilters;
    unsigned filters[WEIGHTS_HDF5_MAX_FILTERS]; /* in the order of writing */
};

/* Take a little-endian number of n bytes, or n bytes as they are (NULL if there are fewer). */
uint64_t weights_hdf5_take(struct weights_hdf5_cursor *c, size_t n);
const unsigned char *weights_hdf5_skip(struct weights_hdf5_cursor *c, size_t n);

/* Record a failure with file and object; returns its status. */
enum status weights_hdf5_damaged(const struct weights_hdf5 *f, const char *reason);
enum status weights_hdf5_unsupported(const struct weights_hdf5 *f, const char *reason);

/* Read n bytes of metadata, which weights_hdf5_spend counts. FAIL_LIMIT if the total is too large. */
enum status weights_hdf5_read(unsigned char *bytes, const struct weights_hdf5 *f, uint64_t address, size_t n);
enum status weights_hdf5_spend(const struct weights_hdf5 *f, size_t nbytes);

/* Check the superblock. *root becomes the address of the root group. */
enum status weights_hdf5_start(uint64_t *root, const struct weights_hdf5 *f);

/* Read an object's header; release it with weights_hdf5_release, also after a failure. */
enum status weights_hdf5_open(struct weights_hdf5_object *o, const struct weights_hdf5 *f, uint64_t address);
void weights_hdf5_release(struct weights_hdf5_object *o);

/* An object's first message of a type, or NULL. */
const struct weights_hdf5_message *weights_hdf5_message(const struct weights_hdf5_object *o, unsigned type);

/* Find the address of the object at a path from a group. If there is none: *address is 0, or FAIL_FORMAT. */
enum status weights_hdf5_look(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *path);
enum status weights_hdf5_find(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *path);

/* Read the list of names in an attribute; *names is empty, with text NULL, if the attribute does not exist. Caller
 * frees names->text. */
enum status weights_hdf5_read_names(struct weights_hdf5_names *names, bool *found, const struct weights_hdf5 *f,
                                    uint64_t address, const char *attribute);

/* Read the text in an attribute; NULL if it does not exist. Caller frees *text. */
enum status weights_hdf5_read_text(char **text, const struct weights_hdf5 *f, uint64_t address, const char *attribute);

/* Read the shape from a dataspace message. */
enum status weights_hdf5_shape(size_t *dims, size_t *ndim, const struct weights_hdf5 *f,
                               struct weights_hdf5_cursor space);

/* Describe the array at an address. */
enum status weights_hdf5_array(struct weights_hdf5_array *a, const struct weights_hdf5 *f, uint64_t address);

/* Decode all chunks of an array that is not empty: bytes become the array in C order, [elements] of its type, in the
 * byte order of the file. */
enum status weights_hdf5_read_chunks(unsigned char *bytes, const struct weights_hdf5 *f,
                                     const struct weights_hdf5_array *a);

#endif
