/* An ONNX file as lists of nodes, tensors, inputs and outputs; private to io/onnx/.
 *
 * Values, which nodes read and write, are numbers: their places in the list of names. Subgraphs are not read.
 */
#ifndef NRMFLOW_IO_ONNX_MODEL_H
#define NRMFLOW_IO_ONNX_MODEL_H

#include "io/onnx/names.h"
#include "io/onnx/tensor.h"

enum { ONNX_MAX_NODES = 1 << 16, ONNX_MAX_TENSORS = 1 << 16, ONNX_MAX_ITEMS = 1 << 20 };

/* The last value of each kind that the attribute has. */
struct onnx_attribute {
    const char *name, *text;
    bool has_integer, has_real, subgraph;
    int64_t integer;
    float real;
    int64_t *integers;
    float *reals;
    size_t nintegers, nreals, integers_capacity, reals_capacity;
    struct onnx_tensor *tensor;
};

struct onnx_node {
    const char *op, *domain, *name;
    size_t *inputs, *outputs; /* values; 0 for one that is left out */
    size_t ninputs, noutputs, inputs_capacity, outputs_capacity;
    struct onnx_attribute *attributes;
    size_t nattributes, attributes_capacity;
};

/* Dimensions whose size is not given are 0. */
struct onnx_value_info {
    size_t value;
    uint64_t type; /* TensorProto.DataType, or 0 if it is no tensor */
    bool has_shape;
    size_t ndim, dims[ONNX_MAX_DIMS];
};

struct onnx_constant {
    size_t value;
    struct onnx_tensor tensor;
};

struct onnx_model {
    struct onnx_file file;
    struct onnx_memory memory;
    struct onnx_names names;
    const char *producer, *graph_name;
    uint64_t opset;
    size_t nitems; /* inputs, outputs and attributes read so far */
    struct onnx_node *nodes;
    struct onnx_constant *constants; /* initializers */
    struct onnx_value_info *inputs, *outputs;
    size_t nnodes, nconstants, ninputs, noutputs;
    size_t nodes_capacity, constants_capacity, inputs_capacity, outputs_capacity;
};

/* Read a file. Ownership: caller releases the model with onnx_model_close, also after a failure. Errors: FAIL_SYSTEM,
 * FAIL_FORMAT if the file is damaged, FAIL_LIMIT if it has too many of something. */
enum status onnx_model_open(struct onnx_model *model, const char *path, struct error *err);
void onnx_model_close(struct onnx_model *model);

/* The attribute of this name, or NULL. */
const struct onnx_attribute *onnx_model_attribute(const struct onnx_node *node, const char *name);

/* Its number, or `otherwise` if the node does not have it. */
int64_t onnx_model_integer(const struct onnx_node *node, const char *name, int64_t otherwise);
double onnx_model_real(const struct onnx_node *node, const char *name, double otherwise);

/* Its text, or "". */
const char *onnx_model_text(const struct onnx_node *node, const char *name);

/* The input of this place, or 0 if it is left out. */
size_t onnx_model_input(const struct onnx_node *node, size_t place);

/* Whether the node's operation is one of ONNX's own. */
bool onnx_model_is_standard(const struct onnx_node *node);

/* What to call the node in messages: its name, or that of its first output. */
const char *onnx_model_called(const struct onnx_model *model, const struct onnx_node *node);

/* The checksum of the file and of the external files of its initializers, by name. Errors: those of reading. */
enum status onnx_model_sha256(char *hex, struct onnx_model *model, struct error *err);

#endif
