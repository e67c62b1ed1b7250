#include "pipeline/mpi/agree.h"
#include "tests/mpi/check.h"

#include <string.h>

static int rank, nranks;

static void success_everywhere_is_success(void)
{
    struct error err = {0};

    assert_int_equal(agree(MPI_COMM_WORLD, OK, &err), OK);
    assert_true(err.status == OK && err.message[0] == '\0');
}

static void one_failure_is_told_to_all(void)
{
    struct error err = {0};
    enum status rc = OK;
    char expected[32];

    if (rank == nranks - 1)
        rc = error_set(&err, FAIL_FORMAT, "image 7 is damaged");
    assert_int_equal(agree(MPI_COMM_WORLD, rc, &err), FAIL_FORMAT);
    assert_int_equal(err.status, FAIL_FORMAT);
    assert_non_null(strstr(err.message, "image 7 is damaged"));
    snprintf(expected, sizeof expected, "rank %d on ", nranks - 1);
    assert_int_equal(nranks == 1, !strstr(err.message, expected));
}

static void the_lowest_failing_rank_speaks(void)
{
    struct error err = {0};
    enum status rc = OK;

    if (rank >= nranks / 2)
        rc = error_set(&err, rank == nranks / 2 ? FAIL_LIMIT : FAIL_SYSTEM, "rank number %d", rank);
    assert_int_equal(agree(MPI_COMM_WORLD, rc, &err), FAIL_LIMIT);
    char expected[32];
    snprintf(expected, sizeof expected, "rank number %d", nranks / 2);
    assert_non_null(strstr(err.message, expected));
    assert_int_equal(nranks - nranks / 2 > 1, !!strstr(err.message, "other rank"));
}

static void a_long_message_stays_terminated(void)
{
    struct error err = {0};
    char text[2 * sizeof err.message];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(agree(MPI_COMM_WORLD, error_set(&err, FAIL_SYSTEM, "%s", text), &err), FAIL_SYSTEM);
    assert_non_null(memchr(err.message, '\0', sizeof err.message));
    assert_non_null(strstr(err.message, "xxx"));
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    success_everywhere_is_success();
    one_failure_is_told_to_all();
    the_lowest_failing_rank_speaks();
    a_long_message_stays_terminated();
    MPI_Finalize();
    return 0;
}
