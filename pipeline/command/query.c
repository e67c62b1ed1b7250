#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/run/probe.h"
#include "pipeline/stats/weak.h"
#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

/* Images listed on a terminal. */
enum { LISTED = 40 };

struct arguments {
    struct probe_options probe;
    bool json, explain;
};

static const struct option_row rows[] = {
    {"images", 0, OPTION_RANGE, FIELD(probe.images), "A:B", .help = "only images A <= i < B; default: those of CONFIG"},
    {"set", 0, OPTION_LIST, FIELD(probe.source.sets), "KEY=VALUE",
     .help = "change a key of the configuration, such as measure.composite=zero"},
    {"explain", 0, OPTION_FLAG, FIELD(explain), .help = "show the plan of the computation, without computing"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Computes the relevance of sets of neurons, which is the measure of the walks through them, for each image, "
    "with mean and standard error. CONFIG is the configuration of a run; its condition and queries are ignored.\n"
    "\n"
    "  conv5_3[155]                        a channel\n"
    "  conv5_3[3,7,20:24]                  channels 3, 7 and 20 to 23\n"
    "  conv4_1[12]@(0:7,3:10)              rows 0 to 6 and columns 3 to 9 of a channel\n"
    "  conv4_1, input@(10:50,10:50)        a whole layer, a region of the input\n"
    "  bias(conv4_2)                       the bias of conv4_2's link\n"
    "  A and B, A or B, (A or B) and C     in one or several layers\n"
    "  not A                               the other neurons of A's layer\n"
    "  A and B given C                     relevance of A, B and C divided by that of C";

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static struct queries_mean mean_of(const struct probe *probe)
{
    double *values = calloc(2 * probe->count, sizeof *values);
    struct queries_mean mean = {.mean = NAN, .std_error = NAN, .given_mean = NAN, .given_std_error = NAN};

    if (!values)
        return mean;
    for (size_t i = 0; i < probe->count; i++) {
        bool ok = probe->images[i].status == STORE_IMAGE_OK;
        values[i] = ok ? probe->images[i].value : NAN;
        values[probe->count + i] = ok ? probe->images[i].given : NAN;
    }
    mean = queries_mean(values, values + probe->count, probe->count);
    free(values);
    return mean;
}

static bool conditional(const struct probe *probe)
{
    return !probe_query(probe)->given.everything;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void print_image(const struct probe *probe, size_t i)
{
    const struct probe_image *image = &probe->images[i];

    printf("%-8zu", probe->first + i);
    if (image->status != STORE_IMAGE_OK) {
        printf("  %s\n", store_status_name(image->status));
        return;
    }
    printf("  %12.5g", image->value);
    if (conditional(probe) && isnan(queries_ratio(image->value, image->given)))
        printf("  %12.5g  %12s", image->given, "-");
    else if (conditional(probe))
        printf("  %12.5g  %12.5g", image->given, queries_ratio(image->value, image->given));
    printf("  %d %s\n", image->target, probe_class(probe, image->target));
}

static void print_numbers(const struct probe *probe, struct queries_mean mean)
{
    printf("\n%s of %zu images: %.6g +- %.2g\n", conditional(probe) ? "ratio of the means" : "mean", mean.images,
           mean.mean, mean.std_error);
    if (conditional(probe))
        printf("mean of the condition: %.6g +- %.2g\n", mean.given_mean, mean.given_std_error);
}

static void print_mean(const struct probe *probe, struct queries_mean mean)
{
    char weak[WEAK_TEXT];

    if (mean.images >= 2) /* else the image's own line has it, and there is no standard error */
        print_numbers(probe, mean);
    if (mean.weak) {
        weak_text(weak, mean.given_mean, mean.given_std_error);
        printf("warning: weak_condition: %s\n", weak);
    }
}

static void print_text(const struct probe *probe, const char *expression)
{
    printf("%s\n\n%-8s  %12s", expression, "image", "value");
    printf(conditional(probe) ? "  %12s  %12s  target\n" : "  target\n", "given", "ratio");
    for (size_t i = 0; i < probe->count && i < LISTED; i++)
        print_image(probe, i);
    if (probe->count > LISTED)
        printf("and %zu more; --json lists all\n", probe->count - LISTED);
    print_mean(probe, mean_of(probe));
}

static void explain(const struct probe *probe, const char *expression)
{
    const struct query *query = probe_query(probe);
    const struct network *net = &probe_model(probe)->net;

    printf("%s\n\nvalue\n", expression);
    sets_plan_print(stdout, &query->value, net);
    if (!conditional(probe))
        return;
    puts("given");
    sets_plan_print(stdout, &query->given, net);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *json_plan(const struct probe *probe)
{
    const struct query *query = probe_query(probe);

    return json_pack("{s:I,s:I}", "value", (json_int_t)decision_passes(&query->value.decision), "given",
                     (json_int_t)decision_passes(&query->given.decision));
}

static void add_images(json_t *object, const struct probe *probe)
{
    static const char *const names[] = {"images", "status", "target", "label", "logit", "values", "given", "ratio"};

    enum { COLUMNS = sizeof names / sizeof names[0] };

    json_t *lists[COLUMNS];

    json_output_columns(lists, object, names, COLUMNS);
    for (size_t i = 0; i < probe->count; i++) {
        const struct probe_image *image = &probe->images[i];
        json_t *cells[COLUMNS] = {json_integer((json_int_t)(probe->first + i)),
                                  json_output_text(store_status_name(image->status)),
                                  json_integer(image->target),
                                  json_integer(image->label),
                                  json_output_real(image->logit),
                                  json_output_real(image->value),
                                  json_output_real(image->given),
                                  json_output_real(queries_ratio(image->value, image->given))};
        json_output_row(lists, cells, COLUMNS);
    }
}

static void print_json(const struct probe *probe, const char *expression, bool plan_only)
{
    json_t *object = json_object();

    json_object_set_new(object, "expression", json_output_text(expression));
    json_object_set_new(object, "passes", json_plan(probe));
    if (!plan_only) {
        struct queries_mean mean = mean_of(probe);
        add_images(object, probe);
        json_object_set_new(object, "counted", json_integer((json_int_t)mean.images));
        json_object_set_new(object, "mean", json_output_real(mean.mean));
        json_object_set_new(object, "std_error", json_output_real(mean.std_error));
        json_object_set_new(object, "given_mean", json_output_real(mean.given_mean));
        json_object_set_new(object, "given_std_error", json_output_real(mean.given_std_error));
        json_object_set_new(object, "weak_condition", json_boolean(mean.weak));
    }
    json_output_print(object);
}

/* ---- command --------------------------------------------------------------------------------------------------- */

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    const char *expression = arguments->probe.query;
    struct probe probe = {.images = NULL};
    enum status rc = OK;

    TRY(probe_begin(&probe, &arguments->probe, node, log, err));
    if (!arguments->explain)
        TRY(probe_run(&probe, (struct block_watcher){NULL, NULL}, (struct probe_round){NULL, NULL}, err));
    if (node->rank == 0 && arguments->json)
        print_json(&probe, expression, arguments->explain);
    else if (node->rank == 0 && arguments->explain)
        explain(&probe, expression);
    else if (node->rank == 0)
        print_text(&probe, expression);
done:
    probe_end(&probe);
    return rc;
}

static int run(const void *arguments)
{
    return command_parallel(answer, arguments);
}

const struct command command_query = {
    .summary = "compute the relevance of sets of neurons, jointly and conditionally",
    .table = {.command = "query",
              .operands = {"CONFIG EXPRESSION", 2, 2, OPTION_TEXT, {FIELD(probe.source.path), FIELD(probe.query)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .run = run,
};
