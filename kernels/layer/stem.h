/* direct.h's maps for windows of any height and stride, at most STEM_WIDTH wide, between a few planes, such as an
 * image's, and a variable in blocks of channels (direct.upper): as products whose depth is the lines that a row of
 * windows sees, STEM_WIDTH floats of each. Arguments, results and guarantees are those of direct.h. */
#ifndef NRMFLOW_KERNELS_LAYER_STEM_H
#define NRMFLOW_KERNELS_LAYER_STEM_H

#include "kernels/layer/direct.h"

enum { STEM_WIDTH = 8 };

size_t stem_weights_floats(const struct ops *ops, struct direct shape, bool adjoint);
void stem_pack(float *packed, const float *w, bool adjoint, const struct ops *ops, struct direct shape);
size_t stem_scratch_floats(struct direct shape);
void stem_forward(float *y, const float *x, const float *packed, const float *bias, const struct ops *ops,
                  struct direct shape, float *scratch);
void stem_forward_row(float *y, const float *x, size_t row, const float *packed, const float *bias,
                      const struct ops *ops, struct direct shape, float *scratch);
void stem_backward(float *out, const float *s, const float *factor, const float *packed, const struct ops *ops,
                   struct direct shape, float *scratch);
void stem_gradient(float *g, const float *s, const float *factor, const float *x, const struct ops *ops,
                   struct direct shape, float *scratch);

#endif
