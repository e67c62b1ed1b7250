/* The graph under construction, and what the readers of operations do with it; private to io/onnx/.
 *
 * Nodes are visited in topological order. Every value is a constant, or a variable of the graph as seen through
 * dimensions: [N][C][H][W], or what Flatten, Reshape and their like made of them. N is the batch.
 */
#ifndef NRMFLOW_IO_ONNX_BUILD_H
#define NRMFLOW_IO_ONNX_BUILD_H

#include "io/onnx/dims.h"
#include "io/onnx/graph.h"
#include "io/onnx/label.h"
#include "io/onnx/model.h"

enum { ONNX_TOP, ONNX_LEFT, ONNX_BOTTOM, ONNX_RIGHT, ONNX_SIDES };

/* A variable with the dimensions by which nodes see it. */
struct onnx_view {
    size_t variable;
    struct onnx_dims dims;
    bool shared;             /* something reads the variable past this value */
    bool padded, pad_lowest; /* a Pad waits for a window; its value is the lowest number, not 0 */
    size_t pad[ONNX_SIDES];  /* dims include it */
    size_t shuffled;         /* the groups of a channel shuffle that waits for its second Reshape; else 0 */
};

enum onnx_state { ONNX_UNKNOWN, ONNX_CONSTANT, ONNX_VARIABLE, ONNX_BROKEN };

struct onnx_value {
    enum onnx_state state; /* ONNX_BROKEN: its node is refused, or depends on one that is */
    const struct onnx_tensor *tensor;
    struct onnx_view view;
    size_t readers; /* places where numbers of it are read; the graph's output is one */
};

/* Nodes of one operation that are refused for one reason. */
struct onnx_refusal {
    const char *called, *op, *reason;
    size_t count;
};

struct onnx_build {
    struct onnx_model *model;
    struct onnx_graph *graph;
    struct onnx_value *values; /* by number of the name */
    struct onnx_labels labels;
    bool *nonnegative; /* [ONNX_MAX_LAYERS + 1] by variable; what onnx_build_is_nonnegative found */
    size_t nchannels;  /* of weighted layers */
    size_t nfolded;    /* numbers computed from constants */
    size_t inputs_capacity, layers_capacity;
    struct onnx_refusal *refusals;
    size_t nrefusals, nrefused, refusals_capacity;
    struct error *err;
};

/* Refuse a node: note the reason, and mark what it writes as broken. Returns OK, so that all such nodes are found. */
enum status onnx_build_refuse(struct onnx_build *b, const struct onnx_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Mark what a node writes as broken, because of what it reads. */
void onnx_build_break(struct onnx_build *b, const struct onnx_node *node);

/* Record that there is no memory; returns the status. */
enum status onnx_build_memory(struct onnx_build *b);

/* ---- what a node reads ----------------------------------------------------------------------------------------- */

/* The value at a place: NULL if that is left out. */
const struct onnx_value *onnx_build_value(const struct onnx_build *b, const struct onnx_node *node, size_t place);

/* The constant at a place, or NULL. */
const struct onnx_tensor *onnx_build_constant(const struct onnx_build *b, const struct onnx_node *node, size_t place);

/* The integers that a node has as an attribute or, in later versions, as an input. *given tells whether it has them.
 * Errors: those of reading; FAIL_UNSUPPORTED, without a message, if they are no constant or too many. */
enum status onnx_build_integers(struct onnx_integers *out, bool *given, struct onnx_build *b,
                                const struct onnx_node *node, const char *attribute, size_t place);

/* All elements of a real constant. Ownership: caller frees *out, NULL on failure. Errors: those of reading. */
enum status onnx_build_reals(double **out, struct onnx_build *b, const struct onnx_tensor *t);

/* The only element of a real or integer constant; false if it is none. */
bool onnx_build_scalar(double *out, struct onnx_build *b, const struct onnx_tensor *t);

/* The dimensions of a tensor. */
struct onnx_dims onnx_build_dims(const struct onnx_tensor *t);

/* ---- what a node writes ---------------------------------------------------------------------------------------- */

/* The output at a place is a constant; NULL: there was no memory for it. */
enum status onnx_build_set_constant(struct onnx_build *b, const struct onnx_node *node, size_t place,
                                    const struct onnx_tensor *t);

/* The first output is a view of the variable that `from` is one of, with other dimensions. */
enum status onnx_build_set_view(struct onnx_build *b, const struct onnx_node *node, const struct onnx_value *from,
                                struct onnx_view view);

/* Append a layer whose upper shape is set, and say that the node writes it at a place, seen as dims. Weighted layers
 * get scale 1 and shift 0. *out is valid until the next one is appended. Errors: FAIL_LIMIT, FAIL_SYSTEM. */
enum status onnx_build_layer(struct onnx_layer **out, struct onnx_build *b, const struct onnx_node *node,
                             const struct onnx_layer *layer, const struct onnx_dims *dims, size_t place);

/* Append what the newest layer reads. Errors: FAIL_LIMIT, FAIL_SYSTEM. */
enum status onnx_build_input(struct onnx_build *b, struct onnx_input input);

/* A pass that reads a value, and is seen as that is. */
enum status onnx_build_pass(struct onnx_layer **out, struct onnx_build *b, const struct onnx_node *node,
                            const struct onnx_value *from, bool weighted);

/* ---- variables ------------------------------------------------------------------------------------------------- */

/* The layer that writes a value, if something may be joined to it: nothing else reads it, and it has no activation.
 * Else NULL. */
struct onnx_layer *onnx_build_open_layer(const struct onnx_build *b, const struct onnx_value *value);

/* The shape of a view's variable. */
struct onnx_shape onnx_build_shape(const struct onnx_build *b, const struct onnx_view *view);

/* Whether a view is the variable's map: [N][C][H][W], or without trailing dimensions of one. Padding is allowed. */
bool onnx_build_is_map(const struct onnx_build *b, const struct onnx_view *view);

/* Whether dimension 1 of the view counts the variable's channels, and all others its positions. */
bool onnx_build_has_channels(const struct onnx_build *b, const struct onnx_view *view);

/* Whether a variable is never negative, whatever the image. */
bool onnx_build_is_nonnegative(struct onnx_build *b, size_t variable);

#endif
