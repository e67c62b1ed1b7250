#define _GNU_SOURCE
#include "pipeline/command/launch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MANY = 4 };

/* The first of the hardware threads that share a core with this one; the thread itself if that is not known. */
static int first_of_core(int thread)
{
    char path[128];
    int first = thread;

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return thread;
    if (fscanf(file, "%d", &first) != 1)
        first = thread;
    fclose(file);
    return first;
}

/* Cores that this process may use: as many ranks mpirun starts without asking. */
static size_t count_cores(void)
{
    cpu_set_t set;
    size_t n = 0;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &set) && first_of_core(i) == i)
            n++;
    return n > 0 ? n : 1;
}

struct launch launch_here(size_t ranks)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_NAMESPACE", "PMI_SIZE", "SLURM_STEP_ID"};
    struct launch launch = {.ranks = ranks, .cores = count_cores(), .root = geteuid() == 0};

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        launch.launched = launch.launched || getenv(marks[i]);
    return launch;
}

bool launch_advise(char *out, size_t n, const struct launch *launch, const char *config)
{
    if (launch->launched || launch->ranks > 1 || launch->cores < MANY)
        return false;
    snprintf(out, n, "computing on one of %zu cores; to use all, with the same result: mpirun %s-n %zu nrmflow run %s",
             launch->cores, launch->root ? "--allow-run-as-root " : "", launch->cores, config);
    return true;
}
