#include "command_info.h"

#include "command.h"
#include "option.h"
#include "summary.h"
#include "summary_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* A ledger is closed to this much (design section 7). */
#define LEDGER_TOLERANCE 1e-5

enum { MAX_CONFIG_LINES = 60 };

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* Text from a file may hold what a terminal would obey. */
static void print_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length && text[i]; i++) {
        unsigned char c = (unsigned char)text[i];

        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void print_line(const char *label, const char *text)
{
    printf("%-18s", label);
    print_text(text, strlen(text));
    putchar('\n');
}

static void print_size(uint64_t nbytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)nbytes;
    size_t unit = 0;

    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    printf("%-18s%.*f %s\n", "size", unit ? 1 : 0, value, units[unit]);
}

static void print_run(const struct summary *summary, const char *path)
{
    print_line("store", path);
    print_size(summary->nbytes);
    for (size_t i = 0; i < summary->nattributes; i++) {
        const struct summary_attribute *attribute = &summary->attributes[i];

        if (attribute->text)
            print_line(attribute->name, attribute->text);
        else
            printf("%-18s%" PRId64 "\n", attribute->name, attribute->integer);
    }
}

static void print_images(const struct summary *summary)
{
    printf("\n%-18s%zu, of which %zu finished%s\n", "images", summary->images, summary->finished,
           summary->complete ? "" : " (the run is not complete: start it again to continue)");
    for (int status = 0; status < STORE_NSTATUS; status++)
        if (summary->by_status[status])
            printf("  %-16s%zu\n", store_status_name(status), summary->by_status[status]);
    if (summary->labelled)
        printf("%-18s%.4f (%zu of %zu images with a label)\n", "accuracy",
               (double)summary->correct / (double)summary->labelled, summary->correct, summary->labelled);
    if (summary->has_given)
        printf("%-18s%.4g +- %.2g\n", "given mass", summary->given_mean, summary->given_error);
}

/* Width of the first column of a table, at least that of its title. */
static int widest(size_t width, const char *name)
{
    size_t length = strlen(name);

    return (int)(length > width ? length : width);
}

static void print_layers(const struct summary *summary)
{
    int width = 10;

    if (summary->nlayers == 0)
        return;
    for (size_t i = 0; i < summary->nlayers; i++)
        width = widest((size_t)width, summary->layers[i].name);
    printf("\n%-*s  %8s  %10s  %10s  %10s  %10s  %9s\n", width, "layer", "channels", "mass", "bias", "absorbed",
           "variation", "gap");
    for (size_t i = 0; i < summary->nlayers; i++) {
        const struct summary_layer *layer = &summary->layers[i];

        print_text(layer->name, sizeof layer->name);
        printf("%*s  ", width - (int)strlen(layer->name), "");
        if (layer->channels)
            printf("%8zu", layer->channels);
        else
            printf("%8s", "-");
        if (layer->has_ledger)
            printf("  %10.5f  %10.5f  %10.2e  %10.4g  %9.1e", layer->mass, layer->bias, layer->absorbed,
                   layer->variation, layer->gap);
        putchar('\n');
    }
}

static void print_flows(const struct summary *summary)
{
    int width = 10;

    if (summary->nflows == 0)
        return;
    for (size_t i = 0; i < summary->nflows; i++)
        width = widest((size_t)width, summary->flows[i].name);
    printf("\n%-*s  %8s  %8s  %s\n", width, "flow", "upper", "lower", "method");
    for (size_t i = 0; i < summary->nflows; i++) {
        const struct summary_flow *flow = &summary->flows[i];

        print_text(flow->name, sizeof flow->name);
        printf("%*s  %8zu  %8zu  ", width - (int)strlen(flow->name), "", flow->upper, flow->lower);
        print_text(flow->method, sizeof flow->method);
        putchar('\n');
    }
}

static void print_queries(const struct summary *summary)
{
    for (size_t i = 0; i < summary->nqueries; i++) {
        const struct summary_query *query = &summary->queries[i];
        const char *expression = query->expression ? query->expression : "";

        if (i == 0)
            printf("\n%-18s%12s  %10s\n", "query", "mean", "std error");
        print_text(query->name, sizeof query->name);
        printf("%*s%12.5g  %10.2g  ", strlen(query->name) < 18 ? 18 - (int)strlen(query->name) : 1, "", query->mean,
               query->std_error);
        print_text(expression, strlen(expression));
        putchar('\n');
    }
}

static void print_stages(const struct summary *summary)
{
    double total = 0;

    for (size_t i = 0; i < summary->nstages; i++)
        total += summary->stages[i].seconds;
    if (!(total > 0))
        return;
    printf("\n%-18s%10s  share\n", "stage", "seconds");
    for (size_t i = 0; i < summary->nstages; i++) {
        const struct summary_stage *stage = &summary->stages[i];

        print_text(stage->name, sizeof stage->name);
        printf("%*s%10.1f  %4.0f %%%s\n", strlen(stage->name) < 18 ? 18 - (int)strlen(stage->name) : 1, "",
               stage->seconds, 100 * stage->seconds / total, i == 0 ? "  slowest" : "");
    }
}

