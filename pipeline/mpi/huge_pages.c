#define _DEFAULT_SOURCE /* POSIX has no madvise */
#include "pipeline/mpi/huge_pages.h"

#include "kernels/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void huge_pages_prefer(void *memory, size_t nbytes)
{
#ifdef __linux__ /* not MADV_HUGEPAGE: a header that does not declare it must not compile to nothing unseen */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (page - (uintptr_t)memory % page) % page;

    if (nbytes > before)
        madvise((char *)memory + before, (nbytes - before) / page * page, MADV_HUGEPAGE);
#else
    (void)memory, (void)nbytes;
#endif
}

void *huge_pages_alloc(size_t nbytes)
{
    void *memory = aligned_alloc(ARENA_ALIGNMENT, nbytes);

    if (memory)
        huge_pages_prefer(memory, nbytes);
    return memory;
}
