#include "pipeline/command/commands.h"
#include "pipeline/results/summary.h"
#include "pipeline/results/summary_json.h"
#include "pipeline/run/time_profile.h"
#include "pipeline/stats/weak.h"
#include "pipeline/util/paint.h"
#include "pipeline/util/spark.h"
#include "pipeline/util/table.h"
#include "pipeline/util/wrap.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Largest tolerated gap of a ledger, relative to the total variation (docs/explanation/winograd.md). */
#define LEDGER_TOLERANCE 1e-5

enum { MAX_CONFIG_LINES = 60, MAX_SPARKS = 128 };

/* The data of the tables below. */
struct view {
    const struct summary *summary;
    bool colours;
};

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static void print_line(const char *label, const char *text)
{
    printf("%-18s", label);
    table_text(stdout, text);
    putchar('\n');
}

/* "35.3 MiB: layers 9.7 MiB, flows 12.0 MiB, images 2.3 MiB"; the rest is headers and attributes. */
static void print_size(const struct summary *summary)
{
    uint64_t layers = 0, flows = 0;
    char size[TABLE_CELL];

    for (size_t i = 0; i < summary->nlayers; i++)
        layers += summary->layers[i].nbytes;
    for (size_t i = 0; i < summary->nflows; i++)
        flows += summary->flows[i].nbytes;

    const struct {
        const char *name;
        uint64_t nbytes;
    } parts[] = {{"layers", layers},
                 {"flows", flows},
                 {"images", summary->images_bytes},
                 {"sums to continue from", summary->state_bytes}};

    const char *separator = ": ";

    table_size(size, summary->nbytes);
    printf("%-18s%s", "size", size);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].nbytes == 0)
            continue;
        table_size(size, parts[i].nbytes);
        printf("%s%s %s", separator, parts[i].name, size);
        separator = ", ";
    }
    putchar('\n');
}

static void print_run(const struct summary *summary, const char *path)
{
    print_line("store", path);
    print_size(summary);
    for (size_t i = 0; i < summary->nattributes; i++) {
        const struct summary_attribute *attribute = &summary->attributes[i];

        if (attribute->text)
            print_line(attribute->name, attribute->text);
        else
            printf("%-18s%" PRId64 "\n", attribute->name, attribute->integer);
    }
}

/* The lines of the configuration that set a value, as "section.key = value". */
static void print_config(const char *config)
{
    char section[64] = "", text[TABLE_CELL];
    size_t count = 0, left_out = 0;

    for (const char *line = config; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *start = line + strspn(line, " \t\r");
        size_t length = strcspn(start, "\r\n");

        if (length == 0 || start[0] == ';' || start[0] == '#' || start[length - 1] == '=')
            continue;
        if (start[0] == '[') {
            snprintf(section, sizeof section, "%.*s", (int)strcspn(start + 1, "]\r\n"), start + 1);
            continue;
        }
        if (count == MAX_CONFIG_LINES) {
            left_out++;
            continue;
        }
        snprintf(text, sizeof text, "%s.%.*s", section, (int)length, start);
        fputs(count++ ? "  " : "\nconfiguration\n  ", stdout);
        table_text(stdout, text);
        putchar('\n');
    }
    if (left_out)
        printf("  and %zu more lines, in the attribute config\n", left_out);
}

