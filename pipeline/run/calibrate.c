#include "pipeline/run/calibrate.h"

#include "pipeline/mpi/agree.h"

#include <string.h>

enum status calibrate_block(struct calibrate_times *out, struct run *run, size_t block, struct error *err)
{
    double before[BLOCK_STAGES];
    struct block_outcome outcome;
    enum status rc;

    memcpy(before, run->worker.seconds, sizeof before);
    MPI_Barrier(run->node->world);
    double start = log_seconds();
    rc = block_compute(&outcome, &run->worker, block, &run->rows, &run->sums, err);
    out->total = log_seconds() - start;
    out->images = outcome.images;
    for (size_t i = 0; i < BLOCK_STAGES; i++)
        out->stages[i] = run->worker.seconds[i] - before[i];
    return agree(run->node->world, rc, err);
}
