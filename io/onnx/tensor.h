/* Tensors of a model: type, shape and the place of the numbers; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_TENSOR_H
#define NRMFLOW_IO_ONNX_TENSOR_H

#include "io/onnx/memory.h"
#include "io/onnx/wire.h"
#include "io/weights/dtype.h"

enum {
    ONNX_MAX_DIMS = 8,
    ONNX_MAX_INTEGERS = 1 << 10 /* elements of a tensor of integers that is computed with */
};

/* The numbers are raw, little endian and in C order: in memory, else in an external file, else in the model's file. */
struct onnx_tensor {
    const char *name;                  /* empty for one that is computed */
    const struct weights_dtype *dtype; /* NULL: a type whose numbers are not read */
    size_t ndim, dims[ONNX_MAX_DIMS];
    size_t elements;
    bool transposed; /* a matrix whose columns are the rows in the file */
    const unsigned char *bytes;
    const char *external;
    uint64_t offset;
};

/* The type of a TensorProto.DataType, or NULL if its numbers are not read. */
const struct weights_dtype *onnx_tensor_type(int64_t type);

/* Read a TensorProto. Its numbers stay in the file unless they are stored as variable-length integers or in pieces.
 *
 *   t        out  its memory is the model's
 *   scratch  name and external file are copied to `memory`
 * Returns wire->rc: FAIL_FORMAT also if there are more or fewer numbers than the shape has elements. */
enum status onnx_tensor_read(struct onnx_tensor *t, struct onnx_wire *wire, struct onnx_memory *memory,
                             struct onnx_span message);

/* Copy a string field to memory; bytes that are no printable ASCII and could confuse a terminal become `?`. NULL after
 * a failure. */
char *onnx_tensor_text(struct onnx_wire *wire, struct onnx_memory *memory, struct onnx_span bytes);

/* Set dims and elements. False if there are too many dimensions or the product overflows. */
bool onnx_tensor_shape(struct onnx_tensor *t, const uint64_t *dims, size_t ndim);

/* Whether layers can have numbers of this type; and whether they also are in order. */
bool onnx_tensor_is_real_type(const struct onnx_tensor *t);
bool onnx_tensor_is_real(const struct onnx_tensor *t);

/* Whether it is a tensor of integers or truth values that is small enough to compute with. */
bool onnx_tensor_is_integer(const struct onnx_tensor *t);

/* Elements first .. first + n of the file's bytes.
 * Errors: those of io/onnx/file.h. */
enum status onnx_tensor_fetch(unsigned char *bytes, struct onnx_file *file, const struct onnx_tensor *t, size_t first,
                              size_t n, struct error *err);

/* All elements of a real tensor.
 *
 *   values   out  [elements]
 *   scratch       [elements * t->dtype->nbytes]
 * Errors: also FAIL_FORMAT, naming the element, if one is not finite as float. */
enum status onnx_tensor_values(double *values, unsigned char *scratch, struct onnx_file *file,
                               const struct onnx_tensor *t, struct error *err);

/* A number of a type that is not real, from little endian; types that have a sign keep it. */
int64_t onnx_tensor_integer(const struct weights_dtype *dtype, const unsigned char *bytes);

/* All elements of a tensor of integers: values [elements], at most ONNX_MAX_INTEGERS. */
enum status onnx_tensor_integers(int64_t *values, struct onnx_file *file, const struct onnx_tensor *t,
                                 struct error *err);

/* A new tensor of 64-bit integers in memory: of one dimension, or a scalar if ndim is 0 (then n is 1). NULL without
 * memory. */
struct onnx_tensor *onnx_tensor_make(struct onnx_memory *memory, const int64_t *values, size_t n, size_t ndim);

#endif
