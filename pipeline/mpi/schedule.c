#include "pipeline/mpi/schedule.h"

#include "pipeline/mpi/agree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum order_kind { ORDER_GIVEN, ORDER_REVERSE, ORDER_SHUFFLE, ORDER_UNKNOWN };

struct order {
    enum order_kind kind;
    uint64_t seed;
};

static struct order read_order(const char *text)
{
    char *end;

    if (!text || !*text)
        return (struct order){ORDER_GIVEN, 0};
    if (strcmp(text, "reverse") == 0)
        return (struct order){ORDER_REVERSE, 0};
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    return (struct order){*end || errno || *text == '-' ? ORDER_UNKNOWN : ORDER_SHUFFLE, seed};
}

/* SplitMix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void swap(size_t *a, size_t *b)
{
    size_t c = *a;

    *a = *b;
    *b = c;
}

static void rearrange(size_t *blocks, size_t n, struct order order)
{
    for (size_t i = 0; order.kind == ORDER_REVERSE && i < n / 2; i++)
        swap(&blocks[i], &blocks[n - 1 - i]);
    for (size_t i = n; order.kind == ORDER_SHUFFLE && i > 1; i--)
        swap(&blocks[i - 1], &blocks[random_next(&order.seed) % i]);
}

static enum status fill(struct schedule *s, const size_t *blocks, size_t nblocks, struct order order, struct error *err)
{
    if (order.kind == ORDER_UNKNOWN)
        return error_set(err, FAIL_CONFIG, "NRMFLOW_ORDER is neither \"reverse\" nor a number");
    s->order = calloc(nblocks ? nblocks : 1, sizeof *s->order);
    if (!s->order)
        return error_set(err, FAIL_SYSTEM, "no memory for a list of %zu blocks", nblocks);
    for (size_t i = 0; i < nblocks; i++)
        s->order[i] = blocks ? blocks[i] : i;
    s->nblocks = nblocks;
    rearrange(s->order, nblocks, order);
    return OK;
}

enum status schedule_init(struct schedule *s, const size_t *blocks, size_t nblocks, MPI_Comm comm, struct error *err)
{
    int rank;
    struct order order = {0};
    enum status rc;

    *s = (struct schedule){.window = MPI_WIN_NULL};
    MPI_Comm_size(comm, &s->nranks);
    MPI_Comm_rank(comm, &rank);
    if (rank == 0)
        order = read_order(getenv("NRMFLOW_ORDER"));
    MPI_Bcast(&order, sizeof order, MPI_BYTE, 0, comm);
    rc = agree(comm, fill(s, blocks, nblocks, order, err), err);
    if (rc != OK)
        return rc;
    MPI_Win_allocate(rank == 0 ? sizeof *s->counter : 0, sizeof *s->counter, MPI_INFO_NULL, comm, &s->counter,
                     &s->window);
    MPI_Win_lock_all(0, s->window);
    if (rank == 0) {
        int64_t zero = 0;
        MPI_Accumulate(&zero, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_REPLACE, s->window);
        MPI_Win_flush(0, s->window);
    }
    MPI_Barrier(comm);
    return OK;
}

/* Add to the counter; returns what it was. */
static int64_t advance(struct schedule *s, int64_t by)
{
    int64_t before;

    MPI_Fetch_and_op(&by, &before, MPI_INT64_T, 0, 0, MPI_SUM, s->window);
    MPI_Win_flush(0, s->window);
    return before;
}

bool schedule_next(struct schedule *s, size_t *block)
{
    if (!s->has_ahead) {
        int64_t taken = advance(s, 1);
        if (taken >= (int64_t)s->nblocks)
            return false;
        s->ahead = (size_t)taken;
    }
    s->has_ahead = false;
    *block = s->order[s->ahead];
    return true;
}

bool schedule_ahead(struct schedule *s, size_t *block)
{
    /* s->ahead is the last block that this rank took; every rank may be about to take one, and one in advance */
    if (s->has_ahead || s->ahead + 3 * (size_t)s->nranks >= s->nblocks)
        return false;
    int64_t taken = advance(s, 1);
    if (taken >= (int64_t)s->nblocks)
        return false;
    s->ahead = (size_t)taken;
    s->has_ahead = true;
    *block = s->order[s->ahead];
    return true;
}

void schedule_close(struct schedule *s)
{
    const int64_t beyond = (int64_t)s->nblocks;

    /* the same operation as in schedule_next: MPI does not guarantee atomicity between different ones */
    MPI_Accumulate(&beyond, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_SUM, s->window);
    MPI_Win_flush(0, s->window);
}

void schedule_free(struct schedule *s)
{
    if (!s->order)
        return;
    if (s->window != MPI_WIN_NULL) {
        MPI_Win_unlock_all(s->window);
        MPI_Win_free(&s->window);
    }
    free(s->order);
    *s = (struct schedule){.window = MPI_WIN_NULL};
}
