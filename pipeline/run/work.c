#include "pipeline/run/work.h"

#include "pipeline/mpi/agree.h"
#include "pipeline/run/memory.h"

/* Plan the memory, and log it. A plan beyond run.memory is refused. */
static enum status plan_memory(struct run_work *work, struct error *err)
{
    struct memory_plan memory;
    enum status rc = memory_plan(&memory, work->plan, (size_t)work->node->nlocal, err);

    if (rc != OK)
        return rc;
    work->rows_most = memory.rows;
    log_info(work->log, "memory planned rank_MiB=%zu shared_MiB=%zu ranks_per_node=%zu node_MiB=%zu",
             (memory.work + memory.rows) >> 20, memory.shared >> 20, memory.ranks, memory_mebibytes(memory.node));
    return OK;
}

/* Warn of memory that could not be shared, with the reason. */
static void warn_of_copies(const struct run_work *work)
{
    const struct {
        const char *what;
        const struct node_block *block;
    } blocks[] = {{"weights", &work->plan->model.weights},
                  {"transformed weights", &work->plan->model.forms},
                  {"listing", &work->plan->listing},
                  {"sums", &work->sums_memory}};

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (!blocks[i].block->shared)
            log_warn(work->log, "shared memory not available, every rank keeps a copy of the %s reason=\"%s\"",
                     blocks[i].what, blocks[i].block->why);
}

static void log_flows(const struct run_work *work)
{
    const struct flows *flows = &work->plan->model.flows;
    struct flows_cost cost = flows_cost(flows, &work->plan->model.plan);

    if (flows->between_cuts)
        log_info(work->log,
                 "flows between cuts only pairs=%zu: those of all neighbouring layers have numbers=%zu; "
                 "measure.flows = adjacent keeps them",
                 flows->nadjacent, flows->entries);
    if (flows->count)
        log_info(work->log, "far flows planned exact=%zu sampled=%zu sweeps_per_image=%.4g GFLOP_per_image=%.4g",
                 cost.exact, cost.sampled, cost.sweeps, cost.flops * 1e-9);
}

enum status run_work_init(struct run_work *work, const struct run_plan *plan, const struct node *node, struct log *log,
                          struct error *err)
{
    enum status rc = OK;

    *work = (struct run_work){.plan = plan, .node = node, .log = log};
    rows_init(&work->rows, &plan->layout);
    TRY(agree(node->world, plan_memory(work, err), err));
    log_flows(work);
    TRY(node_shared_alloc(node, &work->sums_memory, sums_bytes(&plan->statistics.plan), err));
    sums_attach(&work->sums, &plan->statistics.plan, work->sums_memory.memory);
    if (work->sums_memory.holder)
        sums_start(&work->sums);
    node_barrier(node);
    warn_of_copies(work);
    TRY(agree(node->world, block_worker_init(&work->worker, plan, log, err), err));
done:
    return rc;
}

void run_work_free(struct run_work *work)
{
    block_worker_free(&work->worker);
    rows_free(&work->rows);
    node_shared_free(&work->sums_memory);
}

enum status run_work_compute(struct block_outcome *outcome, struct run_work *work, size_t block, struct error *err)
{
    return block_compute(outcome, &work->worker, block, &work->rows, &work->sums, err);
}
