#include "pipeline/run/memory.h"

#include "kernels/base/number.h"
#include "pipeline/stats/finish.h"

/* Rows are kept until the end of an epoch, or until they take ROWS on one rank. LIBRARIES covers MPI, HDF5's buffers,
 * the program itself and the image being decoded: 25 to 45 MiB a rank were measured. */
enum { ROWS = 256 << 20, LIBRARIES = 64 << 20, NAME_OVERHEAD = 40 };

size_t memory_mebibytes(size_t nbytes)
{
    return nbytes / (1 << 20) + (nbytes % (1 << 20) != 0);
}

/* Rank 0 needs memory for the images' names and the numbers of one dataset. */
static size_t writing_bytes(const struct run *run)
{
    size_t name = dataset_listing_name(NULL, 0, run->context.listing, run->context.first) + NAME_OVERHEAD;

    return (run->context.end - run->context.first) * name + finish_bytes(&run->statistics);
}

static size_t shared_bytes(const struct run *run)
{
    return run->model.weights.nbytes + run->model.forms.nbytes + run->model.masks.nbytes + run->listing.nbytes +
           sums_bytes(&run->statistics.plan);
}

static size_t total(const struct memory_plan *plan, const struct run *run)
{
    size_t copies = run->model.weights.shared ? 1 : plan->ranks;

    return plan->ranks * (plan->work + plan->rows) + copies * plan->shared + plan->writing;
}

enum status memory_plan(struct memory_plan *out, const struct run *run, struct error *err)
{
    const struct config_size *limit = &run->config->run.memory;
    size_t least = run->layout.offset[run->layout.ncolumns]; /* rows of one block */

    *out = (struct memory_plan){.ranks = (size_t)run->node->nlocal,
                                .work = block_worker_bytes(&run->context) + LIBRARIES,
                                .rows = least,
                                .shared = shared_bytes(run),
                                .writing = writing_bytes(run)};
    out->node = total(out, run);
    if (limit->set && out->node > limit->value)
        return config_fail(run->config, err, "run.memory",
                           "a node of %zu ranks needs at least %zu MiB, but only %zu MiB are allowed; use fewer ranks, "
                           "a smaller store.top, fewer flows or fewer classes with sums of their own",
                           out->ranks, memory_mebibytes(out->node), limit->value >> 20);
    out->rows = larger(least, ROWS);
    if (limit->set && total(out, run) > limit->value)
        out->rows = least + (limit->value - out->node) / out->ranks;
    out->node = total(out, run);
    return OK;
}