static void print_images(const struct view *view)
{
    const struct summary *summary = view->summary;
    enum paint paint = summary->complete ? PAINT_PLAIN : PAINT_YELLOW;

    printf("\n%-18s%zu, of which %zu finished%s%s%s\n", "images", summary->images, summary->finished,
           paint_start(view->colours, paint),
           summary->complete ? "" : " (the run is not complete; start it again to continue)",
           paint_end(view->colours, paint));
    for (int status = 0; status < STORE_NSTATUS; status++)
        if (summary->by_status[status]) {
            paint = status == STORE_IMAGE_OK ? PAINT_PLAIN : PAINT_YELLOW;
            printf("  %-16s%s%zu%s\n", store_status_name(status), paint_start(view->colours, paint),
                   summary->by_status[status], paint_end(view->colours, paint));
        }
    paint = summary->labels == summary->images || summary->labels == 0 ? PAINT_PLAIN : PAINT_YELLOW;
    if (summary->images)
        printf("%-18s%s%zu of %zu%s\n", "labels", paint_start(view->colours, paint), summary->labels, summary->images,
               paint_end(view->colours, paint));
    if (summary->labelled)
        printf("%-18s%.4f (%zu of %zu images with a label)\n", "accuracy",
               (double)summary->correct / (double)summary->labelled, summary->correct, summary->labelled);
    if (summary->has_given && summary->conditioned)
        printf("%-18s%.4g +- %.2g\n", "given mass", summary->given_mean, summary->given_error);
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static void put_text(char out[TABLE_CELL], const char *text)
{
    if (snprintf(out, TABLE_CELL, "%s", text) >= TABLE_CELL)
        memcpy(out + TABLE_CELL - 4, "...", 4);
}

enum { LAYER, CHANNELS, MASS, BIAS, ABSORBED, VARIATION, GAP, LAYER_SIZE, BYPASS, PASSES, LAYER_COLUMNS };

static void ledger_cell(char out[TABLE_CELL], const struct summary_layer *layer, size_t column)
{
    switch (column) {
    case MASS:
        snprintf(out, TABLE_CELL, "%.5f", layer->mass);
        break;
    case BIAS:
        snprintf(out, TABLE_CELL, "%.5f", layer->bias);
        break;
    case ABSORBED:
        snprintf(out, TABLE_CELL, "%.2e", layer->absorbed);
        break;
    case BYPASS:
        snprintf(out, TABLE_CELL, "%.5f", layer->bypass);
        break;
    case VARIATION:
        snprintf(out, TABLE_CELL, "%.4g", layer->variation);
        break;
    default:
        snprintf(out, TABLE_CELL, "%.1e", layer->gap);
    }
}

/* The columns of a network, from left to right; only one with branches has bypass, and shares that pass a branch. */
static const size_t chain_columns[] = {LAYER, CHANNELS, MASS, BIAS, ABSORBED, VARIATION, GAP, LAYER_SIZE};
static const size_t graph_columns[] = {LAYER,    CHANNELS,  MASS, BYPASS,     BIAS,
                                       ABSORBED, VARIATION, GAP,  LAYER_SIZE, PASSES};

static bool has_branches(const struct summary *summary)
{
    for (size_t i = 0; i < summary->nlayers; i++)
        if (!summary->layers[i].cut || summary->layers[i].bypass != 0)
            return true;
    return false;
}

static void layer_number(char out[TABLE_CELL], const struct summary_layer *layer, size_t column)
{
    bool ledger = column != CHANNELS && column != LAYER_SIZE && column != PASSES;

    if (column == LAYER)
        put_text(out, layer->name);
    else if (ledger && layer->has_ledger)
        ledger_cell(out, layer, column);
    else if (ledger || !layer->channels)
        return;
    else if (column == CHANNELS)
        snprintf(out, TABLE_CELL, "%zu", layer->channels);
    else if (column == LAYER_SIZE)
        table_size(out, layer->nbytes);
    else if (!layer->cut)
        snprintf(out, TABLE_CELL, "%.1f %%", 100 * layer->passes);
}

static const size_t *columns_of(const struct summary *summary)
{
    return has_branches(summary) ? graph_columns : chain_columns;
}

static void layer_cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct summary *summary = ((const struct view *)data)->summary;

    layer_number(out, &summary->layers[row], columns_of(summary)[column]);
}

static enum paint layer_paint(const void *data, size_t row, size_t column)
{
    const struct summary *summary = ((const struct view *)data)->summary;

    return columns_of(summary)[column] == GAP && summary->layers[row].relative_gap > LEDGER_TOLERANCE ? PAINT_RED
                                                                                                      : PAINT_PLAIN;
}

static void print_layers(const struct view *view)
{
    static const struct table_column all[LAYER_COLUMNS] = {
        [LAYER] = {"layer", true},          [CHANNELS] = {"channels", false}, [MASS] = {"mass", false},
        [BYPASS] = {"bypass", false},       [BIAS] = {"bias", false},         [ABSORBED] = {"absorbed", false},
        [VARIATION] = {"variation", false}, [GAP] = {"gap", false},           [LAYER_SIZE] = {"size", false},
        [PASSES] = {"passes it", false}};
    struct table_column columns[LAYER_COLUMNS];
    size_t n = has_branches(view->summary) ? sizeof graph_columns / sizeof graph_columns[0]
                                           : sizeof chain_columns / sizeof chain_columns[0];

    for (size_t i = 0; i < n; i++)
        columns[i] = all[columns_of(view->summary)[i]];
    table_print(stdout, &(struct table){columns, n, view->summary->nlayers, view, layer_cell, layer_paint},
                view->colours);
}

