#include "pipeline/stats/sums_reduce.h"

#include "kernels/base/number.h"

#include <assert.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 24 };

static size_t element_bytes(MPI_Datatype type)
{
    int nbytes;

    MPI_Type_size(type, &nbytes);
    return (size_t)nbytes;
}

/* MPI gives buffers of any alignment; memcpy loads and stores what it finds there. */
static void add_exact(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const char *from = in;
    char *into = inout;

    (void)type;
    for (size_t at = 0; at < (size_t)*n * sizeof(exact_int); at += sizeof(exact_int)) {
        exact_int a, b;
        memcpy(&a, from + at, sizeof a);
        memcpy(&b, into + at, sizeof b);
        b += a;
        memcpy(into + at, &b, sizeof b);
    }
}

/* An element is a whole list. It is merged entry by entry, so that neither side has to be aligned. */
static void merge_top(void *in, void *inout, int *n, MPI_Datatype *type)
{
    size_t nbytes = element_bytes(*type), depth = nbytes / sizeof(struct toplist_entry);
    char *from = in, *into = inout;

    assert((size_t)into % _Alignof(struct toplist_entry) == 0 && (size_t)from % _Alignof(struct toplist_entry) == 0);
    for (size_t i = 0; i < (size_t)*n; i++)
        toplist_merge((struct toplist_entry *)(void *)(into + i * nbytes),
                      (const struct toplist_entry *)(const void *)(from + i * nbytes), depth);
}

/* Reduce n elements at `offset` of the blocks, a chunk at a time. */
static void reduce_range(struct sums *into, const struct sums *mine, size_t offset, size_t n, MPI_Datatype type,
                         MPI_Op op, MPI_Comm holders)
{
    size_t nbytes = element_bytes(type), step = CHUNK_BYTES / nbytes;
    int rank;

    MPI_Comm_rank(holders, &rank);
    step = larger(step, 1);
    for (size_t i = 0; i < n; i += step) {
        int part = (int)smaller(n - i, step);
        const unsigned char *send = mine->memory + offset + i * nbytes;
        if (rank != 0)
            MPI_Reduce(send, NULL, part, type, op, 0, holders);
        else
            MPI_Reduce(into->memory == mine->memory ? MPI_IN_PLACE : send, into->memory + offset + i * nbytes, part,
                       type, op, 0, holders);
    }
}

static void reduce_exact(struct sums *into, const struct sums *mine, MPI_Comm holders)
{
    const struct sums_plan *plan = mine->plan;
    size_t offset = plan->first[SUMS_EXACT], nbytes = plan->first[SUMS_EXACT + 1] - offset;
    MPI_Datatype type;
    MPI_Op op;

    MPI_Type_contiguous(sizeof(exact_int), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(add_exact, 1, &op);
    reduce_range(into, mine, offset, nbytes / sizeof(exact_int), type, op, holders);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

static void reduce_max(struct sums *into, const struct sums *mine, MPI_Comm holders)
{
    const struct sums_plan *plan = mine->plan;
    size_t offset = plan->first[SUMS_MAX], nbytes = plan->first[SUMS_MAX + 1] - offset;

    reduce_range(into, mine, offset, nbytes / sizeof(double), MPI_DOUBLE, MPI_MAX, holders);
}

static void reduce_top(struct sums *into, const struct sums *mine, MPI_Comm holders)
{
    MPI_Op op;

    MPI_Op_create(merge_top, 1, &op);
    for (size_t i = 0; i < mine->plan->nsections; i++) {
        const struct sums_section *s = &mine->plan->sections[i];
        MPI_Datatype type;
        if (s->kind != SUMS_TOP || s->depth == 0)
            continue;
        MPI_Type_contiguous((int)(s->depth * sizeof(struct toplist_entry)), MPI_BYTE, &type);
        MPI_Type_commit(&type);
        reduce_range(into, mine, s->offset, s->count, type, op, holders);
        MPI_Type_free(&type);
    }
    MPI_Op_free(&op);
}

void sums_reduce(struct sums *into, const struct sums *mine, MPI_Comm holders)
{
    if (holders == MPI_COMM_NULL)
        return;
    reduce_exact(into, mine, holders);
    reduce_max(into, mine, holders);
    reduce_top(into, mine, holders);
}
