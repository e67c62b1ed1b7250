#include "pipeline/command/query.h"

#include "pipeline/command/command.h"
#include "pipeline/command/parallel.h"
#include "pipeline/run/probe.h"
#include "pipeline/util/json.h"
#include "pipeline/util/option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

/* Images that are listed on a terminal. */
enum { LISTED = 40 };

struct arguments {
    struct look_options look;
    struct option_list sets;
    bool json, explain;
};

static bool parse(struct arguments *out, int argc, char **argv, int *status)
{
    const struct option_row rows[] = {
        {"images", 0, OPTION_TEXT, &out->look.images, "A:B", "only images A <= i < B; by default those of CONFIG"},
        {"set", 0, OPTION_LIST, &out->sets, "KEY=VALUE",
         "change a key of the configuration, as measure.composite=zero"},
        {"explain", 0, OPTION_FLAG, &out->explain, NULL, "show how it would be computed, and compute nothing"},
        {"json", 0, OPTION_FLAG, &out->json, NULL, "print one JSON object"},
    };
    const struct option_table table = {
        "nrmflow query",
        "CONFIG EXPRESSION",
        2,
        2,
        "Computes the relevance of sets of neurons, image by image, with mean and standard error: the measure of the "
        "walks that pass them. CONFIG is the configuration of a run; its condition and queries do not matter here.\n"
        "\n"
        "  conv5_3[155]                        a channel\n"
        "  conv5_3[3,7,20:24]                  channels 3, 7 and 20 to 23\n"
        "  conv4_1[12]@(0:7,3:10)              rows 0 to 6 and columns 3 to 9 of a channel\n"
        "  conv4_1, input@(10:50,10:50)        a whole layer, a region of the input\n"
        "  bias(conv4_2)                       what conv4_2's link hands to its bias\n"
        "  A and B, A or B, (A or B) and C     in one or several layers\n"
        "  not A                               the other neurons of A's layer\n"
        "  A and B given C                     relevance of A, B and C divided by that of C",
        rows,
        sizeof rows / sizeof rows[0],
    };
    struct option_list words;

    if (!command_start(status, &words, &table, argc, argv))
        return false;
    out->look.config = words.items[0];
    out->look.query = words.items[1];
    out->look.sets = out->sets.items;
    out->look.nsets = out->sets.count;
    return true;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static struct queries_mean mean_of(const struct look *look)
{
    double *values = calloc(2 * look->count, sizeof *values);
    struct queries_mean mean = {.mean = NAN, .std_error = NAN, .given_mean = NAN, .given_std_error = NAN};

    if (!values)
        return mean;
    for (size_t i = 0; i < look->count; i++) {
        bool ok = look->images[i].status == STORE_IMAGE_OK;
        values[i] = ok ? look->images[i].value : NAN;
        values[look->count + i] = ok ? look->images[i].given : NAN;
    }
    mean = queries_mean(values, values + look->count, look->count);
    free(values);
    return mean;
}

static bool conditional(const struct look *look)
{
    return !look_query(look)->given.everything;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void print_image(const struct look *look, size_t i)
{
    const struct look_image *image = &look->images[i];

    printf("%-8zu", look->first + i);
    if (image->status != STORE_IMAGE_OK) {
        printf("  %s\n", store_status_name(image->status));
        return;
    }
    printf("  %12.5g", image->value);
    if (conditional(look) && isnan(queries_ratio(image->value, image->given)))
        printf("  %12.5g  %12s", image->given, "-");
    else if (conditional(look))
        printf("  %12.5g  %12.5g", image->given, queries_ratio(image->value, image->given));
    printf("  %d %s\n", image->target, look_class(look, image->target));
}

static void print_mean(const struct look *look, struct queries_mean mean)
{
    printf("\n%s of %zu images: %.6g +- %.2g\n", conditional(look) ? "ratio of the means" : "mean", mean.images,
           mean.mean, mean.std_error);
    if (conditional(look))
        printf("mean of the condition: %.6g +- %.2g\n", mean.given_mean, mean.given_std_error);
    if (mean.weak)
        puts("warning: the condition's mean is within 3 standard errors of zero, so that the ratio means little.");
}

static void print_text(const struct look *look, const char *expression)
{
    printf("%s\n\n%-8s  %12s", expression, "image", "value");
    printf(conditional(look) ? "  %12s  %12s  target\n" : "  target\n", "given", "ratio");
    for (size_t i = 0; i < look->count && i < LISTED; i++)
        print_image(look, i);
    if (look->count > LISTED)
        printf("and %zu more, which --json lists\n", look->count - LISTED);
    print_mean(look, mean_of(look));
}

static void explain(const struct look *look, const char *expression)
{
    const struct query *query = look_query(look);
    const struct network *net = &look_model(look)->net;

    printf("%s\n\nvalue\n", expression);
    sets_plan_print(stdout, &query->value, net);
    if (!conditional(look))
        return;
    puts("given");
    sets_plan_print(stdout, &query->given, net);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *json_plan(const struct look *look)
{
    const struct query *query = look_query(look);

    return json_pack("{s:I,s:I}", "value", (json_int_t)decision_passes(&query->value.decision), "given",
                     (json_int_t)decision_passes(&query->given.decision));
}

static void add_images(json_t *object, const struct look *look)
{
    static const char *const names[] = {"images", "status", "target", "label", "logit", "values", "given", "ratio"};

    enum { COLUMNS = sizeof names / sizeof names[0] };

    json_t *lists[COLUMNS];

    command_json_columns(lists, object, names, COLUMNS);
    for (size_t i = 0; i < look->count; i++) {
        const struct look_image *image = &look->images[i];
        json_t *cells[COLUMNS] = {json_integer((json_int_t)(look->first + i)),
                                  command_json_text(store_status_name(image->status)),
                                  json_integer(image->target),
                                  json_integer(image->label),
                                  command_json_real(image->logit),
                                  command_json_real(image->value),
                                  command_json_real(image->given),
                                  command_json_real(queries_ratio(image->value, image->given))};
        command_json_row(lists, cells, COLUMNS);
    }
}

static void print_json(const struct look *look, const char *expression, bool plan_only)
{
    json_t *object = json_object();

    json_object_set_new(object, "expression", command_json_text(expression));
    json_object_set_new(object, "passes", json_plan(look));
    if (!plan_only) {
        struct queries_mean mean = mean_of(look);
        add_images(object, look);
        json_object_set_new(object, "counted", json_integer((json_int_t)mean.images));
        json_object_set_new(object, "mean", command_json_real(mean.mean));
        json_object_set_new(object, "std_error", command_json_real(mean.std_error));
        json_object_set_new(object, "given_mean", command_json_real(mean.given_mean));
        json_object_set_new(object, "given_std_error", command_json_real(mean.given_std_error));
        json_object_set_new(object, "weak_condition", json_boolean(mean.weak));
    }
    command_json_print(object);
}

/* ---- command --------------------------------------------------------------------------------------------------- */

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    const char *expression = arguments->look.query;
    struct look look = {.run = NULL};
    enum status rc = OK;

    TRY(look_begin(&look, &arguments->look, node, log, err));
    if (!arguments->explain)
        TRY(look_go(&look, (struct block_watcher){NULL, NULL}, (struct look_round){NULL, NULL}, err));
    if (node->rank == 0 && arguments->json)
        print_json(&look, expression, arguments->explain);
    else if (node->rank == 0 && arguments->explain)
        explain(&look, expression);
    else if (node->rank == 0)
        print_text(&look, expression);
done:
    look_end(&look);
    return rc;
}

int command_query(int argc, char **argv)
{
    struct arguments arguments = {.json = false};
    int status = COMMAND_OK;

    if (!parse(&arguments, argc, argv, &status))
        return status;
    return command_parallel(answer, &arguments);
}
