#include "pipeline/analysis/report.h"

#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/util/json_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The store's name with the ending .html, in the working folder; NULL without memory. The caller frees it. */
static char *name_page(const char *store)
{
    const char *slash = strrchr(store, '/'), *name = slash ? slash + 1 : store, *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    size_t size = stem + sizeof ".html";
    char *page = malloc(size);

    if (page)
        snprintf(page, size, "%.*s.html", (int)stem, name);
    return page;
}

struct arguments {
    struct report_options report;
    bool json;
};

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(report.output), "PAGE",
     .help = "the page to write; default: STORE's name with .html, in the working folder"},
    {"images", 0, OPTION_TEXT, FIELD(report.images.path), "CONFIG",
     .help = "add images overlaid with the channels' relevance; CONFIG is the configuration of the store's run"},
    {"evaluation", 0, OPTION_TEXT, FIELD(report.evaluation), "FILE",
     .help = "add the figures of `nrmflow evaluate`: how far relevance can be trusted"},
    {"set", 0, OPTION_LIST, FIELD(report.images.sets), "KEY=VALUE",
     .help = "with --images: change a key of the configuration"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object: page, bytes"},
};

static const char help[] =
    "Writes a store as one HTML page, which a browser opens from a file, without a network: the run, the ledger, "
    "channels by relevance, classes, flow matrices, the strongest flows from input to logits, and every channel, "
    "with --images also images. A page of a run that has not finished is marked as such.";

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;

    if (a->report.images.sets.count && !a->report.images.path)
        return error_set(err, FAIL_CONFIG, "--set needs --images");
    return OK;
}

/* `node` is NULL without images, since only these are computed with MPI. */
static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    struct report_options options = arguments->report;
    char *page = options.output ? NULL : name_page(options.store);
    size_t nbytes;
    enum status rc = OK;

    if (!options.output)
        options.output = page;
    if (!options.output)
        TRY(error_system(err, "no memory for a name"));
    if (node && node->nranks > 1)
        TRY(error_set(err, FAIL_CONFIG, "a report uses one rank: start it without mpirun"));
    TRY(report_write(&nbytes, &options, node, log, err));
    if (arguments->json)
        json_output_print(
            json_pack("{s:o,s:I}", "page", json_output_text(options.output), "bytes", (json_int_t)nbytes));
    else
        printf("%s: %.1f MB\n", options.output, (double)nbytes / 1e6);
done:
    free(page);
    return rc;
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    struct error err = {0};

    if (a->report.images.path)
        return command_parallel(answer, a);
    return command_end(answer(a, NULL, NULL, &err), &err);
}

const struct command command_report = {
    .summary = "write a store as one HTML page",
    .table = {.command = "report",
              .operands = {"STORE", 1, 1, OPTION_TEXT, {FIELD(report.store)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
