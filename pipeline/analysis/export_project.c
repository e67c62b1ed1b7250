#include "io/export/virelay.h"
#include "pipeline/analysis/export_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Class number of images without a label. */
static void add_class(json_t *list, size_t index, const char *id, const char *name)
{
    json_t *text = json_string(name);

    json_array_append_new(list, json_pack("{s:I,s:s,s:o}", "index", (json_int_t)index, "word_net_id", id, "name",
                                          text ? text : json_string("?")));
}

/* One entry more than there are classes: that of images without a label. */
static enum status write_label_map(const struct export_source *source, const char *folder, struct error *err)
{
    json_t *list = json_array();
    char path[EXPORT_PATH], id[64];

    for (size_t k = 0; k < source->classes; k++) {
        export_category_name(id, sizeof id, source, k);
        add_class(list, k, id, source->names[k]);
    }
    add_class(list, source->classes, "unlabelled", "no label");
    char *text = json_dumps(list, JSON_INDENT(1));
    json_decref(list);
    snprintf(path, sizeof path, "%s/label-map.json", folder);
    enum status rc = text ? virelay_write_text(path, text, err)
                          : error_set(err, FAIL_RESOURCE, "no memory for the label map of %s", folder);
    free(text);
    return rc;
}

/* "key: "value"", the value in JSON's quotes, which YAML reads, too. */
static void print_text(FILE *out, const char *key, const char *value)
{
    json_t *text = json_string(value);
    char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;

    fprintf(out, "%s: %s\n", key, quoted ? quoted : "\"?\"");
    free(quoted);
    json_decref(text);
}

/* What is explained, in ViRelAy's words where it has some. */
static const char *strategy(const struct config_target *target)
{
    static const char *const names[] = {[CONFIG_TARGET_PREDICTED] = "predicted_label",
                                        [CONFIG_TARGET_LABEL] = "true_label",
                                        [CONFIG_TARGET_CLASS] = "one class",
                                        [CONFIG_TARGET_CONTRAST] = "contrast of two classes"};

    return names[target->kind];
}

/* File name without folder and ending: what the viewer calls the project. */
static void project_name(char *name, size_t nbytes, const char *store)
{
    const char *slash = strrchr(store, '/'), *file = slash ? slash + 1 : store, *dot = strrchr(file, '.');

    snprintf(name, nbytes, "%.*s", (int)(dot && dot > file ? dot - file : (long)strlen(file)), file);
}

static void print_project(FILE *out, const struct export_source *source, const struct export_result *result)
{
    char text[EXPORT_PATH], file[EXPORT_PATH];

    project_name(text, sizeof text, source->path);
    fputs("project:\n", out);
    print_text(out, "  name", text);
    char *network = NULL;
    if (store_get_text(&network, source->reader, "", "network", NULL) != OK)
        network = NULL;
    print_text(out, "  model", network ? network : "VGG");
    free(network);
    fputs("  label_map: label-map.json\n  dataset:\n", out);
    print_text(out, "    name", source->origin.config.data.path.file);
    fputs("    type: hdf5\n    path: input.h5\n  attributions:\n", out);
    snprintf(text, sizeof text, "NRM %s", source->origin.config.measure.composite);
    print_text(out, "    attribution_method", text);
    print_text(out, "    attribution_strategy", strategy(&source->origin.config.measure.target));
    fputs("    sources:\n    - attribution.h5\n  analyses:\n", out);
    for (size_t i = 0; i < result->nanalyses; i++) {
        snprintf(text, sizeof text, "channel relevance of %s", result->analyses[i].layer);
        export_analysis_file(file, sizeof file, result->analyses[i].layer);
        print_text(out, "  - analysis_method", text);
        fprintf(out, "    sources:\n    - %s\n", file);
    }
}

enum status export_write_project(const struct export_source *source, const struct export_result *result,
                                 const char *folder, struct error *err)
{
    char *text = NULL, path[EXPORT_PATH];
    size_t nbytes = 0;
    enum status rc = OK;
    FILE *out = open_memstream(&text, &nbytes);

    if (!out)
        return error_set(err, FAIL_RESOURCE, "no memory for the project file of %s", folder);
    print_project(out, source, result);
    bool printed = fclose(out) == 0;
    snprintf(path, sizeof path, "%s/project.yaml", folder);
    if (!printed)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the project file of %s", folder));
    TRY(write_label_map(source, folder, err));
    TRY(virelay_write_text(path, text, err));
done:
    free(text);
    return rc;
}
