/* Reading an HDF5 data set in the sandboxed process of hdf5.c; private to hdf5*.c. */
#ifndef NRMFLOW_IO_DATASET_HDF5_SANDBOXED_H
#define NRMFLOW_IO_DATASET_HDF5_SANDBOXED_H

#include "io/base/sandbox.h"
#include "io/dataset/dataset.h"
#include "io/dataset/h5array.h"

/* Operations, as [numbers] [texts] > [numbers of the reply] bytes of the reply. The first request is OPEN. */
enum dataset_hdf5_op {
    DATASET_HDF5_OPEN,   /* [] [path, name or ""] > [ndim, dims] the name that was found */
    DATASET_HDF5_LABELS, /* [] [path, name or ""] > [1 if there are any] a long long for each image */
    DATASET_HDF5_READ    /* [index] > [] pixels of an image */
};

struct dataset_hdf5_sandboxed {
    hid_t file;
    struct dataset_h5array pixels;
};

/* Answer a request; `state` is a struct dataset_hdf5_sandboxed, initially closed. */
sandbox_answer dataset_hdf5_sandboxed_answer;

#endif
