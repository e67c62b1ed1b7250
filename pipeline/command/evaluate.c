#include "pipeline/command/commands.h"
#include "pipeline/command/evaluate_print.h"
#include "pipeline/evaluate/stores.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

struct arguments {
    struct evaluate_options options;
    struct stores_options stores; /* of --circuit and --prune, which need no evaluation */
    const char *by, *rates;
    bool json, dry;
};

enum { STEPS = 16, SAMPLE = 16 }; /* unless they are given */

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(options.output), "FILE", .help = "the file for the results; needed by tests"},
    {"images", 0, OPTION_RANGE, FIELD(options.probe.images), "A:B",
     .help = "only images A <= i < B; default: those of CONFIG. 128 to 512 suffice"},
    {"tests", 0, OPTION_TEXT, FIELD(options.design.tests), "LIST",
     .help = "of targets, damage, channels, layers, flows, pixels, randomised; default: the first four"},
    {"layers", 0, OPTION_TEXT, FIELD(options.design.layers), "LIST|all",
     .help = "whose channels are replaced; default: the last convolution of every size of map, and the first dense "
             "layer"},
    {"orders", 0, OPTION_TEXT, FIELD(options.design.orders), "LIST",
     .help = "beside relevance, of gradient, activation, random, weight, product; default: the first three"},
    {"replace", 0, OPTION_TEXT, FIELD(options.design.replace), "zero|mean",
     .help = "by what channels are replaced: zero (default), or their mean over positions and images"},
    {"steps", 0, OPTION_WHOLE, FIELD(options.design.steps), "N", .help = "steps of a curve; default: 16", .low = 1,
     .high = DESIGN_STEPS},
    {"sample", 0, OPTION_WHOLE, FIELD(options.design.sample), "N",
     .help = "channels of a layer that damage replaces, each alone; default: 16", .low = 2, .high = 1 << 20},
    {"patch", 0, OPTION_WHOLE, FIELD(options.design.patch), "N",
     .help = "side of the squares of pixels; default: an eighth of the image", .low = 1, .high = 1 << 16},
    {"seed", 0, OPTION_WHOLE, FIELD(options.design.seed), "N", .help = "of random draws; default: run.seed", .low = 0,
     .high = SIZE_MAX - 1, .fallback = SIZE_MAX},
    {"circuit", 0, OPTION_LIST, FIELD(stores.circuit.stores), "STORE",
     .help = "in place of tests: cut all edges but those of the highest flow in this store, and ask the images again; "
             "given again, more stores to compare with"},
    {"class", 0, OPTION_WHOLE, FIELD(stores.circuit.class), "N",
     .help = "--circuit: by the flows of class N (store.class_flows), and for its images", .low = 0, .high = INT32_MAX,
     .fallback = SIZE_MAX},
    {"own", 0, OPTION_WHOLE, FIELD(stores.circuit.own), "N",
     .help = "--circuit: also circuits of the first N images alone, of each by its own flows; default: 0", .low = 0,
     .high = INT32_MAX},
    {"prune", 0, OPTION_TEXT, FIELD(stores.prune.store), "STORE",
     .help = "in place of tests: replace the channels of the lowest relevance in this store by zero, and ask the "
             "images again"},
    {"by", 0, OPTION_TEXT, FIELD(by), "SCORE",
     .help = "of relevance whose sign changes from image to image: rms (--circuit's default), absolute, or mean "
             "(--prune's)"},
    {"unit-layers", 0, OPTION_FLAG, FIELD(stores.prune.unit_layers),
     .help = "--circuit, --prune: divide the scores of a layer by the sum of their magnitudes"},
    {"rates", 0, OPTION_TEXT, FIELD(rates), "A:B:STEP",
     .help = "--prune: shares of the channels to replace; default: 0:0.5:0.05"},
    {"set", 0, OPTION_LIST, FIELD(options.probe.source.sets), "KEY=VALUE",
     .help = "change a key of the configuration, such as measure.composite=zero"},
    {"restart", 0, OPTION_FLAG, FIELD(options.restart), .help = "compute anew what is in FILE"},
    {"dry-run", 0, OPTION_FLAG, FIELD(dry),
     .help = "only say what it would cost; computes one image on every rank, or a few with --circuit and "
             "--prune"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Tests relevance against the network itself: replaces the units that it calls important, and those that it does "
    "not, and looks at what the network then says. docs/explanation/evaluation.md explains the tests.\n"
    "\n"
    "  targets    |cosine| of the relevance for the predicted class and for the runner-up\n"
    "  damage     correlation with what the logit loses if one channel is replaced\n"
    "  channels   gain: area between the curves of p when the least and when the most\n"
    "             relevant channels of a layer go first; 0 at random\n"
    "  layers     the same for the channels of all convolutions together\n"
    "  flows      the same for the edges of a link, pairs of channels, which are cut; biases stay\n"
    "  pixels     the same for squares of pixels, replaced by zero after preprocessing\n"
    "  randomised |cosine| with relevance in networks of permuted weights; it ranks no methods\n"
    "\n"
    "Every figure has its standard error over the images, and stands beside those of trivial orders and of gradient "
    "times activation; differences are paired by image. A configuration with a condition (measure.given) is evaluated "
    "with and without it. Under mpirun ranks share the images; the results do not depend on their number. An "
    "evaluation that was stopped goes on when it is started again.\n"
    "\n"
    "--circuit and --prune test what a store says of the network, on images that it was not made of: how well the "
    "network answers with its strongest edges alone, chosen over all layers at once and the same for all images, and "
    "without its weakest channels. Beside them stand other choices of as many edges or channels. They need no "
    "--output; with one, they go on as well when they are started again.";

/* Number of a name among n; n if there is none. */
static size_t find(const char *const *names, size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static enum status choose_by(struct stores_options *stores, const char *by, struct error *err)
{
    size_t edges = find(edges_by_names, EDGES_BYS, by), channels = find(prune_by_names, PRUNE_BYS, by);

    if (stores->circuit.stores.count && edges == EDGES_BYS)
        return error_set(err, FAIL_CONFIG, "--by %.40s: --circuit has rms, absolute and mean", by);
    if (stores->prune.store && channels == PRUNE_BYS)
        return error_set(err, FAIL_CONFIG, "--by %.40s: --prune has mean and absolute", by);
    stores->circuit.by = (enum edges_by)edges;
    stores->prune.by = (enum prune_by)channels;
    return OK;
}

static const char dry_and_restart[] = "--dry-run and --restart cannot be combined: a dry run changes nothing";

/* An option that needs what is not asked for, or says nothing of what is; NULL if there is none. */
static const char *unused_option(const struct arguments *a)
{
    const struct design_options *design = &a->options.design;
    bool circuit = a->stores.circuit.stores.count, prune = a->stores.prune.store, tests = !circuit && !prune;

    const struct {
        const char *name;
        bool given, used;
    } options[] = {{"--tests", design->tests, tests},
                   {"--layers", design->layers, tests},
                   {"--orders", design->orders, tests},
                   {"--replace", design->replace, tests},
                   {"--steps", design->steps, tests},
                   {"--sample", design->sample, tests},
                   {"--patch", design->patch, tests},
                   {"--class", a->stores.circuit.class != SIZE_MAX, circuit},
                   {"--own", a->stores.circuit.own, circuit},
                   {"--rates", a->rates, prune},
                   {"--by", a->by, !tests},
                   {"--unit-layers", a->stores.prune.unit_layers, !tests}};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].given && !options[i].used)
            return options[i].name;
    return NULL;
}

