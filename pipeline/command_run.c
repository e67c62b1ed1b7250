#include "command_run.h"

#include "command.h"
#include "config.h"
#include "dry.h"
#include "log.h"
#include "node.h"
#include "option.h"
#include "run.h"
#include "settings.h"
#include "stop.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The command line. */
struct arguments {
    const char *config, *output;
    struct option_list sets;
    bool restart, mixed, verbose, dry, json;
};

static bool parse(struct arguments *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"output", 'o', OPTION_TEXT, &out->output, "STORE",
         "the store to write; by default CONFIG's name with .h5, here"},
        {"set", 0, OPTION_LIST, &out->sets, "KEY=VALUE", "change a key of the configuration, as measure.given=none"},
        {"restart", 0, OPTION_FLAG, &out->restart, NULL, "delete a store that is there, whatever run it is of"},
        {"allow-mixed", 0, OPTION_FLAG, &out->mixed, NULL,
         "continue a store that another instruction set, OpenBLAS core or version of nrmflow began; it will say so"},
        {"dry-run", 0, OPTION_FLAG, &out->dry, NULL,
         "compute one block on every rank, and say what the run would take; nothing is written"},
        {"json", 0, OPTION_FLAG, &out->json, NULL, "with --dry-run: print one JSON object"},
        {"verbose", 0, OPTION_FLAG, &out->verbose, NULL, "write messages for developers, from all ranks"},
    };
    const struct option_table table = {
        "nrmflow run",
        "CONFIG",
        1,
        1,
        "Computes the relevance of a dataset's images and writes one HDF5 store. Start it with mpirun or\n"
        "`srun --mpi=pmix` to share the work between ranks: mpirun -n 8 nrmflow run imagenet.ini",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list files;
    struct error err = {0};

    if (!command_start_with_keys(status, &files, &table, argc, argv))
        return false;
    if (out->json && !out->dry) {
        error_set(&err, FAIL_CONFIG,
                  "--json goes with --dry-run; a run writes a store, which `nrmflow info --json` shows");
        *status = command_usage(&err, table.command);
        return false;
    }
    out->config = files.items[0];
    return true;
}

/* "runs/demo.ini" gives "demo.h5". */
static void default_output(char *out, size_t n, const char *config)
{
    const char *slash = strrchr(config, '/'), *name = slash ? slash + 1 : config, *dot = strrchr(name, '.');
    size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);

    snprintf(out, n, "%.*s.h5", (int)length, name);
}

/* srun without an MPI plug-in starts every task as a world of its own, and all would write the same store. */
static enum status check_launch(const struct node *node, struct error *err)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");

    if (node->nranks == 1 && tasks && strtol(tasks, NULL, 10) > 1)
        return error_set(err, FAIL_CONFIG,
                         "this Slurm step has %s tasks, but MPI sees only one rank: start with `srun --mpi=pmix`",
                         tasks);
    return OK;
}

static enum status run_dry(const struct config *config, const char *output, bool json, const struct node *node,
                           struct log *log, struct error *err)
{
    struct dry_plan plan;
    enum status rc = OK;

    TRY(dry_run(&plan, config, output, node, log, err));
    if (node->rank == 0 && !json)
        dry_print(&plan);
    if (node->rank == 0 && json && !dry_print_json(&plan))
        rc = error_set(err, FAIL_SYSTEM, "cannot print JSON");
done:
    return rc;
}

static enum status run(bool *stopped, const struct arguments *arguments, const struct node *node, struct error *err)
{
    struct config config = {0};
    struct log log;
    char output[PATH_MAX];
    struct run_options options = {arguments->output ? arguments->output : output, arguments->restart, arguments->mixed};
    enum status rc = OK;

    log_init(&log, stderr, arguments->verbose ? LOG_DEBUG : LOG_INFO, node->rank, node->host);
    default_output(output, sizeof output, arguments->config);
    TRY(check_launch(node, err));
    TRY(settings_load(&config, arguments->config, arguments->sets.items, arguments->sets.count, node, err));
    if (arguments->dry)
        TRY(run_dry(&config, options.output, arguments->json, node, &log, err));
    else
        TRY(run_store(&config, &options, stopped, node, &log, err));
done:
    config_free(&config);
    return rc;
}

int command_run(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct node node;
    struct error err = {0};
    int status = COMMAND_OK;
    bool stopped = false;

    if (!parse(&arguments, argc, argv, &status))
        return status;
    stop_install();
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &(int){0});
    node_init(&node);
    if (run(&stopped, &arguments, &node, &err) != OK)
        status = node.rank == 0 ? command_fail(&err) : COMMAND_FAILED;
    else if (stopped)
        status = COMMAND_STOPPED;
    else if (arguments.dry)
        status = command_finish(status);
    node_free(&node);
    MPI_Finalize();
    return status;
}
