/* A strict reader of the HDF5 that Keras writes; private to weights/keras.c and weights_hdf5*.c.
 *
 * Files of h5py's default have metadata of the oldest kind, without checksums. HDF5's library (1.10) trusts them:
 * one file in a few thousand that have a byte changed makes it read far outside of its buffers, divide by zero or not
 * return. A weights file is downloaded, so it is read here instead, with every size and address checked: superblock 0
 * and 1, object headers 1, groups with symbol tables, attributes with lists of strings, arrays of IEEE numbers that are
 * compact, contiguous or chunked, through deflate, shuffle and fletcher32. Everything else is refused by name; links of
 * any kind are not followed. After the HDF5 File Format Specification, version 3.0.
 */
#ifndef NRMFLOW_IO_WEIGHTS_HDF5_H
#define NRMFLOW_IO_WEIGHTS_HDF5_H

#include "io/weights/internal.h"

enum {
    WEIGHTS_HDF5_MAX_FILTERS = 4,
    WEIGHTS_HDF5_MAX_BLOCKS = 64 /* pieces of an object's header */
};

/* The file, and what messages name as the place. */
struct weights_hdf5 {
    const struct weights *w;
    const char *where;
    uint64_t
        *spent; /* bytes of metadata looked at so far, with a charge for every look; limited, so that reading ends */
    struct error *err;
};

/* Bytes that are taken one number after the other; `bad` once more was asked for than is there. */
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
    bool shared; /* the bytes say where in the file the message is */
    const unsigned char *bytes;
    size_t nbytes;
    uint64_t address; /* of the bytes */
};

/* The messages of an object's header. */
struct weights_hdf5_object {
    unsigned char *blocks[WEIGHTS_HDF5_MAX_BLOCKS]; /* what the messages' bytes are in */
    struct weights_hdf5_message *messages;
    size_t nmessages;
};

struct weights_hdf5_names {
    size_t n;
    char (*text)[WEIGHTS_MAX_NAME + 1];
};

/* Where the numbers of an array are. */
struct weights_hdf5_array {
    const struct weights_dtype *dtype;
    bool big_endian, chunked;
    size_t ndim, dims[WEIGHTS_MAX_DIMS];
    uint64_t address; /* of the numbers, or of the tree of chunks */
    size_t chunk[WEIGHTS_MAX_DIMS];
    size_t nfilters;
    unsigned filters[WEIGHTS_HDF5_MAX_FILTERS]; /* in the order of writing */
};

/* Numbers of n bytes, little endian, and n bytes as they are (NULL if there are fewer). */
uint64_t weights_hdf5_take(struct weights_hdf5_cursor *c, size_t n);
const unsigned char *weights_hdf5_skip(struct weights_hdf5_cursor *c, size_t n);

/* Failures with file and place; each returns its status. */
enum status weights_hdf5_damaged(const struct weights_hdf5 *f, const char *reason);
enum status weights_hdf5_unsupported(const struct weights_hdf5 *f, const char *reason);

/* Read n bytes of metadata; weights_hdf5_spend is its part that counts them. FAIL_LIMIT once it is too much. */
enum status weights_hdf5_read(unsigned char *bytes, const struct weights_hdf5 *f, uint64_t address, size_t n);
enum status weights_hdf5_spend(const struct weights_hdf5 *f, size_t nbytes);

/* Check the superblock. *root becomes the address of the root group. */
enum status weights_hdf5_start(uint64_t *root, const struct weights_hdf5 *f);

/* Read an object's header; release it with weights_hdf5_release, also after a failure. */
enum status weights_hdf5_open(struct weights_hdf5_object *o, const struct weights_hdf5 *f, uint64_t address);
void weights_hdf5_release(struct weights_hdf5_object *o);

/* An object's first message of a type, or NULL. */
const struct weights_hdf5_message *weights_hdf5_message(const struct weights_hdf5_object *o, unsigned type);

/* Whether a path of names leads from a group to an object; its address. FAIL_FORMAT if there is none. */
enum status weights_hdf5_find(uint64_t *address, const struct weights_hdf5 *f, uint64_t group, const char *path);

/* Read the list of names in an attribute; *names has none and no text if it is not there. Caller frees names->text. */
enum status weights_hdf5_read_names(struct weights_hdf5_names *names, bool *found, const struct weights_hdf5 *f,
                                    uint64_t address, const char *attribute);

/* The shape that a dataspace message describes. */
enum status weights_hdf5_shape(size_t *dims, size_t *ndim, const struct weights_hdf5 *f,
                               struct weights_hdf5_cursor space);

/* Describe the array at an address. */
enum status weights_hdf5_array(struct weights_hdf5_array *a, const struct weights_hdf5 *f, uint64_t address);

/* Decode all chunks of an array that is not empty: bytes are the array in C order, [elements] of its type, in the
 * file's byte order. */
enum status weights_hdf5_read_chunks(unsigned char *bytes, const struct weights_hdf5 *f,
                                     const struct weights_hdf5_array *a);

#endif