/* The lines of the configuration that say something: "section.key = value". */
static void print_config(const char *config)
{
    const char *section = "";
    size_t nsection = 0, count = 0, left_out = 0;

    for (const char *line = config; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *text = line + strspn(line, " \t\r");
        size_t length = strcspn(text, "\r\n");

        if (length == 0 || text[0] == ';' || text[0] == '#')
            continue;
        if (text[0] == '[') {
            section = text + 1;
            nsection = strcspn(section, "]\r\n");
            continue;
        }
        if (count == MAX_CONFIG_LINES) {
            left_out++;
            continue;
        }
        printf(count++ ? "  " : "\nconfiguration\n  ");
        print_text(section, nsection);
        putchar('.');
        print_text(text, length);
        putchar('\n');
    }
    if (left_out)
        printf("  and %zu more lines, in the attribute config\n", left_out);
}

static double largest_gap(const struct summary *summary)
{
    double gap = 0;

    for (size_t i = 0; i < summary->nlayers; i++)
        gap = fmax(gap, summary->layers[i].gap);
    return gap;
}

/* Where a store was computed by several instruction sets, OpenBLAS cores or versions, the attribute lists them. */
static bool is_mixed(const struct summary *summary)
{
    static const char *const names[] = {"isa", "blas_core", "program_version"};

    for (size_t i = 0; i < summary->nattributes; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (strcmp(summary->attributes[i].name, names[k]) == 0 && summary->attributes[i].text &&
                strchr(summary->attributes[i].text, ','))
                return true;
    return false;
}

static bool is_shard(const struct summary *summary)
{
    for (size_t i = 0; i < summary->nattributes; i++)
        if (strcmp(summary->attributes[i].name, "shard") == 0)
            return true;
    return false;
}

static void print_warnings(const struct summary *summary)
{
    if (is_shard(summary))
        printf("\nwarning: this is one shard, with a part of the run's images; `nrmflow merge` puts all together.\n");
    if (is_mixed(summary))
        printf(
            "\nwarning: computed in parts by different instruction sets, OpenBLAS cores or versions of nrmflow, whose\n"
            "results differ in the last bits.\n");
    if (summary->weak_condition)
        printf(
            "\nwarning: the mean mass of the condition cannot be told from zero (weak_condition), so that what is "
            "divided by it\nmeans little. Run again with `given = none`, or with a composite of nonnegative rules.\n");
    if (largest_gap(summary) > LEDGER_TOLERANCE)
        printf("\nwarning: the ledger is open by up to %.1e (%.0e is tolerated): some relevance is unaccounted for.\n",
               largest_gap(summary), LEDGER_TOLERANCE);
    if (summary->failed)
        printf("\nwarning: %zu images could not be used; images/status and images/path say which.\n", summary->failed);
    if (summary->by_status[STORE_IMAGE_EXPLODED])
        printf("\nwarning: %zu images exploded (a layer's total variation is above the limit) and are in no mean.\n",
               summary->by_status[STORE_IMAGE_EXPLODED]);
}

static void print_all(const struct summary *summary, const char *path)
{
    print_run(summary, path);
    if (summary->config)
        print_config(summary->config);
    print_images(summary);
    print_layers(summary);
    print_flows(summary);
    print_queries(summary);
    print_stages(summary);
    print_warnings(summary);
}

/* ---- command --------------------------------------------------------------------------------------------------- */

static int show(const char *path, bool json)
{
    struct summary summary;
    struct error err = {0};
    int status = COMMAND_OK;

    if (summary_read(&summary, path, &err) != OK) {
        status = command_fail(&err);
        fputs("A store is what `nrmflow run ... --output STORE` writes.\n", stderr);
    } else if (json) {
        json_t *object = summary_json(&summary);

        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
        putchar('\n');
        json_decref(object);
    } else {
        print_all(&summary, path);
    }
    summary_free(&summary);
    return command_finish(status);
}

int command_info(int argc, char **argv)
{
    bool json = false;
    const struct option_row rows[] = {
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object: images, finished, failed, complete, layers, flows and more"},
    };
    const struct option_table table = {
        "nrmflow info",
        "STORE",
        1,
        1,
        "Shows what is in a store that `nrmflow run` has written: the run, its images by status, accuracy, the ledger "
        "of\n"
        "every variable, the flow matrices, the slowest stage. For every variable, mass + bias + absorbed = 1 in each\n"
        "image; the gap is the largest difference from it.",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list files;
    int status;

    return command_start(&status, &files, &table, argc, argv) ? show(files.items[0], json) : status;
}