/* The mass of all variables as a sparkline, from the input to the logits. */
static void print_spark(const struct summary *summary)
{
    double masses[MAX_SPARKS], top = 1;
    char bars[MAX_SPARKS * SPARK_BYTES + 1];
    size_t n = 0;

    for (size_t i = 0; i < summary->nlayers && n < MAX_SPARKS; i++)
        if (summary->layers[i].has_ledger)
            masses[n++] = summary->layers[i].mass;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        top = masses[i] > top && isfinite(masses[i]) ? masses[i] : top;
    spark_draw(bars, masses, n, top, spark_unicode());
    printf("\n%-18s%s  0 to %.3g, from the input up\n", "mass by layer", bars, top);
}

enum { FLOW, UPPER, LOWER, METHOD, FLOW_SIZE };

static void flow_cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct summary_flow *flow = &((const struct view *)data)->summary->flows[row];

    if (column == FLOW)
        put_text(out, flow->name);
    else if (column == UPPER)
        snprintf(out, TABLE_CELL, "%zu", flow->upper);
    else if (column == LOWER && flow->diagonal)
        put_text(out, "the same");
    else if (column == LOWER)
        snprintf(out, TABLE_CELL, "%zu", flow->lower);
    else if (column == METHOD)
        put_text(out, flow->method);
    else
        table_size(out, flow->nbytes);
}

static void print_flows(const struct view *view)
{
    static const struct table_column columns[] = {
        {"flow", true}, {"upper", false}, {"lower", false}, {"method", true}, {"size", false}};

    table_print(
        stdout,
        &(struct table){columns, sizeof columns / sizeof columns[0], view->summary->nflows, view, flow_cell, NULL},
        view->colours);
}

enum { QUERY, MEAN, STD_ERROR, EXPRESSION };

static void query_cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct summary_query *query = &((const struct view *)data)->summary->queries[row];

    if (column == QUERY)
        put_text(out, query->name);
    else if (column == MEAN)
        snprintf(out, TABLE_CELL, "%.5g", query->mean);
    else if (column == STD_ERROR)
        snprintf(out, TABLE_CELL, "%.2g", query->std_error);
    else if (query->expression)
        put_text(out, query->expression);
}

static void print_queries(const struct view *view)
{
    static const struct table_column columns[] = {
        {"query", true}, {"mean", false}, {"std error", false}, {"expression", true}};

    table_print(
        stdout,
        &(struct table){columns, sizeof columns / sizeof columns[0], view->summary->nqueries, view, query_cell, NULL},
        view->colours);
}

enum { STAGE, SECONDS, SHARE, SLOWEST };

static double all_seconds(const struct summary *summary)
{
    double total = 0;

    for (size_t i = 0; i < summary->nstages; i++)
        total += summary->stages[i].seconds;
    return total;
}

static void stage_cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct summary *summary = ((const struct view *)data)->summary;
    const struct summary_stage *stage = &summary->stages[row];

    if (column == STAGE)
        put_text(out, stage->name);
    else if (column == SECONDS)
        snprintf(out, TABLE_CELL, "%.1f", stage->seconds);
    else if (column == SHARE)
        snprintf(out, TABLE_CELL, "%.0f %%", 100 * stage->seconds / all_seconds(summary));
    else if (row == 0)
        put_text(out, "slowest");
}

static void print_stages(const struct view *view)
{
    static const struct table_column columns[] = {{"stage", true}, {"seconds", false}, {"share", false}, {"", true}};
    size_t n = all_seconds(view->summary) > 0 ? view->summary->nstages : 0;

    const char *advice = n ? time_profile_advice(view->summary->stages[0].name) : NULL;

    table_print(stdout, &(struct table){columns, sizeof columns / sizeof columns[0], n, view, stage_cell, NULL},
                view->colours);
    if (advice)
        printf("\n%-18s%s\n", "advice", advice);
}

/* ---- warnings --------------------------------------------------------------------------------------------------- */

static double largest_gap(const struct summary *summary)
{
    double gap = 0;

    for (size_t i = 0; i < summary->nlayers; i++)
        gap = fmax(gap, summary->layers[i].relative_gap);
    return gap;
}

