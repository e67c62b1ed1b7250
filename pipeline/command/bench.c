#include "pipeline/bench/bench.h"

#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"

#include <stdio.h>

/* The command line. */
struct arguments {
    struct bench_options options;
    const char *composite, *block;
    struct option_list sets;
    char settings[2][BENCH_NAME]; /* from options that stand for a key */
    bool json;
};

/* Turn options that stand for a key into settings. */
static enum status add_setting(char setting[BENCH_NAME], struct option_list *sets, const char *key, const char *value,
                               struct error *err)
{
    if (!value)
        return OK;
    if (snprintf(setting, BENCH_NAME, "%s=%s", key, value) >= BENCH_NAME)
        return error_set(err, FAIL_CONFIG, "%s: invalid value: %.40s", key, value);
    return option_append(sets, setting, err);
}

static const struct option_row rows[] = {
    {"network", 0, OPTION_TEXT, FIELD(options.random.network), "NAME",
     .help = "without CONFIG: " NETWORK_STANDARD_NAMES "; default: vgg16"},
    {"model", 0, OPTION_TEXT, FIELD(options.model), "FILE",
     .help = "without CONFIG: a model's file, such as ONNX, instead of random weights"},
    {"side", 0, OPTION_WHOLE, FIELD(options.random.side), "PIXELS",
     .help = "without CONFIG: side of the images; default: 224", .low = 32, .high = 1024, .fallback = 224},
    {"narrow", 0, OPTION_WHOLE, FIELD(options.random.narrow), "N",
     .help = "without CONFIG: divide the numbers of channels by N", .low = 1, .high = 4096, .fallback = 1},
    {"composite", 0, OPTION_TEXT, FIELD(composite), "NAME",
     .help = "relevance rules; short for --set measure.composite=NAME"},
    {"block", 0, OPTION_TEXT, FIELD(block), "IMAGES",
     .help = "number of images computed together; short for --set run.block=IMAGES"},
    {"set", 0, OPTION_LIST, FIELD(sets), "KEY=VALUE", .help = "change a key of the configuration"},
    {"repeats", 0, OPTION_WHOLE, FIELD(options.repeats), "N",
     .help = "number of repeats of each measurement, fewer for whole images if they take long; default: 3", .low = 1,
     .high = BENCH_MAX_REPEATS, .fallback = 3},
    {"accuracy", 0, OPTION_FLAG, FIELD(options.accuracy),
     .help = "compare every layer's operations with the double-precision reference, on some channels"},
    {"flows", 0, OPTION_FLAG, FIELD(options.flows),
     .help = "measure the far pair of conv4_2 and the last convolution, compared with one sweep for each channel"},
    {"tune", 0, OPTION_FLAG, FIELD(options.tune),
     .help = "time every method that fits a layer's rule, and mark the one that runs use; takes a minute more"},
    {"plain", 0, OPTION_FLAG, FIELD(options.plain), .help = "measure whole images without flows and condition only"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object, times in seconds"},
};

static const char help[] =
    "Measures the processor's multiply-add peak, OpenBLAS, every layer, and whole images with and without flows "
    "and condition. Times are medians of the repeats without the first. Whole images are measured alternately: "
    "blocks with flows or condition (or both) between blocks without, whose runs are in memory together; `more` "
    "compares each with its neighbours. `floor / own time` is the speed relative to direct convolution at the peak "
    "of the instruction set in use (for amx, of AVX-512), which is measured anew beside every block. The benchmark "
    "uses CONFIG's model and "
    "first block of images; by default "
    "VGG16 with random weights, or --model, and synthetic images, which it writes to a temporary folder in TMPDIR. "
    "Under "
    "mpirun, all ranks measure at the same time and the slowest counts. measure.given and measure.flows of CONFIG "
    "are ignored, because all four cases are measured.";

static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;
    enum status rc = OK;

    a->options.random.classes = 1000;
    if (!a->options.random.network)
        a->options.random.network = "vgg16";
    TRY(add_setting(a->settings[0], &a->sets, "measure.composite", a->composite, err));
    TRY(add_setting(a->settings[1], &a->sets, "run.block", a->block, err));
    a->options.sets = a->sets.items;
    a->options.nsets = a->sets.count;
done:
    return rc;
}

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    struct bench_results results;
    enum status rc = bench_measure(&results, &arguments->options, node, log, err);

    if (rc == OK && node->rank == 0 && !arguments->json)
        bench_print(&results);
    else if (rc == OK && node->rank == 0 && !bench_print_json(&results))
        rc = error_set(err, FAIL_SYSTEM, "cannot print JSON");
    return rc;
}

static int run(const void *arguments)
{
    return command_parallel(answer, arguments);
}

const struct command command_bench = {
    .summary = "measure speed relative to this machine's peak",
    .table = {.command = "bench",
              .operands = {"[CONFIG]", 0, 1, OPTION_TEXT, {FIELD(options.config)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
