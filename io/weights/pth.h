/* Common to both formats of torch.save: from the values of a pickle to tensors; private to pth*.c. */
#ifndef NRMFLOW_IO_WEIGHTS_PTH_H
#define NRMFLOW_IO_WEIGHTS_PTH_H

#include "io/weights/pickle.h"

/* Position of a storage: bytes from the start of the file, or of an entry of the zip archive. */
struct weights_pth_place {
    uint64_t offset, entry;
};

/* A tensor with its name in the state dict. */
struct weights_pth_tensor {
    const char *name; /* borrowed, without a final zero */
    size_t nname;
    const struct weights_pickle_tensor *tensor;
    double epsilon; /* of the BatchNorm that it belongs to, if the pickle says so; else 0 */
};

typedef enum status weights_pth_visit(void *context, const struct weights_pth_tensor *t, struct error *err);

/* Whether a value is a pickled module, or one of TorchScript. */
bool weights_pth_is_module(const struct weights_pickle *p, const struct weights_pickle_value *v);

/* Call `visit` for every tensor of a dict of tensors, or of a pickled module with its submodules, named as in its
 * state dict; stops at the first failure. `path` is the file, for messages. */
enum status weights_pth_each(const struct weights_pickle *p, const struct weights_pickle_value *holder,
                             const char *path, weights_pth_visit *visit, void *context, struct error *err);

/* Find the one dict of tensors, or the one pickled module, that holds a network: at any depth and under any key. If
 * none has the names of a VGG, the one with the most tensors is found.
 *
 *   holder  out  a value of the pickle
 *   place   out  where it is, as weights_place says
 *   path    in   the file, for messages
 * Errors: FAIL_FORMAT if there are no tensors, FAIL_UNSUPPORTED if there are several networks or weights that are not
 * tensors, FAIL_LIMIT, FAIL_SYSTEM. */
enum status weights_pth_find(const struct weights_pickle_value **holder, char place[WEIGHTS_MAX_PLACE],
                             const struct weights_pickle *p, const char *path, struct error *err);

/* Add the tensors of the network that the pickle holds.
 *
 *   w       out  its records
 *   p       in   the pickle
 *   places  in   [p->nstorages]
 *
 * Errors: those of weights_pth_find, FAIL_FORMAT if a tensor reaches beyond its storage. */
enum status weights_pth_add(struct weights *w, const struct weights_pickle *p, const struct weights_pth_place *places,
                            struct error *err);

#endif
