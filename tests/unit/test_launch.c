/* What a run without mpirun says about the machine's other cores. */
#include "pipeline/command/launch.h"
#include "tests/support/assert.h"

#include <stdlib.h>

static void one_rank_on_many_cores_is_told_how_to_use_them(void **state)
{
    const struct launch user = {.ranks = 1, .cores = 64}, root = {.ranks = 1, .cores = 8, .root = true};
    char text[256];

    (void)state;
    assert_true(launch_advise(text, sizeof text, &user, "runs/a.ini"));
    assert_string_equal(text, "computing on one of 64 cores; to use all, with the same result: "
                              "mpirun -n 64 nrmflow run runs/a.ini");
    assert_true(launch_advise(text, sizeof text, &root, "a.ini"));
    assert_string_equal(text, "computing on one of 8 cores; to use all, with the same result: "
                              "mpirun --allow-run-as-root -n 8 nrmflow run a.ini");
}

static void a_run_that_chose_its_ranks_is_told_nothing(void **state)
{
    static const struct launch chosen[] = {{.ranks = 1, .cores = 64, .launched = true},
                                           {.ranks = 8, .cores = 64, .launched = true},
                                           {.ranks = 2, .cores = 64},
                                           {.ranks = 1, .cores = 2}};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++)
        assert_false(launch_advise(text, sizeof text, &chosen[i], "a.ini"));
}

static void mpirun_is_seen_in_the_environment(void **state)
{
    (void)state;
    unsetenv("OMPI_COMM_WORLD_SIZE");
    unsetenv("PMIX_NAMESPACE");
    unsetenv("PMI_SIZE");
    unsetenv("SLURM_STEP_ID");
    assert_false(launch_here(1).launched);
    assert_at_least(launch_here(1).cores, 1);
    setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
    assert_true(launch_here(1).launched);
    assert_int_equal(launch_here(3).ranks, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_on_many_cores_is_told_how_to_use_them),
        cmocka_unit_test(a_run_that_chose_its_ranks_is_told_nothing),
        cmocka_unit_test(mpirun_is_seen_in_the_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
