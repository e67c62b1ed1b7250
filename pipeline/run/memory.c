#include "pipeline/run/memory.h"

#include "kernels/base/number.h"
#include "pipeline/run/block.h"
#include "pipeline/stats/finish.h"

/* Rows are kept until the end of an epoch, or until they take ROWS on one rank. LIBRARIES covers MPI, HDF5's buffers
 * and the program itself: 25 to 45 MiB a rank were measured. */
enum { ROWS = 256 << 20, LIBRARIES = 64 << 20, NAME_OVERHEAD = 40 };

size_t memory_mebibytes(size_t nbytes)
{
    return nbytes / (1 << 20) + (nbytes % (1 << 20) != 0);
}

/* Rank 0 needs memory for the images' names and the numbers of one dataset. */
static size_t writing_bytes(const struct run_plan *plan)
{
    size_t name = dataset_listing_name(NULL, 0, plan->listing.memory, plan->images.first) + NAME_OVERHEAD;

    return (plan->images.end - plan->images.first) * name + finish_bytes(&plan->statistics);
}

static size_t shared_bytes(const struct run_plan *plan)
{
    return plan->model.weights.nbytes + plan->model.forms.nbytes + plan->model.masks.nbytes + plan->listing.nbytes +
           sums_bytes(&plan->statistics.plan);
}

static size_t total(const struct memory_plan *memory, const struct run_plan *plan)
{
    size_t copies = plan->model.weights.shared ? 1 : memory->ranks;

    return memory->ranks * (memory->work + memory->rows) + copies * memory->shared + memory->writing;
}

enum status memory_plan(struct memory_plan *out, const struct run_plan *plan, size_t ranks, struct error *err)
{
    const struct config_size *limit = &plan->config->run.memory;
    size_t least = plan->layout.offset[plan->layout.ncolumns]; /* rows of one block */

    *out = (struct memory_plan){.ranks = ranks,
                                .work = block_worker_bytes(plan) + LIBRARIES + plan->survey.image_bytes,
                                .rows = least,
                                .shared = shared_bytes(plan),
                                .writing = writing_bytes(plan)};
    out->node = total(out, plan);
    if (limit->set && out->node > limit->value)
        return config_fail(plan->config, err, "run.memory",
                           "a node of %zu ranks needs at least %zu MiB, but only %zu MiB are allowed; use fewer ranks, "
                           "a smaller store.top, fewer flows, fewer classes with sums of their own, or smaller images "
                           "(the largest takes %zu MiB of each rank)",
                           out->ranks, memory_mebibytes(out->node), limit->value >> 20,
                           memory_mebibytes(plan->survey.image_bytes));
    out->rows = larger(least, ROWS);
    if (limit->set && total(out, plan) > limit->value)
        out->rows = least + (limit->value - out->node) / out->ranks;
    out->node = total(out, plan);
    return OK;
}
