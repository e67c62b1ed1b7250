#include "io/weights/weights.h"

#include "io/onnx/graph.h"
#include "kernels/base/network_vgg.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/weights_graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { SHAPE = 128, NAME_COLUMN = 64 };

struct report {
    const char *path;
    struct weights *weights;
    char sha256[SHA256_HEX];
    bool recognised;
    struct network network;
    struct error reason; /* why it is not recognised */
};

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void recognise(struct report *report)
{
    struct network_layer layers[WEIGHTS_MAX_LAYERS];
    char why[256];

    if (weights_recognise(report->weights, &report->reason) != OK)
        return;
    size_t n = weights_nlayers(report->weights);
    assert(n <= WEIGHTS_MAX_LAYERS);
    for (size_t i = 0; i < n; i++) {
        const struct weights_layer *l = &weights_layers(report->weights)[i];
        layers[i] = (struct network_layer){l->convolution, l->out, l->in, l->weight, l->bias};
    }
    report->recognised = network_vgg_init(&report->network, why, sizeof why, layers, n);
    if (!report->recognised)
        error_set(&report->reason, FAIL_UNSUPPORTED, "%s: %s", report->path, why);
}

static enum status inspect(struct report *report, struct error *err)
{
    enum status rc;

    TRY(weights_open_container(&report->weights, report->path, err));
    TRY(weights_sha256(report->sha256, report->weights, err));
    recognise(report);
done:
    return rc;
}

static size_t parameters(const struct network *net)
{
    size_t n = 0;

    for (size_t i = 0; i < net->nlinks; i++) {
        const struct link *l = &net->links[i];
        if (l->kind == LINK_CONVOLUTION)
            n += l->upper.channels * (9 * l->lower.channels + 1);
        else if (l->kind == LINK_DENSE)
            n += l->upper.channels * (shape_neurons(l->lower) + 1);
    }
    return n;
}

static size_t classes(const struct network *net)
{
    return network_shape(net, net->nlinks).channels;
}

static const char *preprocessing(const struct report *report)
{
    return weights_keras_preprocessing(report->weights) ? "keras" : "torchvision";
}

/* Names come from an untrusted file; print only printable characters. */
static void printable(char *out, size_t n, const char *name)
{
    size_t i = 0;

    for (; name[i] && i + 1 < n; i++)
        out[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    out[i] = '\0';
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void format_shape(char out[SHAPE], const struct weights_tensor *t)
{
    size_t used = 0;

    snprintf(out, SHAPE, "scalar");
    for (size_t d = 0; d < t->ndim && used < SHAPE; d++)
        used += (size_t)snprintf(out + used, SHAPE - used, "%s%zu", d ? " x " : "", t->dims[d]);
}

static int name_width(const struct weights *w)
{
    size_t width = 4;

    for (size_t i = 0; i < weights_ntensors(w); i++) {
        size_t n = strlen(weights_tensor(w, i)->name);
        width = n > width && n < NAME_COLUMN ? n : width;
    }
    return (int)width;
}

static void print_text(const struct report *report)
{
    const struct weights *w = report->weights;
    const struct network *net = &report->network;
    int width = name_width(w);
    char name[256], shape[SHAPE];

    printf("%s\n  format   %s\n  sha256   %s\n", report->path, weights_format_name(w), report->sha256);
    if (weights_place(w)[0])
        printf("  found    at %s\n", weights_place(w));
    if (report->recognised) {
        struct shape in = network_shape(net, 0);
        printf("  network  %s%s: input %zu x %zu x %zu (channels, height, width), %zu classes, %zu parameters\n",
               net->name, weights_batchnorm(w) ? " with BatchNorm (folded)" : "", in.channels, in.height, in.width,
               classes(net), parameters(net));
        if (weights_batchnorm(w))
            printf("  epsilon  %g, of BatchNorm; model.batchnorm_eps changes it\n", weights_epsilon(w));
        printf("  input    prepared as for %s\n", preprocessing(report));
    } else {
        printf("  network  not recognised\n");
    }
    printf("  tensors  %zu\n\n", weights_ntensors(w));
    for (size_t i = 0; i < weights_ntensors(w); i++) {
        const struct weights_tensor *t = weights_tensor(w, i);
        printable(name, sizeof name, t->name);
        format_shape(shape, t);
        printf("%-*s  %-5s %s\n", width, name, t->dtype, shape);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *json_shape(const size_t *dims, size_t ndim)
{
    json_t *array = json_array();

    for (size_t d = 0; d < ndim; d++)
        json_array_append_new(array, json_integer((json_int_t)dims[d]));
    return array;
}

static json_t *json_tensors(const struct weights *w)
{
    json_t *array = json_array();
    char name[256];

    for (size_t i = 0; i < weights_ntensors(w); i++) {
        const struct weights_tensor *t = weights_tensor(w, i);
        printable(name, sizeof name, t->name);
        json_array_append_new(array, json_pack("{s:s, s:s, s:o}", "name", name, "dtype", t->dtype, "shape",
                                               json_shape(t->dims, t->ndim)));
    }
    return array;
}

static json_t *json_network(const struct report *report)
{
    const struct network *net = &report->network;
    struct shape in = network_shape(net, 0);
    size_t input[] = {in.channels, in.height, in.width};

    if (!report->recognised)
        return json_null();
    json_t *epsilon = weights_batchnorm(report->weights) ? json_real(weights_epsilon(report->weights)) : json_null();
    return json_pack("{s:s, s:o, s:I, s:I, s:b, s:o, s:s}", "name", net->name, "input", json_shape(input, 3), "classes",
                     (json_int_t)classes(net), "parameters", (json_int_t)parameters(net), "batchnorm",
                     (int)weights_batchnorm(report->weights), "batchnorm_eps", epsilon, "preprocessing",
                     preprocessing(report));
}

/* A path need not be UTF-8, which JSON requires. */
static json_t *json_path(const char *path)
{
    char text[1024];
    json_t *exact = json_string(path);

    if (exact)
        return exact;
    printable(text, sizeof text, path);
    return json_string(text);
}

static bool print_json(const struct report *report)
{
    json_t *root = json_pack("{s:o, s:s, s:s, s:o, s:o}", "path", json_path(report->path), "format",
                             weights_format_name(report->weights), "sha256", report->sha256, "network",
                             json_network(report), "tensors", json_tensors(report->weights));
    bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;

    putchar('\n');
    json_decref(root);
    return printed;
}

struct arguments {
    const char *path;
    bool json;
};

static const struct option_row rows[] = {
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Lists the tensors of a weights file (safetensors, Keras .h5, PyTorch .pth), its checksum, and the network "
    "that they form; of an ONNX file its graph: every variable with what it is computed from. Fails, after the list, "
    "if "
    "`run` cannot use the network.";

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    struct report report = {.path = a->path};
    struct error err = {0};

    if (onnx_graph_recognise(a->path))
        return weights_graph_print(a->path, a->json);
    int status = inspect(&report, &err) == OK ? COMMAND_OK : command_fail(&err);

    if (status == COMMAND_OK) {
        if (!a->json)
            print_text(&report);
        else if (!print_json(&report))
            status = command_fail(&(struct error){FAIL_SYSTEM, "cannot print JSON"});
        status = command_finish(status);
    }
    if (status == COMMAND_OK && !report.recognised)
        status = command_fail(&report.reason);
    weights_close(report.weights);
    return status;
}

const struct command command_weights = {
    .summary = "show what a weights file contains",
    .table = {.command = "weights",
              .operands = {"FILE", 1, 1, OPTION_TEXT, {FIELD(path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .run = run,
};
