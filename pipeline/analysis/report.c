#include "pipeline/analysis/report.h"

#include "pipeline/analysis/report_arrays.h"
#include "pipeline/analysis/report_blocks.h"
#include "pipeline/analysis/report_evaluation.h"
#include "pipeline/analysis/report_page.h"
#include "pipeline/results/class_depth.h"
#include "pipeline/results/classes.h"
#include "pipeline/results/layers.h"
#include "pipeline/results/origin.h"
#include "pipeline/results/summary_json.h"
#include "pipeline/util/json_output.h"

#include <stdlib.h>
#include <string.h>

enum { LISTED_FAILURES = 200 };

/* The state of a report. */
struct report {
    struct summary summary;
    struct store_reader *reader;
    struct html_page *page;
    json_t *json;
    struct report_arrays arrays;
};

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Rows of images that are not OK: number, path, status. */
static enum status add_failures(struct report *report, struct error *err)
{
    size_t n = report->summary.images, npaths = STORE_ANY;
    int64_t *status = NULL;
    char **paths = NULL;
    json_t *list = json_array();
    enum status rc = OK;

    json_object_set_new(report->json, "failures", list);
    if (n == 0 || !report->summary.complete || report->summary.by_status[STORE_IMAGE_OK] == n)
        return OK;
    TRY(store_read_int(&status, report->reader, "images/status", 1, &n, err));
    TRY(store_read_text(&paths, report->reader, "images/path", &npaths, err));
    for (size_t i = 0; i < n && i < npaths && json_array_size(list) < LISTED_FAILURES; i++)
        if (status[i] != STORE_IMAGE_OK)
            json_array_append_new(list, json_pack("{s:I,s:o,s:s}", "image", (json_int_t)i, "path",
                                                  json_output_text(paths[i]), "status", store_status_name(status[i])));
done:
    free(status);
    free(paths);
    return rc;
}

/* For every class the number of images with its label, and how many of them the network predicts correctly. */
static enum status count_correct(json_t *list, const struct report *report, struct error *err)
{
    size_t n = report->summary.images, nclasses = json_array_size(list);
    int64_t *label = NULL, *predicted = NULL;
    size_t *counts = calloc(2 * nclasses + 1, sizeof *counts);
    enum status rc = OK;

    if (!counts)
        TRY(error_system(err, "no memory for counts by class"));
    TRY(store_read_int(&label, report->reader, "images/label", 1, &n, err));
    TRY(store_read_int(&predicted, report->reader, "images/predicted", 1, &n, err));
    for (size_t i = 0; i < n; i++)
        if (predicted[i] >= 0 && label[i] >= 0 && (size_t)label[i] < nclasses) {
            counts[2 * label[i]]++;
            counts[2 * label[i] + 1] += label[i] == predicted[i];
        }
    for (size_t k = 0; k < nclasses; k++) {
        json_object_set_new(json_array_get(list, k), "labelled", json_integer((json_int_t)counts[2 * k]));
        json_object_set_new(json_array_get(list, k), "correct", json_integer((json_int_t)counts[2 * k + 1]));
    }
done:
    free(label);
    free(predicted);
    free(counts);
    return rc;
}

/* ---- classes --------------------------------------------------------------------------------------------------- */

static enum status add_classes(struct report *report, const char *path, struct error *err)
{
    struct classes classes = {0};
    json_t *list = json_array();
    enum status rc = OK;

    json_object_set_new(report->json, "classes", list);
    if (!store_has(report->reader, "classes/count"))
        return OK;
    TRY(classes_read(&classes, report->reader, path, err));
    for (size_t k = 0; k < classes.count; k++)
        json_array_append_new(list,
                              json_pack("{s:o,s:I,s:o,s:o}", "name", json_output_text(classes.names[k]), "images",
                                        (json_int_t)classes.images[k], "given_mass", json_output_real(classes.given[k]),
                                        "given_std_error", json_output_real(classes.given_error[k])));
    if (report->summary.labelled)
        TRY(count_correct(list, report, err));
done:
    classes_free(&classes);
    return rc;
}

/* Matrices of flows; "flow_classes" are the classes with flows of their own. */
static enum status add_flows(struct report *report, struct error *err)
{
    size_t stored = STORE_ANY, shown;
    int64_t *numbers = NULL;
    json_t *list = json_array();
    enum status rc = OK;

    json_object_set_new(report->json, "flow_classes", list);
    if (store_has(report->reader, "flow_class"))
        TRY(store_read_int(&numbers, report->reader, "flow_class", 1, &stored, err));
    shown = numbers ? stored : 0;
    TRY(report_arrays_flows(&report->arrays, &report->summary, &shown, err));
    for (size_t i = 0; numbers && i < shown; i++)
        json_array_append_new(list, json_integer((json_int_t)numbers[i]));
    json_object_set_new(report->json, "flow_classes_stored", json_integer(numbers ? (json_int_t)stored : 0));
done:
    free(numbers);
    return rc;
}

