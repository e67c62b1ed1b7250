#include "pipeline/analysis/export_virelay.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/util/json_output.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

struct arguments {
    const char *target;
    struct export_options options;
    bool json;
};

/* ---- command line ------------------------------------------------------------------------------------------------ */

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(options.folder), "FOLDER", .help = "the folder to write, new or empty"},
    {"config", 0, OPTION_TEXT, FIELD(options.source.path), "CONFIG", .help = "the configuration of the store's run"},
    {"layer", 0, OPTION_LIST, FIELD(options.layers), "LAYER",
     .help = "analyse this layer; default: the highest cut below the head in store.per_image"},
    {"set", 0, OPTION_LIST, FIELD(options.source.sets), "KEY=VALUE",
     .help = "change a key of the configuration, such as data.path=/data/val"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Writes a ViRelAy project: images, the relevance of their pixels, logits, and for every class embeddings and "
    "clusters of its images by the relevance of a layer's channels, which the store must have for every image "
    "(store.per_image). Open it with `virelay FOLDER/project.yaml`. Under mpirun, the ranks share the images.";

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;
    const struct export_options *options = &a->options;

    if (strcmp(a->target, "virelay") != 0)
        return error_set(err, FAIL_CONFIG, "there is no export to \"%s\", only to virelay: nrmflow export virelay %s",
                         a->target, options->store ? options->store : "STORE");
    if (!options->store)
        return error_set(err, FAIL_CONFIG, "missing argument: nrmflow export virelay STORE");
    if (!options->folder)
        return error_set(err, FAIL_CONFIG, "missing option: --output FOLDER, a new folder to write");
    if (!options->source.path)
        return error_set(err, FAIL_CONFIG,
                         "missing option: --config CONFIG, the configuration of the run, which is needed to compute "
                         "the relevance of pixels again");
    return OK;
}

/* ---- result ------------------------------------------------------------------------------------------------------ */

static void print_text(const struct export_result *result, const char *folder)
{
    printf("%s/project.yaml: %zu images", folder, result->images);
    if (result->ok < result->images)
        printf(", of which %zu have no relevance and are black", result->images - result->ok);
    putchar('\n');
    for (size_t i = 0; i < result->nanalyses; i++) {
        const struct export_analysis *analysis = &result->analyses[i];
        printf("%s: %zu classes", analysis->layer, analysis->categories);
        if (analysis->small)
            printf("; %zu with fewer than %d images are left out", analysis->small, (int)EXPORT_LEAST_IMAGES);
        putchar('\n');
    }
}

static void print_json(const struct export_result *result, const char *folder)
{
    json_t *list = json_array(), *object;

    for (size_t i = 0; i < result->nanalyses; i++) {
        const struct export_analysis *analysis = &result->analyses[i];
        json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "layer", analysis->layer, "classes",
                                              (json_int_t)analysis->categories, "classes_left_out",
                                              (json_int_t)analysis->small));
    }
    object = json_pack("{s:o,s:I,s:I,s:o}", "folder", json_output_text(folder), "images", (json_int_t)result->images,
                       "images_with_relevance", (json_int_t)result->ok, "analyses", list);
    json_output_print(object);
}

static enum status answer(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    struct export_result result;

    enum status rc = export_virelay(&result, &arguments->options, node, log, err);

    if (rc == OK && node->rank == 0 && arguments->json)
        print_json(&result, arguments->options.folder);
    else if (rc == OK && node->rank == 0)
        print_text(&result, arguments->options.folder);
    export_free(&result);
    return rc;
}

static int run(const void *arguments)
{
    return command_parallel(answer, arguments);
}

const struct command command_export = {
    .summary = "write a store as files for ViRelAy",
    .table = {.command = "export",
              .operands = {"virelay STORE", 1, 2, OPTION_TEXT, {FIELD(target), FIELD(options.store)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
