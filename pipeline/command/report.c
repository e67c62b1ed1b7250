#include "pipeline/analysis/report.h"

#include "pipeline/command/command.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/option.h"

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
    struct option_list sets;
    bool json;
};

static bool parse(struct arguments *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"output", 'o', OPTION_TEXT, &out->report.output, "PAGE",
         "the page to write; default: STORE's name with .html, in the working folder"},
        {"images", 0, OPTION_TEXT, &out->report.images.config, "CONFIG",
         "add images overlaid with the channels' relevance; CONFIG is the configuration of the store's run"},
        {"set", 0, OPTION_LIST, &out->sets, "KEY=VALUE", "with --images: change a key of the configuration"},
        {"json", 0, OPTION_FLAG, &out->json, NULL, "print one JSON object: page, bytes"},
    };
    const struct option_table table = {
        "nrmflow report",
        "STORE",
        1,
        1,
        "Writes a store as one HTML page, which a browser opens from a file, without a network: the run, the ledger, "
        "channels by relevance, classes, flow matrices, the strongest flows from input to logits, and every channel, "
        "with --images also images. A page of a run that has not finished is marked as such.",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list words;
    struct error err = {0};

    if (!command_start(status, &words, &table, argc, argv))
        return false;
    if (out->sets.count && !out->report.images.config) {
        error_set(&err, FAIL_CONFIG, "--set needs --images");
        *status = command_usage(&err, table.command);
        return false;
    }
    out->report.store = words.items[0];
    out->report.images.sets = out->sets.items;
    out->report.images.nsets = out->sets.count;
    return true;
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

int command_report(int argc, char **argv)
{
    struct arguments arguments = {.report.store = NULL};
    struct error err = {0};
    int status = COMMAND_OK;

    if (!parse(&arguments, argc, argv, &status))
        return status;
    if (arguments.report.images.config)
        return command_parallel(answer, &arguments);
    return answer(&arguments, NULL, NULL, &err) == OK ? command_finish(COMMAND_OK) : command_fail(&err);
}