static bool has_stores(const struct arguments *a)
{
    return a->stores.circuit.stores.count || a->stores.prune.store;
}

/* The options of --circuit and --prune. */
static enum status check_stores(struct arguments *a, struct error *err)
{
    enum status rc = OK;

    if (a->dry && a->options.restart)
        TRY(error_set(err, FAIL_CONFIG, "%s", dry_and_restart));
    a->stores.dry = a->dry;
    a->stores.output = a->options.output;
    a->stores.restart = a->options.restart;
    a->stores.source = a->options.probe.source;
    a->stores.images = a->options.probe.images;
    a->stores.json = a->json;
    a->stores.seed = a->options.design.seed;
    a->stores.circuit.unit_layers = a->stores.prune.unit_layers;
    if (a->by)
        TRY(choose_by(&a->stores, a->by, err));
    TRY(prune_parse_rates(&a->stores.prune, a->rates ? a->rates : "0:0.5:0.05", err));
done:
    return rc;
}

static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;
    const char *unused = unused_option(a);

    a->options.probe.given = true;
    if (unused && has_stores(a))
        return error_set(err, FAIL_CONFIG, "%s says nothing of %s; leave it out", unused,
                         !a->stores.prune.store            ? "--circuit"
                         : !a->stores.circuit.stores.count ? "--prune"
                                                           : "--circuit and --prune");
    if (unused)
        return error_set(err, FAIL_CONFIG, "%s needs --circuit or --prune", unused);
    if (has_stores(a))
        return check_stores(a, err);
    a->options.design.steps = a->options.design.steps ? a->options.design.steps : STEPS;
    a->options.design.sample = a->options.design.sample ? a->options.design.sample : SAMPLE;
    if (!a->options.output)
        return error_set(err, FAIL_CONFIG, "missing option: --output FILE, the file for the results");
    if (a->dry && a->options.restart)
        return error_set(err, FAIL_CONFIG, "%s", dry_and_restart);
    return OK;
}

