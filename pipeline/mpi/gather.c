#include "pipeline/mpi/gather.h"

#include "kernels/base/number.h"

void gather_parts(void *out, const void *own, size_t nbytes, const struct node *node)
{
    enum { CHUNK = 1 << 20 }; /* counts of MPI are ints */

    for (size_t done = 0; done < nbytes; done += CHUNK)
        MPI_Reduce((const unsigned char *)own + done, out ? (unsigned char *)out + done : NULL,
                   (int)smaller(nbytes - done, CHUNK), MPI_BYTE, MPI_BOR, 0, node->world);
}
