/* The readers of operations, which turn nodes into layers, views and constants; private to io/onnx/.
 *
 * Each is called for a node whose inputs are known, and says what its outputs are or refuses the node. Errors: those of
 * reading constants, FAIL_LIMIT, FAIL_SYSTEM.
 */
#ifndef NRMFLOW_IO_ONNX_OPERATION_H
#define NRMFLOW_IO_ONNX_OPERATION_H

#include "io/onnx/build.h"

typedef enum status onnx_operation(struct onnx_build *b, const struct onnx_node *node);

/* Layers with weights: io/onnx/linear.c. */
onnx_operation onnx_linear_convolution, onnx_linear_gemm, onnx_linear_matmul, onnx_linear_batchnorm;

/* What adds and multiplies, with constants per channel or variables: io/onnx/arithmetic.c. */
onnx_operation onnx_arithmetic_add, onnx_arithmetic_subtract, onnx_arithmetic_multiply, onnx_arithmetic_divide,
    onnx_arithmetic_negate, onnx_arithmetic_mean;

/* Activations: io/onnx/activate.c. */
onnx_operation onnx_activate_simple, onnx_activate_clip, onnx_activate_leaky, onnx_activate_prelu,
    onnx_activate_hard_sigmoid, onnx_activate_gelu, onnx_activate_elu, onnx_activate_bound, onnx_activate_softmax;

/* Windows: io/onnx/pooling.c. */
onnx_operation onnx_pooling_maximum, onnx_pooling_average, onnx_pooling_whole_maximum, onnx_pooling_whole_average,
    onnx_pooling_reduce, onnx_pooling_pad;

/* Views: io/onnx/rename.c. */
onnx_operation onnx_rename_identity, onnx_rename_dropout, onnx_rename_flatten, onnx_rename_reshape, onnx_rename_squeeze,
    onnx_rename_unsqueeze, onnx_rename_transpose, onnx_rename_cast, onnx_rename_cast_like;

/* Channels: io/onnx/channels.c. */
onnx_operation onnx_channels_concat, onnx_channels_slice, onnx_channels_split, onnx_channels_gather;

/* Constants: what is given, shapes and views in io/onnx/fold.c, elements in other places in io/onnx/fold_move.c,
 * arithmetic in io/onnx/fold_compute.c. */
onnx_operation onnx_fold_constant, onnx_fold_shape, onnx_fold_size, onnx_fold_identity, onnx_fold_cast,
    onnx_fold_cast_like, onnx_fold_fill, onnx_fold_range, onnx_fold_reshape, onnx_fold_squeeze, onnx_fold_unsqueeze,
    onnx_fold_flatten, onnx_fold_transpose;
onnx_operation onnx_fold_gather, onnx_fold_concat, onnx_fold_slice, onnx_fold_split, onnx_fold_expand, onnx_fold_tile,
    onnx_fold_where;
onnx_operation onnx_fold_function, onnx_fold_arithmetic, onnx_fold_reduce;

/* Write a layer of channels that shuffles those of a view in its groups: io/onnx/channels.c. */
enum status onnx_channels_shuffle(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                                  const struct onnx_dims *dims);

/* Multiply and add per channel, joined to the layer before if that is possible: io/onnx/affine.c.
 *
 *   scale, shift  in  [channels of the view's variable] */
enum status onnx_affine_apply(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                              const double *scale, const double *shift);

/* The constants of a variable's channels, if t has one for every channel or one for all: *out [channels], which the
 * caller frees; NULL if it has others. `axis` is the dimension of the view that t's first one belongs to, or negative:
 * its last belongs to the last. Errors: those of reading. */
enum status onnx_affine_constants(double **out, struct onnx_build *b, const struct onnx_view *view,
                                  const struct onnx_tensor *t, int64_t axis);

#endif
