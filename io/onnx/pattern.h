/* Activations that exporters write as several nodes; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_PATTERN_H
#define NRMFLOW_IO_ONNX_PATTERN_H

#include "io/onnx/build.h"

/* Make one operation of the last node of each: x sigmoid(x), x HardSigmoid(x) and x Clip(x + 3, 0, 6) / 6 become
 * `x sigmoid(x)` and `HardSwish`, x (1 + Erf(x / sqrt 2)) / 2 becomes `Gelu`. The other nodes stay; most are then read
 * by nobody. Initializers and Constants of the model are known already.
 *
 *   producers  in  [names.count] see io/onnx/order.h */
void onnx_pattern_join(struct onnx_build *b, const size_t *producers);

#endif
