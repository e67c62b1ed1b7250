/* Names of layers from names of nodes; private to io/onnx/.
 *
 * `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`, the Add of that block `layer1.0.add`: the operation is left out
 * for layers with weights, and where the node is the only one of its module. Without modules, the operation and the
 * number remain: `conv_17`.
 */
#ifndef NRMFLOW_IO_ONNX_LABEL_H
#define NRMFLOW_IO_ONNX_LABEL_H

#include "io/onnx/graph.h"
#include "io/onnx/model.h"

/* Starts as zeros. */
struct onnx_labels {
    struct onnx_names modules, layers;
    size_t *counts; /* [modules.capacity] nodes in a module and below it */
    size_t counts_capacity;
};

/* Count a node that may become a layer. False without memory. */
bool onnx_label_count(struct onnx_labels *labels, struct onnx_memory *memory, const struct onnx_node *node);

/* A new name for a layer that node `number` of the file writes. False without memory. */
bool onnx_label_make(char out[ONNX_NAME], struct onnx_labels *labels, struct onnx_memory *memory,
                     const struct onnx_node *node, size_t number);

#endif
