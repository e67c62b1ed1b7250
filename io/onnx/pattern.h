/* Activations that exporters write as several nodes; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_PATTERN_H
#define NRMFLOW_IO_ONNX_PATTERN_H

#include "io/onnx/build.h"

/* Operations that ONNX has no name for. */
#define ONNX_PATTERN_SILU         "x sigmoid(x)"
#define ONNX_PATTERN_HARD_SIGMOID "clip(x + 3, 0, 6) / 6"

/* Make one operation of the last node of each; the other nodes stay, and most are then read by nobody:
 *
 *   x Sigmoid(x)                                       ONNX_PATTERN_SILU
 *   Clip(x + 3, 0, 6) / 6                              ONNX_PATTERN_HARD_SIGMOID
 *   x Clip(x + 3, 0, 6) / 6, x HardSigmoid(x) alike    HardSwish
 *   x (1 + Erf(x / sqrt 2)) / 2                        Gelu
 *   x Tanh(Softplus(x))                                Mish
 *
 * Initializers and Constants of the model are known already.
 *
 *   producers  in  [names.count] see io/onnx/order.h */
void onnx_pattern_join(struct onnx_build *b, const size_t *producers);

#endif