static enum status dry(const struct arguments *a, const struct node *node, struct log *log, struct error *err)
{
    struct evaluation evaluation;
    struct evaluate_cost cost;
    enum status rc = evaluate_dry(&evaluation, &cost, &a->options, node, log, err);

    if (rc == OK && node->rank == 0)
        (a->json ? evaluate_print_cost_json : evaluate_print_cost)(&evaluation, &cost, a->options.output);
    evaluate_free(&evaluation);
    return rc;
}

static enum status evaluate(enum stop_reason *reason, const struct arguments *a, const struct node *node,
                            struct log *log, struct error *err)
{
    static const struct stop_times times = {.limit = INFINITY, .reserve = NAN};
    struct evaluation evaluation = {.rows = NULL};
    struct stop stop;
    enum status rc = OK;

    TRY(stop_start(&stop, &times, a->options.output, node, log, err));
    TRY(evaluate_run(&evaluation, &a->options, &stop, node, log, err));
    *reason = stop.reason;
    if (node->rank == 0)
        (a->json ? evaluate_print_json : evaluate_print)(&evaluation, a->options.output);
done:
    evaluate_free(&evaluation);
    return rc;
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    enum stop_reason reason = STOP_NONE;
    struct node node;
    struct log log;
    struct error err = {0};
    int status;

    stop_install();
    node_begin(&node);
    log_init(&log, stderr, LOG_INFO, node.rank, node.host);
    enum status rc = has_stores(a) ? stores_evaluate(&reason, &a->stores, &node, &log, &err)
                     : a->dry      ? dry(a, &node, &log, &err)
                                   : evaluate(&reason, a, &node, &log, &err);

    if (rc != OK)
        status = node.rank == 0 ? command_fail(&err) : COMMAND_FAILED;
    else
        status = command_finish(reason == STOP_NONE ? COMMAND_OK : COMMAND_STOPPED);
    node_end(&node);
    return status;
}

const struct command command_evaluate = {
    .summary = "test relevance against what happens if units are replaced",
    .table = {.command = "evaluate",
              .operands = {"CONFIG", 1, 1, OPTION_TEXT, {FIELD(options.probe.source.path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
