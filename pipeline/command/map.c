#include "pipeline/analysis/maps.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Images listed on a terminal. */
enum { LISTED = 40, PATH = 4096 };

struct arguments {
    struct maps_options maps;
    bool json;
};

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(maps.folder), "FOLDER",
     .help = "the folder for maps.h5 and the pictures; created if needed"},
    {"at", 0, OPTION_TEXT, FIELD(maps.at), "LAYER", .help = "map the neurons of this layer; default: input"},
    {"images", 0, OPTION_RANGE, FIELD(maps.probe.images), "A:B",
     .help = "only images A <= i < B; default: those of CONFIG"},
    {"set", 0, OPTION_LIST, FIELD(maps.probe.source.sets), "KEY=VALUE",
     .help = "change a key of the configuration, such as measure.composite=zero"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Shows where the walks through sets of neurons pass a layer: the joint relevance of the expression and each "
    "single neuron of the layer. Expressions are those of `nrmflow query`, without bias(...).\n"
    "\n"
    "  input                               the image's whole heatmap; times the logit, that of LRP\n"
    "  conv5_3[155]                        conv5_3's channel 155 (CRP's conditional heatmap)\n"
    "  conv5_3[155] given conv4_3[7]       relative to the walks through conv4_3's channel 7\n"
    "\n"
    "FOLDER/maps.h5 contains the maps as numbers, (image, channel, y, x) in queries/map/map, and for every image "
    "the numerator and the condition, which divides both. FOLDER/00000017.png shows image 17 and, beside it, the "
    "image overlaid with the sum over channels: red above zero, blue below, full colour at the image's largest "
    "magnitude.";

static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;

    if (!a->maps.folder)
        return error_set(err, FAIL_CONFIG, "missing option: --output FOLDER, the folder for the maps");
    if (!a->maps.at)
        a->maps.at = "input";
    return OK;
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

/* One image; the numbers are NaN unless its status is OK. */
struct line {
    const struct probe_image *image;
    double sum, largest; /* of the map, relative to the condition */
    char picture[PATH];  /* "" if there is none */
};

static struct line line_of(const struct maps *maps, const struct arguments *arguments, size_t i)
{
    const struct probe_image *image = &maps->probe.images[i];
    const struct maps_image *map = &maps->images[i];
    struct line line = {.image = image,
                        .sum = queries_ratio(map->sum, image->given),
                        .largest = fabs(queries_ratio(map->largest, image->given))};

    if (map->drawn)
        maps_picture(line.picture, sizeof line.picture, arguments->maps.folder, maps->probe.first + i);
    return line;
}

static void print_text(const struct maps *maps, const struct arguments *arguments)
{
    size_t n = maps->probe.count;

    printf("%s at %s, %zu x %zu x %zu\n\n%-8s  %12s  %12s  %12s  target\n", arguments->maps.probe.query,
           arguments->maps.at, maps->shape.channels, maps->shape.height, maps->shape.width, "image", "relevance",
           "of the map", "full colour");
    for (size_t i = 0; i < n && i < LISTED; i++) {
        struct line line = line_of(maps, arguments, i);
        printf("%-8zu", maps->probe.first + i);
        if (line.image->status != STORE_IMAGE_OK)
            printf("  %s\n", store_status_name(line.image->status));
        else if (isnan(line.sum))
            printf("  %12s  the condition, %.3g, is too small to divide by\n", "-", line.image->given);
        else
            printf("  %12.5g  %12.5g  %12.5g  %d %s\n", queries_ratio(line.image->value, line.image->given), line.sum,
                   line.largest, line.image->target, probe_class(&maps->probe, line.image->target));
    }
    if (n > LISTED)
        printf("and %zu more; --json lists all\n", n - LISTED);
    if (maps->mean.images > 1)
        printf("\nmean of %zu images: %.6g +- %.2g", maps->mean.images, maps->mean.mean, maps->mean.std_error);
    printf("\n%s\n", maps->path);
    if (maps->shape.height * maps->shape.width == 1)
        printf("%s has no positions, so there are no pictures.\n", arguments->maps.at);
    if (maps->mean.weak)
        puts("warning: weak_condition: the condition's mean is zero or within 3 standard errors of it, so ratios say "
             "nothing.");
}

static void print_json(const struct maps *maps, const struct arguments *arguments)
{
    static const char *const names[] = {"images", "status", "target",  "logit",   "values",
                                        "given",  "sums",   "largest", "pictures"};

    enum { COLUMNS = sizeof names / sizeof names[0] };

    json_t *object = json_object(), *lists[COLUMNS];

    json_object_set_new(object, "expression", json_output_text(arguments->maps.probe.query));
    json_object_set_new(object, "layer", json_output_text(arguments->maps.at));
    json_object_set_new(object, "file", json_output_text(maps->path));
    json_output_columns(lists, object, names, COLUMNS);
    for (size_t i = 0; i < maps->probe.count; i++) {
        struct line line = line_of(maps, arguments, i);
        json_t *cells[COLUMNS] = {json_integer((json_int_t)(maps->probe.first + i)),
                                  json_output_text(store_status_name(line.image->status)),
                                  json_integer(line.image->target),
                                  json_output_real(line.image->logit),
                                  json_output_real(line.image->value),
                                  json_output_real(line.image->given),
                                  json_output_real(line.sum),
                                  json_output_real(line.largest),
                                  *line.picture ? json_output_text(line.picture) : json_null()};
        json_output_row(lists, cells, COLUMNS);
    }
    json_object_set_new(object, "mean", json_output_real(maps->mean.mean));
    json_object_set_new(object, "std_error", json_output_real(maps->mean.std_error));
    json_object_set_new(object, "weak_condition", json_boolean(maps->mean.weak));
    json_output_print(object);
}

/* ---- command ----------------------------------------------------------------------------------------------------- */

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    struct maps maps;

    enum status rc = maps_make(&maps, &arguments->maps, node, log, err);
    if (rc == OK && node->rank == 0 && arguments->json)
        print_json(&maps, arguments);
    else if (rc == OK && node->rank == 0)
        print_text(&maps, arguments);
    maps_free(&maps);
    return rc;
}

static int run(const void *arguments)
{
    return command_parallel(answer, arguments);
}

const struct command command_map = {
    .summary = "draw heatmaps of the walks through sets of neurons",
    .table =
        {.command = "map",
         .operands = {"CONFIG EXPRESSION", 2, 2, OPTION_TEXT, {FIELD(maps.probe.source.path), FIELD(maps.probe.query)}},
         .help = help,
         OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
