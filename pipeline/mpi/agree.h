/* Agreement on failures: if one rank has failed, all ranks return together. */
#ifndef NRMFLOW_PIPELINE_MPI_AGREE_H
#define NRMFLOW_PIPELINE_MPI_AGREE_H

#include "io/base/error.h"

#include <mpi.h>

/* Tell every rank whether any has failed, and why.
 *
 * Returns OK if `mine` is OK on all ranks. Otherwise all ranks return the status of the lowest failing rank, and `err`
 * becomes its message, which with several ranks begins with "rank R on HOST: " and ends with how many others failed
 * too.
 *
 *   mine   in      what happened on this rank
 *   err    in/out  why, if `mine` is a failure; overwritten by the agreed failure; not NULL
 *
 * Collective over `comm`. */
enum status agree(MPI_Comm comm, enum status mine, struct error *err);

/* For clang-tidy, as in error.h: a failure of this rank stays one. */
#ifdef __clang_analyzer__
static inline enum status agree_on(MPI_Comm comm, enum status mine, struct error *err)
{
    enum status all = agree(comm, mine, err);

    return mine != OK ? mine : all;
}

#define agree agree_on
#endif

#endif
