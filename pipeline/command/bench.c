#include "pipeline/bench/bench.h"

#include "pipeline/command/command.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/util/option.h"

#include <errno.h>
#include <stdlib.h>

/* The command line. */
struct arguments {
    const char *config, *network, *side, *narrow, *repeats, *composite, *block;
    struct option_list sets;
    char settings[2][BENCH_NAME]; /* from options that stand for a key */
    bool json, accuracy, flows, tune;
};

static enum status read_whole(size_t *out, const char *text, const char *option, size_t low, size_t high,
                              struct error *err)
{
    char *end;

    if (!text)
        return OK;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value < low || value > high)
        return error_set(err, FAIL_CONFIG, "--%s %s: must be a whole number from %zu to %zu", option, text, low, high);
    *out = value;
    return OK;
}

/* Turn options that stand for a key into settings. */
static enum status add_setting(char setting[BENCH_NAME], struct option_list *sets, const char *key, const char *value,
                               struct error *err)
{
    if (!value)
        return OK;
    if (snprintf(setting, BENCH_NAME, "%s=%s", key, value) >= BENCH_NAME || sets->count == OPTION_MAX_ITEMS)
        return error_set(err, FAIL_CONFIG, "%s: invalid value: %.40s", key, value);
    sets->items[sets->count++] = setting;
    return OK;
}

/* Set the options of the benchmark from the command line. */
static enum status choose(struct bench_options *out, struct arguments *arguments, struct error *err)
{
    enum status rc = OK;

    *out = (struct bench_options){.config = arguments->config,
                                  .random = {arguments->network ? arguments->network : "vgg16", 224, 1, 1000},
                                  .repeats = 3,
                                  .accuracy = arguments->accuracy,
                                  .flows = arguments->flows,
                                  .tune = arguments->tune};
    TRY(read_whole(&out->random.side, arguments->side, "side", 32, 1024, err));
    TRY(read_whole(&out->random.narrow, arguments->narrow, "narrow", 1, 4096, err));
    TRY(read_whole(&out->repeats, arguments->repeats, "repeats", 1, BENCH_MAX_REPEATS, err));
    TRY(add_setting(arguments->settings[0], &arguments->sets, "measure.composite", arguments->composite, err));
    TRY(add_setting(arguments->settings[1], &arguments->sets, "run.block", arguments->block, err));
    out->sets = arguments->sets.items;
    out->nsets = arguments->sets.count;
done:
    return rc;
}

static bool parse(struct bench_options *options, struct arguments *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"network", 0, OPTION_TEXT, &out->network, "NAME", "without CONFIG: vgg11, vgg13, vgg16 (default) or vgg19"},
        {"side", 0, OPTION_TEXT, &out->side, "PIXELS", "without CONFIG: side of the images; default: 224"},
        {"narrow", 0, OPTION_TEXT, &out->narrow, "N", "without CONFIG: divide the numbers of channels by N"},
        {"composite", 0, OPTION_TEXT, &out->composite, "NAME",
         "relevance rules; short for --set measure.composite=NAME"},
        {"block", 0, OPTION_TEXT, &out->block, "IMAGES",
         "number of images computed together; short for --set run.block=IMAGES"},
        {"set", 0, OPTION_LIST, &out->sets, "KEY=VALUE", "change a key of the configuration"},
        {"repeats", 0, OPTION_TEXT, &out->repeats, "N",
         "number of repeats, fewer for whole images if they take long; default: 3"},
        {"accuracy", 0, OPTION_FLAG, &out->accuracy, NULL,
         "compare every layer's operations with the double-precision reference, on some channels"},
        {"flows", 0, OPTION_FLAG, &out->flows, NULL,
         "measure the far pair of conv4_2 and the last convolution, compared with one sweep for each channel"},
        {"tune", 0, OPTION_FLAG, &out->tune, NULL,
         "time every method that fits a layer's rule, and mark the one that runs use; takes a minute more"},
        {"json", 0, OPTION_FLAG, &out->json, NULL, "print one JSON object, times in seconds"},
    };
    const struct option_table table = {
        "nrmflow bench",
        "[CONFIG]",
        0,
        1,
        "Measures the processor's multiply-add peak, OpenBLAS, every layer, and whole images with and without flows "
        "and condition. Times are medians of the repeats without the first. `floor / own time` is the speed relative "
        "to direct convolution at the peak. The benchmark uses CONFIG's model and first block of images; by default "
        "VGG16 with random weights and synthetic images, which it writes to a temporary folder in TMPDIR. Under "
        "mpirun, all ranks measure at the same time and the slowest counts. measure.given and measure.flows of CONFIG "
        "are ignored, because all four cases are measured.",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list files;
    struct error err = {0};

    if (!command_start(status, &files, &table, argc, argv))
        return false;
    out->config = files.count ? files.items[0] : NULL;
    if (choose(options, out, &err) != OK) {
        *status = command_usage(&err, table.command);
        return false;
    }
    return true;
}

/* The part of the command line that `answer` uses. */
struct wanted {
    struct bench_options options;
    bool json;
};

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct wanted *wanted = context;
    struct bench_results results;
    enum status rc = bench_measure(&results, &wanted->options, node, log, err);

    if (rc == OK && node->rank == 0 && !wanted->json)
        bench_print(&results);
    else if (rc == OK && node->rank == 0 && !bench_print_json(&results))
        rc = error_set(err, FAIL_SYSTEM, "cannot print JSON");
    return rc;
}

int command_bench(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct wanted wanted;
    int status = COMMAND_OK;

    if (!parse(&wanted.options, &arguments, argc, argv, &status))
        return status;
    wanted.json = arguments.json;
    return command_parallel(answer, &wanted);
}
