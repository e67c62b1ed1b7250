/* Trained weights of a VGG network from a file: safetensors, Keras' HDF5, PyTorch's zip format and its old stream
 * format.
 *
 * The first bytes of a file determine its format, not its name. Nothing in a file is ever executed: our own unpickler
 * reads tensors and skips everything else; it refuses what starts programs. Every size stated in a file is checked
 * against the size of the file before memory is allocated. weights_load reads the numbers, a few megabytes at a time.
 *
 * A checkpoint may hold the network under any key and at any depth, as a dict of tensors or a pickled model.
 *
 * Known names: torchvision (`features.N`, `classifier.N`; BatchNorm at `features.N`), timm (`pre_logits.fc1`,
 * `pre_logits.fc2`, `head.fc`), Cadene's (`_features.N`, `linear0`, ...) and Caffe's (`conv1_1`, `fc6`), all of them
 * behind any prefix and with `module` or `_orig_mod` at any place. Keras' layers have any names; their order counts.
 *
 * A handle is used by one thread at a time.
 */
#ifndef NRMFLOW_IO_WEIGHTS_WEIGHTS_H
#define NRMFLOW_IO_WEIGHTS_WEIGHTS_H

#include "io/base/error.h"
#include "io/base/sha256.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    WEIGHTS_MAX_DIMS = 8,
    WEIGHTS_MAX_LAYERS = 64,
    WEIGHTS_ALIGN_FLOATS = 16 /* layers start at multiples of 64 bytes from the start of the array */
};

struct weights;

/* A tensor as it is in the file. */
struct weights_tensor {
    const char *name;  /* for Keras "group/dataset" */
    const char *dtype; /* "F32", "F16", "BF16", "F64", "I64", ... */
    size_t ndim;
    size_t dims[WEIGHTS_MAX_DIMS];
};

/* A weighted layer in the layout of weights_load. */
struct weights_layer {
    const char *name; /* of its weight tensor in the file */
    bool convolution;
    bool batchnorm;      /* a BatchNorm follows it in the file; weights_load folds that into the layer */
    double epsilon;      /* of the BatchNorm: from the file if it says so, else the library's own */
    size_t out, in;      /* channels of a convolution, neurons of a dense layer */
    size_t weight, bias; /* floats from the start of the loaded array: [out][in][3][3] or [out][in], and [out] */
};

/* Open a weights file and identify the layers of a VGG network in it.
 *
 *   out   out  the weights; NULL on failure
 *   path  in   a regular file
 *
 * Ownership: caller closes it with weights_close. Errors: FAIL_SYSTEM if it cannot be read, FAIL_FORMAT if it is
 * damaged or its tensors are not those of a VGG, FAIL_UNSUPPORTED, FAIL_LIMIT; the message names file, tensor and
 * reason. */
enum status weights_open(struct weights **out, const char *path, struct error *err);

/* The same in two steps, to list files of other networks: without weights_recognise there are no layers and no floats,
 * and weights_load must not be called. */
enum status weights_open_container(struct weights **out, const char *path, struct error *err);
enum status weights_recognise(struct weights *w, struct error *err);

/* Close the file; NULL is fine. Names and layers are invalid afterwards. */
void weights_close(struct weights *w);

/* "safetensors", "keras", "pytorch zip" or "pytorch stream". */
const char *weights_format_name(const struct weights *w);

/* Where in a checkpoint the tensors are, as Python writes it: ["ema"]["module"]; "" if they are all that the file
 * holds. */
const char *weights_place(const struct weights *w);

/* The file's tensors, in its own order. */
size_t weights_ntensors(const struct weights *w);
const struct weights_tensor *weights_tensor(const struct weights *w, size_t tensor);

/* The file's metadata of this key (`__metadata__` of safetensors), or NULL; may contain any character. */
const char *weights_metadata(const struct weights *w, const char *key);

/* The layers in the order of the network: [weights_nlayers] convolutions, then three dense layers. */
size_t weights_nlayers(const struct weights *w);
const struct weights_layer *weights_layers(const struct weights *w);

/* Length of the array that weights_load fills; at most 2^30. */
size_t weights_floats(const struct weights *w);

/* Whether the network was trained with Keras' `caffe` preprocessing: values 0 to 255 minus the mean (in the order R, G,
 * B: 123.68, 116.779, 103.939), not scaled. The loaded first convolution reads R, G, B whatever the order in the file.
 * */
bool weights_keras_preprocessing(const struct weights *w);

/* Whether any layer has a BatchNorm that is folded. */
bool weights_batchnorm(const struct weights *w);

/* The epsilon of the first BatchNorm; 0 without one. */
double weights_epsilon(const struct weights *w);

/* Set the epsilon of every BatchNorm, in place of the one that the file or the library has. Positive. */
void weights_set_epsilon(struct weights *w, double epsilon);

/* The checksum of the whole file, computed at every call; about a second for 550 MB. Errors: FAIL_SYSTEM. */
enum status weights_sha256(char hex[SHA256_HEX], const struct weights *w, struct error *err);

/* Read, convert and check all layers.
 *
 *   dest  out  [weights_floats] at the offsets of the layers; gaps between them are zero; undefined on failure
 *
 * Kernels become [out][in][3][3], dense matrices [out][in] with the inputs of the first in the order [C][H][W]. A
 * BatchNorm is folded in double: w' = w g / sqrt(v + e), b' = (b - m) g / sqrt(v + e) + beta, e its epsilon.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT; FAIL_FORMAT also if a number is not finite as float; the message names tensor and
 * element. */
enum status weights_load(float *dest, const struct weights *w, struct error *err);

#endif
