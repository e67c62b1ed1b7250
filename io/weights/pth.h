/* Common to both formats of torch.save: from the values of a pickle to tensors; private to pth*.c. */
#ifndef NRMFLOW_IO_WEIGHTS_PTH_H
#define NRMFLOW_IO_WEIGHTS_PTH_H

#include "io/weights/pickle.h"

/* Position of a storage: bytes from the start of the file, or of an entry of the zip archive. */
struct weights_pth_place {
    uint64_t offset, entry;
};

/* Add the tensors of the state dict, which is the pickle's value or its item `state_dict` or `model`.
 *
 *   w       out  its records
 *   p       in   the pickle
 *   places  in   [p->nstorages]
 *
 * Errors: FAIL_FORMAT if there are no tensors or one reaches beyond its storage. */
enum status weights_pth_add(struct weights *w, const struct weights_pickle *p, const struct weights_pth_place *places,
                            struct error *err);

#endif
