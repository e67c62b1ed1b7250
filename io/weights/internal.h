/* What the readers of weights files share; private to io/weights/.
 *
 * A format's `open` fills the list of records with weights_add. It is not concerned with names, conversion and order.
 */
#ifndef NRMFLOW_IO_WEIGHTS_INTERNAL_H
#define NRMFLOW_IO_WEIGHTS_INTERNAL_H

#include "io/weights/weights.h"

#include <stdint.h>

enum {
    WEIGHTS_MAX_NAME = 255,
    WEIGHTS_MAX_PLACE = 160,
    WEIGHTS_MAX_TENSORS = 1 << 16,
    WEIGHTS_MAX_HEADER = 1 << 24, /* bytes of a JSON header or of a pickle */
    WEIGHTS_MAX_FLOATS = 1 << 30
};

/* A type of numbers; `decode` is NULL for types that no layer has. */
struct weights_dtype {
    const char *name;
    size_t nbytes;
    void (*decode)(double *values, const unsigned char *bytes, size_t n); /* from little endian */
};

/* The type of this name in safetensors' spelling, or NULL. */
const struct weights_dtype *weights_dtype_find(const char *name);

/* A tensor and the position of its numbers. */
struct weights_record {
    struct weights_tensor info;
    char *name; /* what info.name points to */
    const struct weights_dtype *dtype;
    size_t elements;
    uint64_t offset;                  /* bytes from the start of the file, or of the zip entry, to element 0 */
    uint64_t entry;                   /* of a zip archive */
    size_t strides[WEIGHTS_MAX_DIMS]; /* elements */
    bool contiguous;                  /* strides are those of C order */
    bool whole;                       /* can only be fetched as a whole */
    double epsilon;                   /* of the BatchNorm that it belongs to; 0 if the file does not say */
    size_t span;                      /* elements from the first to the last in memory; `elements` if contiguous */
};

enum weights_part {
    WEIGHTS_WEIGHT,
    WEIGHTS_BIAS,
    WEIGHTS_GAMMA,
    WEIGHTS_BETA,
    WEIGHTS_MEAN,
    WEIGHTS_VARIANCE,
    WEIGHTS_PARTS
};

/* The records of one layer; NULL for one that it does not have. */
struct weights_source {
    const struct weights_record *parts[WEIGHTS_PARTS];
};

/* The library's own epsilon of a BatchNorm. */
#define WEIGHTS_EPSILON_TORCH 1e-5
#define WEIGHTS_EPSILON_KERAS 1e-3

struct weights_format {
    const char *name;
    bool keras;     /* HWIO kernels, [in][out] matrices, inputs of the first dense layer in the order [H][W][C] */
    double epsilon; /* of a BatchNorm, if the file does not say */

    /* Whether a file that begins with these bytes is one of this format. */
    bool (*recognise)(const unsigned char *head, size_t nhead);

    enum status (*open)(struct weights *w, struct error *err);

    /* Raw little-endian elements first .. first + n of a record, as they lie in memory. */
    enum status (*fetch)(unsigned char *bytes, const struct weights *w, const struct weights_record *r, size_t first,
                         size_t n, struct error *err);

    void (*close)(struct weights *w);
};

extern const struct weights_format weights_safetensors_format;
extern const struct weights_format weights_keras_format;
extern const struct weights_format weights_pth_zip_format;
extern const struct weights_format weights_pth_stream_format;

struct weights_remark {
    char *key, *value;
};

struct weights {
    char *path;
    int fd;
    uint64_t nbytes; /* of the file */
    const struct weights_format *format;
    char place[WEIGHTS_MAX_PLACE]; /* see weights_place */
    void *state;                   /* of the format; the pointed-to data may change even if the weights are const */

    struct weights_record *records;
    size_t nrecords, capacity;
    struct weights_remark *remarks;
    size_t nremarks;

    struct weights_layer layers[WEIGHTS_MAX_LAYERS];
    struct weights_source sources[WEIGHTS_MAX_LAYERS];
    size_t nlayers, nfloats;
};

/* Make room for one more item in an array of n items. Returns the array, which may have moved, or NULL without memory;
 * the old array is then still valid. */
void *weights_grow(void *array, size_t *capacity, size_t n, size_t item_bytes);

/* Whether this is a valid name: 1 to WEIGHTS_MAX_NAME bytes without control characters, which could confuse a terminal
 * when the name is printed. */
bool weights_is_name(const char *name, size_t n);

/* Append a contiguous record, after checking its shape and name; *out is valid until the next one is appended. */
enum status weights_add(struct weights_record **out, struct weights *w, const char *name, size_t nname,
                        const struct weights_dtype *dtype, const size_t *dims, size_t ndim, struct error *err);

/* Read n bytes of the file from an offset on; FAIL_FORMAT if the file ends before them. */
enum status weights_pread(void *bytes, const struct weights *w, uint64_t offset, size_t n, struct error *err);

/* Number of elements of one leading index: the product of the other dimensions. */
size_t weights_row(const struct weights_record *r);

/* Whether this is the name that PyTorch gives to the kernel of a VGG's convolution, behind any prefix. */
bool weights_names_is_kernel(const char *name, size_t n);

/* Fill layers and sources from the records' names and shapes. */
enum status weights_names_recognise(struct weights *w, struct error *err);

#endif
