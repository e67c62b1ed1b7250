#include "command_report.h"

#include "command.h"
#include "option.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The store's name with .html for its ending, in the working folder; NULL without memory. The caller frees it. */
static char *name_page(const char *store)
{
    const char *slash = strrchr(store, '/'), *name = slash ? slash + 1 : store, *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    char *page = malloc(stem + sizeof ".html");

    if (page) {
        memcpy(page, name, stem);
        strcpy(page + stem, ".html");
    }
    return page;
}

static bool parse(struct report_options *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"output", 'o', OPTION_TEXT, &out->output, "PAGE", "the page; by default STORE's name with .html, here"},
    };
    const struct option_table table = {
        "nrmflow report",
        "STORE",
        1,
        1,
        "Writes what is in a store as one HTML page, which opens in a browser from a file, without a network: the "
        "run,\n"
        "the ledger, channels by relevance, classes, flow matrices, the strongest ways from input to logits, and "
        "every\n"
        "channel with its images. A page can be made of a run that has not ended; it says so.",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list words;

    if (!command_start(status, &words, &table, argc, argv))
        return false;
    out->store = words.items[0];
    return true;
}

int command_report(int argc, char **argv)
{
    struct report_options options = {NULL, NULL};
    struct error err = {0};
    size_t nbytes = 0;
    char *page = NULL;
    int status = COMMAND_OK;

    if (!parse(&options, argc, argv, &status))
        return status;
    if (!options.output)
        options.output = page = name_page(options.store);
    if (!options.output)
        status = (error_system(&err, "no memory for a name"), command_fail(&err));
    else if (report_write(&nbytes, &options, &err) != OK)
        status = command_fail(&err);
    else {
        printf("%s: %.1f MB\n", options.output, (double)nbytes / 1e6);
        status = command_finish(COMMAND_OK);
    }
    free(page);
    return status;
}
