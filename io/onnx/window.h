/* Windows of convolutions and pools from attributes; private to io/onnx/. */
#ifndef NRMFLOW_IO_ONNX_WINDOW_H
#define NRMFLOW_IO_ONNX_WINDOW_H

#include "io/onnx/build.h"

struct onnx_windows {
    struct onnx_window window;
    struct onnx_shape upper; /* height and width: the number of windows; channels as below */
    struct onnx_dims dims;   /* of what the node writes, with the channels of what it reads */
    bool padded_by_node;     /* the node has padding of its own */
    size_t spread[2];        /* dilations down and across: the window includes what is left out between */
};

/* Read a node's window over a map of one or two dimensions, which may be padded.
 *
 *   kernel  the window's size, [2], where it does not come from the attribute kernel_shape, before dilation; NULL for
 *           that attribute's, which must not be dilated
 *   reason  out  why it cannot be used, or NULL
 * Errors: those of reading. */
enum status onnx_window_read(struct onnx_windows *out, const char **reason, struct onnx_build *b,
                             const struct onnx_node *node, const struct onnx_view *view, const size_t *kernel);

/* One window over the whole map; what the node writes keeps its dimensions, each of one. */
void onnx_window_whole(struct onnx_windows *out, const struct onnx_build *b, const struct onnx_view *view);

/* Whether the windows are single positions, each of the map once. */
bool onnx_window_is_identity(const struct onnx_windows *w);

/* Whether each window begins in the map and ends in it, so that none has only padding. */
bool onnx_window_all_meet(const struct onnx_windows *w, const struct onnx_build *b, const struct onnx_view *view);

#endif
