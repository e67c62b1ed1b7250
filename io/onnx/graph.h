/* A network from an ONNX file: a graph of layers and their weights.
 *
 * The file is read by a reader of its own: nothing in it is executed, no part of it recurses, and every size is checked
 * before it is used. Numbers stay in the file until onnx_graph_load reads them.
 *
 * Variable 0 is the input; layer k writes variable k + 1 from variables below it. Nodes of the file that only rename
 * (Identity, Dropout, Flatten, Reshape, Squeeze, ...) or compute shapes are no layers. Joined to the layer before them,
 * unless something else reads what it writes, are: BatchNormalization and Mul and Add by constants per channel (behind
 * convolutions and dense layers), activations, and MatMul's Add; a Pad is joined to the window after it. A Softmax at
 * the end is taken off.
 *
 *   convolution  z = W * a + b over windows, in groups of channels
 *   dense        z = W a + b; reads the variable below as [C][H][W]
 *   pool         maximum of a window; padding is absent
 *   average      mean of a window
 *   add          sum of its inputs
 *   channels     concatenation, slice, shuffle: every upper channel is a lower one
 *   gate         the first input times the gate, which is of the same size or has one position
 *   pass         z = w_c a + b_c per channel, or z = a
 *
 * A graph is used by one thread at a time.
 */
#ifndef NRMFLOW_IO_ONNX_GRAPH_H
#define NRMFLOW_IO_ONNX_GRAPH_H

#include "io/base/error.h"
#include "io/base/sha256.h"

#include <stdbool.h>
#include <stddef.h>

enum { ONNX_NAME = 64, ONNX_MAX_LAYERS = 4096 };

enum onnx_kind {
    ONNX_CONVOLUTION,
    ONNX_DENSE,
    ONNX_POOL,
    ONNX_AVERAGE,
    ONNX_ADD,
    ONNX_CHANNELS,
    ONNX_GATE,
    ONNX_PASS,
    ONNX_KINDS
};

enum onnx_activation_kind {
    ONNX_NONE,
    ONNX_RELU,
    ONNX_CLIP,  /* min(max(z, a), b) */
    ONNX_LEAKY, /* z > 0 ? z : a z */
    ONNX_SIGMOID,
    ONNX_HARD_SIGMOID, /* min(max(a z + b, 0), 1) */
    ONNX_SILU,         /* z sigmoid(z) */
    ONNX_HARD_SWISH,   /* z min(max(z + 3, 0), 6) / 6 */
    ONNX_GELU,         /* z (1 + erf(z / sqrt 2)) / 2 */
    ONNX_ELU,          /* z > 0 ? b z : a (exp(z) - 1) */
    ONNX_TANH,
    ONNX_SOFTPLUS, /* log(1 + exp(z)) */
    ONNX_MISH,     /* z tanh(log(1 + exp(z))) */
    ONNX_ACTIVATIONS
};

struct onnx_activation {
    enum onnx_activation_kind kind;
    float a, b;
};

struct onnx_shape {
    size_t channels, height, width;
};

/* The window of upper position (y, x) is the lower rows down y - top .. + height - 1 and columns across x - left ..
 * + width - 1. Positions outside of the lower map are padding. bottom and right are the padding that a mean may count;
 * the number of windows is in the layer's shape. */
struct onnx_window {
    size_t height, width, down, across, top, left, bottom, right;
};

/* A variable that a layer reads. Of ONNX_CHANNELS: its upper channels upper, upper + step, ... are the variable's
 * lower, lower + 1, ... */
struct onnx_input {
    size_t variable;
    size_t lower, upper, step, count;
};

struct onnx_tensor;

struct onnx_layer {
    enum onnx_kind kind;
    char name[ONNX_NAME]; /* of the variable that it writes: unique; letters, digits, `_` and `.` */
    const char *node;     /* the name in the file, where unprintable characters are `?` */
    struct onnx_shape upper;
    struct onnx_activation activation;
    struct onnx_window window; /* of convolutions, pools and averages */
    size_t groups;             /* of convolutions */
    size_t spread_down;        /* of convolutions: only every n-th row and column of the window has weights in the */
    size_t spread_across;      /* file, the others are zero; 1 for all */
    bool count_padding;        /* averages: divide by the window's positions within the map and its padding, else
                                  within the map */
    size_t gate;               /* of a gate: the variable that multiplies */
    size_t first_input, ninputs;
    bool weighted;                    /* convolutions and dense layers; a pass with weights */
    const struct onnx_tensor *weight; /* of convolutions and dense layers, in the file */
    bool transposed;                  /* a dense layer's weight is [N][K] in the file */
    double *scale, *shift; /* of weighted layers: [upper.channels], what is folded; z = scale (W a) + shift */
};

struct onnx_model;

struct onnx_graph {
    struct onnx_shape input;
    bool free_height, free_width; /* the file leaves the input's size open: it is the caller's */
    bool softmax;                 /* a Softmax at the end was taken off */
    size_t batch;                 /* images that the file was made for; 1 if that is left open */
    const char *producer;         /* "pytorch"; may be empty */
    unsigned long long opset;
    size_t nlayers, ninputs;
    struct onnx_layer *layers;
    struct onnx_input *inputs; /* of the layers, in their order */
    struct onnx_model *model;  /* private */
};

/* Whether the first bytes of a file look like ONNX; false if it cannot be read. */
bool onnx_graph_recognise(const char *path);

/* Read the graph of a file.
 *
 *   out            out  the graph; NULL on failure
 *   height, width  the input's size where the file leaves it open; 0 to refuse such a file
 *
 * Ownership: caller closes it with onnx_graph_close. Errors: FAIL_SYSTEM; FAIL_FORMAT if the file is damaged;
 * FAIL_LIMIT; FAIL_UNSUPPORTED with the nodes that cannot be used, each with the reason. */
enum status onnx_graph_open(struct onnx_graph **out, const char *path, size_t height, size_t width, struct error *err);

/* Close the file; NULL is fine. */
void onnx_graph_close(struct onnx_graph *graph);

/* "convolution", "relu", ... */
const char *onnx_graph_kind_name(enum onnx_kind kind);
const char *onnx_graph_activation_name(enum onnx_activation_kind kind);

/* Name and shape of a variable, 0 <= variable <= nlayers. */
const char *onnx_graph_variable(const struct onnx_graph *graph, size_t variable);
struct onnx_shape onnx_graph_shape(const struct onnx_graph *graph, size_t variable);

/* Length of a layer's weights: [K][C / groups][height][width], [K][N] or, of a pass, [K]; 0 without weights. Its bias
 * has [K]. */
size_t onnx_graph_weight_floats(const struct onnx_graph *graph, size_t layer);

/* Multiplications with weights, for one image. */
double onnx_graph_products(const struct onnx_graph *graph, size_t layer);

/* Read the weights of a weighted layer, and fold into them what follows it.
 *
 *   weight  out  [onnx_graph_weight_floats]
 *   bias    out  [upper.channels]
 *
 * Numbers may be float, half, bfloat16 or double; they are folded in double and then rounded.
 * Errors: FAIL_SYSTEM; FAIL_FORMAT if the file changed, or a number is not finite as float. */
enum status onnx_graph_load(float *weight, float *bias, const struct onnx_graph *graph, size_t layer,
                            struct error *err);

/* The checksum of the file and of the files beside it that hold its tensors. Errors: FAIL_SYSTEM, FAIL_FORMAT. */
enum status onnx_graph_sha256(char hex[SHA256_HEX], const struct onnx_graph *graph, struct error *err);

#endif