/* If several instruction sets, OpenBLAS cores or versions computed a store, the attribute lists them. */
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

static void print_weak(const struct summary *summary, const char *warning)
{
    char text[WEAK_TEXT];

    if (summary->weak_condition) {
        weak_text(text, summary->given_mean, summary->given_error);
        printf("%sweak_condition: %s.\n", warning, text);
    }
    for (size_t i = 0; i < summary->nqueries; i++)
        if (summary->queries[i].weak) {
            weak_text(text, summary->queries[i].given_mean, summary->queries[i].given_error);
            printf("%sweak_condition of the query %s: %s.\n", warning, summary->queries[i].name, text);
        }
}

static void print_warnings(const struct view *view)
{
    const struct summary *summary = view->summary;
    double gap = largest_gap(summary);
    size_t exploded = summary->by_status[STORE_IMAGE_EXPLODED];
    char warning[32];

    snprintf(warning, sizeof warning, "\n%swarning:%s ", paint_start(view->colours, PAINT_YELLOW),
             paint_end(view->colours, PAINT_YELLOW));
    if (is_shard(summary))
        printf("%sthis is one shard, with part of the run's images; `nrmflow merge` combines all shards.\n", warning);
    if (is_mixed(summary))
        printf("%sparts were computed with different instruction sets, OpenBLAS cores or versions of nrmflow, whose\n"
               "results differ in the last bits.\n",
               warning);
    print_weak(summary, warning);
    if (summary->condition_warning) {
        fputs(warning, stdout);
        wrap_words(stdout, summary->condition_warning, sizeof "warning:", 0);
    }
    if (gap > LEDGER_TOLERANCE)
        printf("%sthe ledger is open by up to %.1e of the total variation (%.0e is tolerated): some relevance is\n"
               "unaccounted for.\n",
               warning, gap, LEDGER_TOLERANCE);
    if (summary->failed)
        printf("%s%zu image%s could not be used; see images/status and images/path.\n", warning, summary->failed,
               summary->failed == 1 ? "" : "s");
    if (exploded)
        printf("%s%zu image%s exploded (a layer's total variation exceeds the limit), excluded from all means.\n",
               warning, exploded, exploded == 1 ? "" : "s");
}

/* An evaluation has no statistics of layers. */
static void print_evaluation(const struct summary *summary)
{
    printf("\n%-18s", "evaluation");
    table_text(stdout, summary->evaluation);
    puts("\n");
    for (const char *line = summary->verdicts; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char text[TABLE_CELL];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        table_text(stdout, text);
        putchar('\n');
    }
}

static void print_all(const struct summary *summary, const char *path)
{
    const struct view view = {summary, paint_wanted(stdout)};

    print_run(summary, path);
    if (summary->config)
        print_config(summary->config);
    print_images(&view);
    if (summary->evaluation)
        print_evaluation(summary);
    else
        print_layers(&view);
    print_spark(summary);
    print_flows(&view);
    print_queries(&view);
    print_stages(&view);
    print_warnings(&view);
}

/* ---- command --------------------------------------------------------------------------------------------------- */

struct arguments {
    const char *path;
    bool json;
};

static const struct option_row rows[] = {
    {"json", 0, OPTION_FLAG, FIELD(json),
     .help = "print one JSON object: images, finished, failed, complete, layers, flows and more"},
};

static const char help[] =
    "Shows what a store contains: the run, its images by status, accuracy, the ledger of every variable, the flow "
    "matrices, and the slowest stage. For every variable, mass + bypass + bias + absorbed = 1 in each image, where "
    "bypass "
    "is what connections carry past it; the gap is the largest deviation from 1. Of a network with branches, `passes "
    "it` "
    "is the share of the condition's walks that pass a branch.";

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    struct summary summary;
    struct error err = {0};
    int status = COMMAND_OK;

    if (summary_read(&summary, a->path, &err) != OK) {
        status = command_fail(&err);
        fputs("`nrmflow run CONFIG --output STORE` writes a store.\n", stderr);
    } else if (a->json) {
        json_t *object = summary_json(&summary);

        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
        putchar('\n');
        json_decref(object);
    } else {
        print_all(&summary, a->path);
    }
    summary_free(&summary);
    return command_finish(status);
}

const struct command command_info = {
    .summary = "show what a store contains",
    .table = {.command = "info",
              .operands = {"STORE", 1, 1, OPTION_TEXT, {FIELD(path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .run = run,
};