/* ---- network --------------------------------------------------------------------------------------------------- */

/* "network": the layers with channels of their own, which of them are cuts, the one to show first, and blocks. */
static enum status add_network(struct report *report, const char *path, struct error *err)
{
    struct layers layers = {0};
    json_t *list = json_array(), *blocks = NULL;
    enum status rc = OK;

    TRY(layers_read(&layers, report->reader, path, err));
    for (size_t k = 0; k < layers.count; k++)
        if (layers.items[k].own)
            json_array_append_new(
                list, json_pack("{s:s,s:b}", "name", layers.items[k].name, "cut", (int)layers.items[k].cut));
    TRY(report_blocks(&blocks, report->reader, &report->summary, &layers, err));
    json_object_set_new(report->json, "network",
                        json_pack("{s:s,s:O,s:o}", "first",
                                  layers.count ? layers.items[layers_default(&layers)].name : "", "layers", list,
                                  "blocks", blocks));
done:
    json_decref(list);
    layers_free(&layers);
    return rc;
}

/* The first of the evaluations whose test `targets` has images enough; NULL: a rule of thumb must do. */
static const char *choose_evaluation(const struct option_list *evaluations)
{
    for (size_t i = 0; i < evaluations->count; i++)
        if (class_depth_measurable(evaluations->items[i]))
            return evaluations->items[i];
    return NULL;
}

/* "class_depth": in which layers a comparison of classes says little, and a sentence; null if in none. */
static enum status add_class_depth(struct report *report, const struct report_options *options, struct error *err)
{
    const char *path = options->store, *evaluation = choose_evaluation(&options->evaluations);
    struct class_depth depth;
    char text[CLASS_DEPTH_TEXT];
    json_t *below = json_array();
    enum status rc = OK;

    TRY(class_depth_read(&depth, report->reader, path, err));
    if (evaluation && !depth.contrast) {
        class_depth_free(&depth);
        TRY(class_depth_measure(&depth, report->reader, path, evaluation, err));
    }
    class_depth_text(text, &depth, "A-B");
    for (size_t i = 0; i < depth.nbelow; i++)
        json_array_append_new(below, json_output_text(depth.below[i]));
    json_object_set_new(report->json, "class_depth",
                        depth.nbelow ? json_pack("{s:s,s:O}", "text", text, "below", below) : json_null());
done:
    json_decref(below);
    class_depth_free(&depth);
    return rc;
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

static enum status fill(struct report *report, const struct report_options *options, const struct node *node,
                        struct log *log, struct error *err)
{
    json_t *arrays = json_object();
    enum status rc = OK;

    json_object_set_new(report->json, "store", json_output_file_name(options->store));
    json_object_set_new(report->json, "summary", summary_json(&report->summary));
    json_object_set_new(report->json, "arrays", arrays);
    report->arrays = (struct report_arrays){report->page, report->reader, options->store, arrays};
    TRY(add_network(report, options->store, err));
    TRY(add_failures(report, err));
    TRY(add_classes(report, options->store, err));
    TRY(add_class_depth(report, options, err));
    TRY(report_arrays_layers(&report->arrays, &report->summary, err));
    TRY(add_flows(report, err));
    TRY(report_evaluation_add(report->json, report->reader, &options->evaluations, err));
    if (options->images.path)
        TRY(report_images_add(&report->arrays, report->json, &report->summary, &options->images, node, log, err));
done:
    return rc;
}

static enum status check_page(struct error *err)
{
    if (report_page_nhead && report_page_ntail)
        return OK;
    return error_set(err, FAIL_UNSUPPORTED,
                     "this nrmflow was built without the report's page, which needs Node.js 18 or newer and npm, and "
                     "access to the npm registry while it is built. Install them (Debian: apt-get install nodejs npm), "
                     "then build again: cmake --preset release -DNRMFLOW_REPORT=ON && cmake --build --preset release");
}

enum status report_write(size_t *nbytes, const struct report_options *options, const struct node *node, struct log *log,
                         struct error *err)
{
    struct report report = {.json = json_object()};
    char *text = NULL;
    enum status rc = OK;

    TRY(check_page(err));
    TRY(origin_open(&report.reader, options->store, err));
    TRY(summary_read(&report.summary, options->store, err));
    TRY(html_page_create(&report.page, options->output, report_page_head, report_page_nhead, err));
    TRY(fill(&report, options, node, log, err));
    text = json_dumps(report.json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the text of a report"));
    struct html_page *page = report.page;

    report.page = NULL;
    TRY(html_page_commit(nbytes, page, text, report_page_tail, report_page_ntail, err));
done:
    html_page_discard(report.page);
    free(text);
    json_decref(report.json);
    store_close(report.reader);
    summary_free(&report.summary);
    return rc;
}
