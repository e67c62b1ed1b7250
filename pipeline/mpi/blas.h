/* OpenBLAS, set up for reproducible results. */
#ifndef NRMFLOW_PIPELINE_MPI_BLAS_H
#define NRMFLOW_PIPELINE_MPI_BLAS_H

#include "io/base/error.h"

#include <mpi.h>

/* Limit OpenBLAS to one thread, and check that a small product is right (some releases compute wrong results on newer
 * processors) and that all ranks use the same kernels, since the last bits differ between kernels. Collective.
 * Errors, the same on all ranks: FAIL_UNSUPPORTED, FAIL_MISMATCH. */
enum status blas_init(MPI_Comm comm, struct error *err);

/* Name of the kernels in use, "SkylakeX". */
const char *blas_core(void);

#endif
