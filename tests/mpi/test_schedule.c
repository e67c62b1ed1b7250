#include "pipeline/mpi/schedule.h"
#include "tests/mpi/check.h"

#include <stdbool.h>

enum { NBLOCKS = 500 };

static int rank;

static void each_block_goes_to_exactly_one_rank(const char *order, const size_t *blocks, size_t nblocks)
{
    static int mine[10 * NBLOCKS], all[10 * NBLOCKS];
    struct schedule schedule;
    struct error err = {0};
    size_t block;

    setenv("NRMFLOW_ORDER", order, 1);
    for (size_t i = 0; i < 10 * NBLOCKS; i++)
        mine[i] = 0;
    assert_int_equal(schedule_init(&schedule, blocks, nblocks, MPI_COMM_WORLD, &err), OK);
    while (schedule_next(&schedule, &block)) {
        size_t ahead;
        mine[block]++;
        if (schedule_ahead(&schedule, &ahead)) {
            assert_true(!schedule_ahead(&schedule, &block) && schedule_next(&schedule, &block) && block == ahead);
            mine[block]++;
        }
    }
    assert_false(schedule_next(&schedule, &block));
    schedule_free(&schedule);
    MPI_Allreduce(mine, all, 10 * NBLOCKS, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    for (size_t i = 0; i < nblocks; i++) {
        size_t b = blocks ? blocks[i] : i;
        assert_int_equal(all[b], 1);
        all[b] = 0;
    }
    for (size_t i = 0; i < 10 * NBLOCKS; i++)
        assert_int_equal(all[i], 0);
}

/* Take all blocks alone, in the order in which they are handed out. */
static void take_alone(size_t *taken, const char *order)
{
    struct schedule schedule;
    struct error err = {0};
    size_t n = 0;

    setenv("NRMFLOW_ORDER", order, 1);
    assert_int_equal(schedule_init(&schedule, NULL, NBLOCKS, MPI_COMM_WORLD, &err), OK);
    while (rank == 0 && schedule_next(&schedule, &taken[n]))
        n++;
    assert_true(rank != 0 || n == NBLOCKS);
    schedule_free(&schedule);
}

static void the_order_can_be_forced(void)
{
    static size_t given[NBLOCKS], reverse[NBLOCKS], shuffled[NBLOCKS], again[NBLOCKS];
    size_t moved = 0;

    take_alone(given, "");
    take_alone(reverse, "reverse");
    take_alone(shuffled, "17");
    take_alone(again, "17");
    for (size_t i = 0; rank == 0 && i < NBLOCKS; i++) {
        assert_true(given[i] == i && reverse[i] == NBLOCKS - 1 - i && shuffled[i] == again[i]);
        moved += shuffled[i] != i;
    }
    assert_true(rank != 0 || moved > NBLOCKS / 2);
}

static void an_unknown_order_is_an_error_everywhere(void)
{
    struct schedule schedule;
    struct error err = {0};

    setenv("NRMFLOW_ORDER", "sideways", 1);
    assert_int_equal(schedule_init(&schedule, NULL, 3, MPI_COMM_WORLD, &err), FAIL_CONFIG);
    schedule_free(&schedule);
}

static void a_closed_schedule_is_exhausted_for_all(void)
{
    struct schedule schedule;
    struct error err = {0};
    size_t block;
    int nranks;

    unsetenv("NRMFLOW_ORDER");
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    assert_int_equal(schedule_init(&schedule, NULL, NBLOCKS, MPI_COMM_WORLD, &err), OK);
    assert_true(schedule_next(&schedule, &block));
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == nranks - 1)
        schedule_close(&schedule);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_false(schedule_next(&schedule, &block));
    schedule_free(&schedule);
}

int main(int argc, char **argv)
{
    static size_t blocks[NBLOCKS];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (size_t i = 0; i < NBLOCKS; i++)
        blocks[i] = 10 * i + i % 7;
    each_block_goes_to_exactly_one_rank("", NULL, NBLOCKS);
    each_block_goes_to_exactly_one_rank("", blocks, NBLOCKS);
    each_block_goes_to_exactly_one_rank("", NULL, 0);
    each_block_goes_to_exactly_one_rank("", NULL, 1);
    each_block_goes_to_exactly_one_rank("reverse", NULL, NBLOCKS);
    each_block_goes_to_exactly_one_rank("42", blocks, NBLOCKS - 1);
    the_order_can_be_forced();
    an_unknown_order_is_an_error_everywhere();
    a_closed_schedule_is_exhausted_for_all();
    MPI_Finalize();
    return 0;
}
