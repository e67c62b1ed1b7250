/* Constants that are computed with: all elements in memory; private to io/onnx/.
 *
 * Exporters that do not fold constants, and networks that normalize their weights, write nodes that read constants
 * only. They are computed when the file is read, reals in double and integers in 64 bits; a result gets the type of
 * what it was computed from, half precision becomes float.
 */
#ifndef NRMFLOW_IO_ONNX_ARRAY_H
#define NRMFLOW_IO_ONNX_ARRAY_H

#include "io/onnx/build.h"

enum {
    ONNX_MAX_FOLDED = 1 << 24,    /* elements of a constant that is computed with */
    ONNX_MAX_ALL_FOLDED = 1 << 27 /* elements that are read and computed in a file */
};

union onnx_number {
    double real;
    int64_t whole; /* of types that are not real, also truth values */
};

/* Starts as zeros: an input that is left out. */
struct onnx_array {
    const struct weights_dtype *dtype;
    struct onnx_dims dims;
    size_t n;
    union onnx_number *values; /* [n] in C order */
};

/* An element of an array as a function of an index: values[offset + sum of index[d] * step[d]]. */
struct onnx_steps {
    int64_t step[ONNX_MAX_DIMS];
    int64_t offset;
};

/* A node that reads constants only. */
struct onnx_fold {
    struct onnx_build *b;
    const struct onnx_node *node;
    size_t nin;
    struct onnx_array *in; /* [nin] */
    struct onnx_array out;
    size_t place; /* of `out` among the node's outputs */
};

/* Compute `out` from `in`. FAIL_UNSUPPORTED without a message, if it cannot; FAIL_SYSTEM, FAIL_LIMIT. */
typedef enum status onnx_folding(struct onnx_fold *f);

/* Read the node's inputs, compute, and say that the result is what the node writes; refuse the node if it cannot be
 * computed. Errors: those of reading, FAIL_LIMIT, FAIL_SYSTEM. */
enum status onnx_array_fold(struct onnx_build *b, const struct onnx_node *node, onnx_folding *folding);

/* Room for an array of this type and these dimensions in f->out, which must be empty. Errors: FAIL_UNSUPPORTED without
 * a message if it is too large, FAIL_LIMIT, FAIL_SYSTEM. */
enum status onnx_array_make(struct onnx_fold *f, const struct weights_dtype *dtype, const struct onnx_dims *dims);

/* Say that f->out is the node's output f->place, and empty it. Errors: FAIL_SYSTEM. */
enum status onnx_array_write(struct onnx_fold *f);

bool onnx_array_is_real(const struct onnx_array *a);

/* The only element as a real number; false if there is another number of them. */
bool onnx_array_scalar(double *out, const struct onnx_array *a);

/* Steps by which an array is read in its own order; and as if it had `dims`, to which it is stretched. False if it
 * does not fit. */
struct onnx_steps onnx_array_steps(const struct onnx_array *a);
bool onnx_array_stretch(struct onnx_steps *steps, const struct onnx_array *a, const struct onnx_dims *dims);

/* Dimensions that both fit to, each side padded with ones in front. False if there are none. */
bool onnx_array_common(struct onnx_dims *out, const struct onnx_dims *a, const struct onnx_dims *b);

/* For all indices of `dims` in C order, i = 0, 1, ...: places[i] is where the steps lead to.
 *
 *   places  out  [product of dims] */
void onnx_array_places(size_t *places, const struct onnx_dims *dims, const struct onnx_steps *steps);

/* f->out = the elements of `from` to which the steps lead, in dimensions `dims`. */
enum status onnx_array_pick(struct onnx_fold *f, const struct onnx_array *from, const struct onnx_dims *dims,
                            const struct onnx_steps *steps);

#endif
