/* A model's file as a network: the weights of a VGG (io/weights), or a graph from ONNX (io/onnx). Rank 0 reads it. */
#ifndef NRMFLOW_PIPELINE_RUN_MODEL_FILE_H
#define NRMFLOW_PIPELINE_RUN_MODEL_FILE_H

#include "io/base/error.h"
#include "io/base/sha256.h"
#include "kernels/base/network.h"

#include <stdbool.h>
#include <stddef.h>

struct onnx_graph;
struct weights;

/* One of the two is open. */
struct model_file {
    struct weights *weights;
    struct onnx_graph *onnx;
};

/* What the file says. Without pointers, so that it can be sent as bytes. */
struct model_description {
    struct network net; /* offsets of weights and biases are those of model_file_load */
    size_t nfloats;
    bool keras; /* trained with Keras' preprocessing */
    char sha256[SHA256_HEX];
};

/* Open a file and describe its network.
 *
 *   side  height and width of the input, where an ONNX file leaves them open; 0: such a file is refused
 * Caller closes the file, also after a failure: of a graph that was read but cannot be used, file->onnx then is open.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT, FAIL_LIMIT, FAIL_UNSUPPORTED, also if the input is no image; the message names the
 * file. */
enum status model_file_open(struct model_file *file, struct model_description *description, const char *path,
                            size_t side, struct error *err);

/* Let BatchNorm be folded with this epsilon instead of the file's or the usual one. Returns false if the file has none
 * that is not folded already. */
bool model_file_set_epsilon(struct model_file *file, double epsilon);

/* Read all weights and biases.
 *
 *   memory  out  [description.nfloats]
 * Errors as model_file_open, FAIL_FORMAT also if a number is not finite. */
enum status model_file_load(float *memory, const struct model_file *file, const struct network *net, struct error *err);

/* All zero is fine. */
void model_file_close(struct model_file *file);

#endif
