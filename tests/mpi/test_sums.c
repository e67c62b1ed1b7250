/* Blocks added by all ranks of all nodes, in any order, give the bits that one rank gets alone. */
#include "pipeline/mpi/node.h"
#include "pipeline/mpi/schedule.h"
#include "pipeline/stats/sums_reduce.h"
#include "tests/mpi/check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* More than one 16 MB chunk of exact sums, and stripes that end inside a block's values. */
enum { WIDE = 1100007, CHANNELS = 101, DEPTH = 5, BLOCKS = 24 };

struct run {
    struct sums_plan plan;
    size_t wide, square, largest, top, count;
    double *values; /* [WIDE] of one block */
};

static void plan(struct run *run)
{
    struct error err = {0};

    sums_plan_init(&run->plan, BLOCKS);
    run->count = sums_plan_exact(&run->plan, "count", 1, EXACT_COUNT);
    run->top = sums_plan_top(&run->plan, "top", CHANNELS, DEPTH);
    run->wide = sums_plan_exact(&run->plan, "wide", WIDE, EXACT_VALUE);
    run->square = sums_plan_exact(&run->plan, "square", CHANNELS, EXACT_SQUARE);
    run->largest = sums_plan_max(&run->plan, "largest", CHANNELS);
    assert_int_equal(sums_plan_close(&run->plan, &err), OK);
    run->values = malloc(WIDE * sizeof *run->values);
    assert_non_null(run->values);
}

/* Values over many orders of magnitude, whose floating-point sum would depend on the order. */
static void make_values(double *values, size_t block)
{
    uint64_t x = 88172645463325252u + block * 7919;

    for (size_t i = 0; i < WIDE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        values[i] = ((double)(int64_t)x) * (i % 3 ? 0x1p-60 : 0x1p-90);
    }
}

static void add_block(const struct run *run, struct sums *sums, size_t block)
{
    struct toplist_entry entries[CHANNELS];
    double squares[CHANNELS];
    const double one = 1;
    struct error err = {0};

    make_values(run->values, block);
    for (size_t c = 0; c < CHANNELS; c++) {
        squares[c] = run->values[c] * run->values[c];
        entries[c] = (struct toplist_entry){floor(run->values[c]), (int64_t)block, (int64_t)c}; /* many ties */
    }
    assert_int_equal(sums_add(sums, run->count, 0, &one, 1, &err), OK);
    assert_int_equal(sums_add(sums, run->wide, 0, run->values, WIDE, &err), OK);
    assert_int_equal(sums_add(sums, run->square, 0, squares, CHANNELS, &err), OK);
    sums_max(sums, run->largest, 0, run->values, CHANNELS);
    sums_top(sums, run->top, 0, entries, NULL, CHANNELS);
}

/* One rank alone, in the given order. The caller frees the memory. */
static struct sums serial(const struct run *run)
{
    struct sums sums;

    sums_attach(&sums, &run->plan, aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&run->plan)));
    sums_reset(&sums);
    for (size_t block = 0; block < BLOCKS; block++)
        add_block(run, &sums, block);
    return sums;
}

static void add_all_blocks(const struct run *run, struct sums *sums)
{
    struct schedule schedule;
    struct error err = {0};
    size_t block;

    assert_int_equal(schedule_init(&schedule, NULL, BLOCKS, MPI_COMM_WORLD, &err), OK);
    while (schedule_next(&schedule, &block))
        add_block(run, sums, block);
    schedule_free(&schedule);
}

static void check_equal(const struct run *run, const struct sums *a, const struct sums *b)
{
    size_t first = run->plan.first[0];

    assert_int_equal(memcmp(a->memory + first, b->memory + first, sums_bytes(&run->plan) - first), 0);
}

static void parallel_equals_serial(const struct run *run, const struct sums *expected, bool in_place)
{
    struct node node;
    struct node_block block;
    struct error err = {0};
    struct sums mine, total;

    node_init(&node);
    assert_int_equal(node_shared_alloc(&node, &block, sums_bytes(&run->plan), &err), OK);
    sums_attach(&mine, &run->plan, block.memory);
    if (block.holder)
        sums_reset(&mine);
    node_barrier(&node);
    add_all_blocks(run, &mine);
    node_barrier(&node);
    if (in_place || node.rank != 0) {
        sums_reduce(node.rank == 0 ? &mine : NULL, &mine, block.holders);
        if (node.rank == 0)
            check_equal(run, &mine, expected);
    } else {
        sums_attach(&total, &run->plan, aligned_alloc(SUMS_ALIGNMENT, sums_bytes(&run->plan)));
        sums_reset(&total);
        sums_reduce(&total, &mine, block.holders);
        check_equal(run, &total, expected);
        free(total.memory);
    }
    node_barrier(&node);
    node_shared_free(&block);
    node_free(&node);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *size, *private, *order;
        bool in_place;
    } cases[] = {
        {"0", "0", "", true},  {"1", "0", "3", false}, {"2", "0", "reverse", true},
        {"3", "0", "5", true}, {"2", "1", "8", false},
    };
    struct run run;
    struct sums expected = {0};
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    plan(&run);
    if (rank == 0)
        expected = serial(&run);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("NRMFLOW_NODE_SIZE", cases[i].size, 1);
        setenv("NRMFLOW_NODE_PRIVATE", cases[i].private, 1);
        setenv("NRMFLOW_ORDER", cases[i].order, 1);
        parallel_equals_serial(&run, &expected, cases[i].in_place);
    }
    free(expected.memory);
    free(run.values);
    sums_plan_free(&run.plan);
    MPI_Finalize();
    return 0;
}
