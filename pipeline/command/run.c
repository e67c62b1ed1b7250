#include "pipeline/run/run.h"

#include "io/base/target.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/launch.h"
#include "pipeline/config/config.h"
#include "pipeline/config/load.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/dry.h"
#include "pipeline/run/stop.h"
#include "pipeline/util/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The command line. */
struct arguments {
    struct config_source source;
    const char *output, *limit, *reserve;
    struct stop_times times;
    bool restart, same_images, mixed, verbose, dry, json;
};

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "STORE",
     .help = "the store to write; default: CONFIG's name with .h5, in the working folder"},
    {"set", 0, OPTION_LIST, FIELD(source.sets), "KEY=VALUE",
     .help = "change a key of the configuration, such as measure.given=input"},
    {"restart", 0, OPTION_FLAG, FIELD(restart), .help = "delete an existing store, whatever run it belongs to"},
    {"same-images", 0, OPTION_FLAG, FIELD(same_images),
     .help = "continue although the sizes or times of image files have changed: they are copies of the same images"},
    {"allow-mixed", 0, OPTION_FLAG, FIELD(mixed),
     .help =
         "continue a store begun with another instruction set, OpenBLAS core or version of nrmflow; the store lists "
         "both"},
    {"time-limit", 0, OPTION_TEXT, FIELD(limit), "TIME",
     .help =
         "save and exit with status 75 before this time is over, such as 90m or 23.5h; the same command continues the "
         "run"},
    {"reserve", 0, OPTION_TEXT, FIELD(reserve), "TIME",
     .help =
         "start no more blocks once only this much time, or time of a Slurm job, is left; default: the time that the "
         "longest block so far and saving take, at least a minute"},
    {"dry-run", 0, OPTION_FLAG, FIELD(dry),
     .help = "compute one block on every rank and print what the run would take; writes nothing"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "with --dry-run: print one JSON object"},
    {"verbose", 0, OPTION_FLAG, FIELD(verbose), .help = "log messages for developers, from all ranks"},
};

static const char help[] =
    "Computes the relevance of a dataset's images and writes one HDF5 store. Start it with mpirun or `srun "
    "--mpi=pmix` to share the work between ranks: mpirun -n 8 nrmflow run imagenet.ini";

/* Check the combination of options, and read times. */
static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;

    if (a->json && !a->dry)
        return error_set(err, FAIL_CONFIG,
                         "--json needs --dry-run; to show the store of a run, use `nrmflow info --json`");
    return stop_read_times(&a->times, a->limit, a->reserve, err);
}

/* "runs/demo.ini" gives "demo.h5". */
static void default_output(char *out, size_t n, const char *config)
{
    const char *slash = strrchr(config, '/'), *name = slash ? slash + 1 : config, *dot = strrchr(name, '.');
    size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);

    snprintf(out, n, "%.*s.h5", (int)length, name);
}

/* Tasks of the Slurm step that started this process; 1 outside Slurm. */
static long step_tasks(void)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");

    return tasks ? strtol(tasks, NULL, 10) : 1;
}

/* An Open MPI that cannot use this srun's process management ends the program in MPI_Init, with advice for those who
 * build Open MPI, so print advice for users first. An Open MPI that does not need PMIx continues. */
static void advise_launch(void)
{
    const char *task = getenv("SLURM_PROCID");

    if (step_tasks() > 1 && !getenv("PMIX_NAMESPACE") && task && strcmp(task, "0") == 0)
        fprintf(stderr,
                "nrmflow: this Slurm step has %ld tasks and no PMIx; if MPI fails now, start with `srun --mpi=pmix`\n",
                step_tasks());
}

/* Without a common MPI, every task is its own MPI world, and all would write the same store. */
static enum status check_launch(const struct node *node, struct error *err)
{
    if (node->nranks == 1 && step_tasks() > 1)
        return error_set(err, FAIL_CONFIG,
                         "this Slurm step has %ld tasks, but MPI sees only one rank: start with `srun --mpi=pmix`",
                         step_tasks());
    return OK;
}

/* The file that a symbolic link at the output leads to: it, and not the link, is the store, with its lock and parts
 * beside it. Collective. */
static enum status resolve_output(char resolved[PATH_MAX], const char *output, const struct node *node,
                                  struct error *err)
{
    char *path = node->rank == 0 ? target_path(output) : NULL;
    enum status rc = OK;

    memset(resolved, 0, PATH_MAX);
    if (node->rank == 0 && !path)
        rc = error_system(err, "%s: this link leads nowhere", output);
    else if (path && (size_t)snprintf(resolved, PATH_MAX, "%s", path) >= PATH_MAX)
        rc = error_set(err, FAIL_CONFIG, "the path of the output is too long: %s", output);
    free(path);
    TRY(agree(node->world, rc, err));
    MPI_Bcast(resolved, PATH_MAX, MPI_CHAR, 0, node->world);
done:
    return rc;
}

static enum status run_dry(const struct config *config, const char *output, bool json, const struct node *node,
                           struct log *log, struct error *err)
{
    struct dry_plan plan;
    enum status rc = OK;

    TRY(dry_run(&plan, config, output, node, log, err));
    if (node->rank == 0 && !json)
        dry_print(&plan);
    if (node->rank == 0 && json)
        dry_print_json(&plan);
done:
    dry_plan_free(&plan);
    return rc;
}

static void advise_ranks(const char *config, const struct node *node, struct log *log)
{
    const struct launch launch = launch_here((size_t)node->nranks);
    char text[PATH_MAX + 256];

    if (launch_advise(text, sizeof text, &launch, config))
        log_info(log, "%s", text);
}

static enum status compute(enum stop_reason *reason, const struct arguments *arguments, const struct node *node,
                           struct error *err)
{
    struct config config = {0};
    struct stop stop;
    struct log log;
    char output[PATH_MAX], resolved[PATH_MAX];
    struct run_options options = {arguments->output ? arguments->output : output, arguments->restart,
                                  arguments->same_images, arguments->mixed};
    enum status rc = OK;

    log_init(&log, stderr, arguments->verbose ? LOG_DEBUG : LOG_INFO, node->rank, node->host);
    default_output(output, sizeof output, arguments->source.path);
    TRY(check_launch(node, err));
    TRY(config_load(&config, &arguments->source, node, err));
    advise_ranks(arguments->source.path, node, &log);
    if (arguments->dry) {
        TRY(run_dry(&config, options.output, arguments->json, node, &log, err));
    } else {
        TRY(stop_start(&stop, &arguments->times, options.output, node, &log, err));
        TRY(resolve_output(resolved, options.output, node, err));
        options.output = resolved;
        TRY(run_store(&config, &options, &stop, node, &log, err));
        *reason = stop.reason;
    }
done:
    config_free(&config);
    return rc;
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    struct node node;
    struct error err = {0};
    int status = COMMAND_OK;
    enum stop_reason reason = STOP_NONE;

    stop_install();
    advise_launch();
    node_begin(&node);
    if (compute(&reason, a, &node, &err) != OK)
        status = node.rank == 0 ? command_fail(&err) : COMMAND_FAILED;
    else if (reason != STOP_NONE)
        status = COMMAND_STOPPED;
    else if (a->dry)
        status = command_finish(status);
    node_end(&node);
    return status;
}

const struct command command_run = {
    .summary = "compute a store from a dataset",
    .table = {.command = "run",
              .operands = {"CONFIG", 1, 1, OPTION_TEXT, {FIELD(source.path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .keys = true,
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
