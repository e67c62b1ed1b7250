#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/evaluate/stores.h"

#include <stdint.h>
#include <string.h>

struct arguments {
    struct stores_options stores;
    const char *by, *rates;
};

static const struct option_row rows[] = {
    {"circuit", 0, OPTION_LIST, FIELD(stores.circuit.stores), "STORE",
     .help = "keep only the edges of the highest flow in this store, and ask the images again; more stores to compare "
             "with may follow, each with --circuit"},
    {"class", 0, OPTION_WHOLE, FIELD(stores.circuit.class), "N",
     .help = "--circuit: by the flows of class N (store.class_flows), on its images", .low = 0, .high = INT32_MAX,
     .fallback = SIZE_MAX},
    {"own", 0, OPTION_WHOLE, FIELD(stores.circuit.own), "N",
     .help = "--circuit: measure the circuits of N single images by their own flows, too; default: 0", .low = 0,
     .high = INT32_MAX},
    {"prune", 0, OPTION_TEXT, FIELD(stores.prune.store), "STORE",
     .help = "replace the channels of the lowest relevance in this store by zero, and ask the images again"},
    {"by", 0, OPTION_TEXT, FIELD(by), "SCORE",
     .help = "what counts of images whose signs differ: mean (--prune's default), absolute, or rms (--circuit's)"},
    {"unit-layers", 0, OPTION_FLAG, FIELD(stores.prune.unit_layers),
     .help = "divide the scores of each layer by the sum of their magnitudes"},
    {"rates", 0, OPTION_TEXT, FIELD(rates), "A:B:STEP",
     .help = "--prune: shares of the channels to replace; default: 0:0.5:0.05"},
    {"images", 0, OPTION_RANGE, FIELD(stores.images), "A:B",
     .help = "only images A <= i < B; default: those of CONFIG"},
    {"set", 0, OPTION_LIST, FIELD(stores.source.sets), "KEY=VALUE", .help = "change a key of the configuration"},
    {"json", 0, OPTION_FLAG, FIELD(stores.json), .help = "print one JSON object"},
};

static const char help[] = "Tests what stores say of a network.";

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

static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;
    enum status rc = OK;

    a->stores.circuit.unit_layers = a->stores.prune.unit_layers;
    if (a->by)
        TRY(choose_by(&a->stores, a->by, err));
    TRY(prune_parse_rates(&a->stores.prune, a->rates ? a->rates : "0:0.5:0.05", err));
done:
    return rc;
}

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    return stores_evaluate(&((const struct arguments *)context)->stores, node, log, err);
}

static int run(const void *arguments)
{
    return command_parallel(answer, arguments);
}

const struct command command_evaluate = {
    .summary = "test what a run says of the network",
    .table = {.command = "evaluate",
              .operands = {"CONFIG", 1, 1, OPTION_TEXT, {FIELD(stores.source.path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
