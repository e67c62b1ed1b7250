#include "pipeline/run/model.h"

#include "pipeline/mpi/agree.h"
#include "pipeline/run/model_file.h"
#include "pipeline/sets/sets.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ImageNet's preprocessing in torchvision, and that of Keras' weights (the program feeds red, green, blue to both). */
static const float torch_mean[] = {0.485f, 0.456f, 0.406f}, torch_std[] = {0.229f, 0.224f, 0.225f};
static const float keras_mean[] = {123.68f, 116.779f, 103.939f}, keras_std[] = {1, 1, 1};

enum { IMAGENET_SIDE = 224, IMAGENET_RESIZE = 256 };

/* ---- the network ----------------------------------------------------------------------------------------------- */

static enum status check_network(const struct network *net, const struct config *config, struct error *err)
{
    struct shape input = network_shape(net, 0);

    if (strcmp(config->model.network, "auto") != 0 && strcmp(config->model.network, net->name) != 0)
        return config_fail(config, err, "model.network", "%s holds a %s", config->model.weights.file, net->name);
    if (input.height != input.width)
        return error_set(err, FAIL_UNSUPPORTED, "%s: the network's input is %zu x %zu; images are cropped to squares",
                         config->model.weights.file, input.height, input.width);
    return OK;
}

/* Rank 0 opens the file; all ranks get its description. Collective. */
static enum status open_file(struct model_file *file, struct model_description *d, const struct config *config,
                             const struct node *node, struct error *err)
{
    const struct config_data *data = &config->data;
    size_t side = data->crop.set ? data->crop.value + 2 * (data->pad.set ? data->pad.value : 0) : 0;
    enum status rc = OK;

    if (node->rank == 0) {
        rc = model_file_open(file, d, config->model.weights.file, side, err);
        if (rc == OK)
            rc = check_network(&d->net, config, err);
    }
    rc = agree(node->world, rc, err);
    MPI_Bcast(d, sizeof *d, MPI_BYTE, 0, node->world);
    return rc;
}

/* ---- preprocessing --------------------------------------------------------------------------------------------- */

static enum status read_reals(float *out, const struct config_reals *given, const float *standard, size_t channels,
                              const struct config *config, const char *key, struct error *err)
{
    if (given->count == 0 && !standard)
        return config_fail(config, err, key, "the input has %zu channel%s, without a default value: set %s", channels,
                           channels == 1 ? "" : "s", key);
    if (given->count != 0 && given->count != channels)
        return config_fail(config, err, key, "%zu values for an input of %zu channel%s", given->count, channels,
                           channels == 1 ? "" : "s");
    for (size_t c = 0; c < channels; c++)
        out[c] = given->count ? (float)given->values[c] : standard[c];
    return OK;
}

/* Default sizes: torchvision's for 224 x 224, else a plain resize to the input unless images are padded to it. */
static void choose_sizes(struct preprocessing *p, const struct config_data *data, size_t side)
{
    bool imagenet = side == IMAGENET_SIDE;
    size_t resize = imagenet ? IMAGENET_RESIZE : side;

    p->pad = data->pad.set ? data->pad.value : 0;
    p->resize = data->resize.set ? data->resize.value : p->pad ? 0 : resize;
    p->crop = data->crop.set ? data->crop.value : p->pad ? 0 : side;
}

static enum status choose_preprocessing(struct preprocessing *p, const struct config *config, const struct network *net,
                                        bool keras, struct error *err)
{
    struct shape input = network_shape(net, 0);
    const float *mean = keras ? keras_mean : torch_mean, *std = keras ? keras_std : torch_std;
    enum status rc = OK;

    *p = (struct preprocessing){.channels = input.channels,
                                .height = input.height,
                                .width = input.width,
                                .divisor = keras && config->data.mean.count == 0 ? 1 : 255};
    if (input.channels != 1 && input.channels != 3)
        TRY(error_set(err, FAIL_UNSUPPORTED, "%s: the network's input has %zu channels; images have 1 or 3",
                      config->model.weights.file, input.channels));
    choose_sizes(p, &config->data, input.width);
    if (p->crop && p->crop + 2 * p->pad != input.width)
        TRY(config_fail(config, err, config->data.crop.set ? "data.crop" : "data.pad",
                        "a crop of %zu and a pad of %zu on each side make %zu, but the network's input is %zu wide",
                        p->crop, p->pad, p->crop + 2 * p->pad, input.width));
    TRY(read_reals(p->mean, &config->data.mean, input.channels == 3 ? mean : NULL, input.channels, config, "data.mean",
                   err));
    TRY(read_reals(p->std, &config->data.std, input.channels == 3 ? std : NULL, input.channels, config, "data.std",
                   err));
    for (size_t c = 0; c < input.channels; c++)
        if (!(p->std[c] > 0))
            TRY(config_fail(config, err, "data.std", "%g is no standard deviation: it must be positive",
                            (double)p->std[c]));
done:
    return rc;
}

void model_bounds(const struct preprocessing *p, float *low, float *high)
{
    float white = 255 / p->divisor;

    for (size_t c = 0; c < p->channels; c++) {
        low[c] = (0 - p->mean[c]) / p->std[c];
        high[c] = (white - p->mean[c]) / p->std[c];
    }
}

/* ---- the measure ----------------------------------------------------------------------------------------------- */

static enum status unknown(const struct config *config, const struct network *net, const char *key, const char *what,
                           const char *name, struct error *err)
{
    struct suggest nearest;
    char hint[SUGGEST_HINT];

    suggest_init(&nearest, name);
    for (size_t k = 0; k <= net->nlinks; k++)
        suggest_offer(&nearest, network_variable(net, k));
    suggest_hint(hint, sizeof hint, &nearest);
    return config_fail(config, err, key, "%s has no %s \"%s\"%s", net->name, what, name, hint);
}

enum status model_unknown_variable(const struct model *model, const struct config *config, const char *key,
                                   const char *name, struct error *err)
{
    return unknown(config, &model->net, key, "variable", name, err);
}

static bool reads_input(const struct network *net, size_t k)
{
    return net->links[k].nedges == 1 && network_edge(net, k, 0)->lower == 0;
}

static enum status set_rules(struct measure_options *options, const struct config *config, const struct network *net,
                             struct error *err)
{
    enum status rc = OK;
    char key[64], message[256];

    if (!rule_composite(options->rules, config->measure.composite, net))
        TRY(config_fail(config, err, "measure.composite", "there is no composite \"%s\"", config->measure.composite));
    for (size_t i = 0; i < config->measure.rules.count; i++) {
        const struct config_pair *pair = &config->measure.rules.items[i];
        size_t k = network_find(net, pair->name);
        snprintf(key, sizeof key, "measure.rule.%s", pair->name);
        if (k == 0 || k > net->nlinks || !network_has_rule(&net->links[k - 1]))
            TRY(unknown(config, net, key, "layer with a rule", pair->name, err));
        if (!rule_parse(&options->rules[k - 1], message, sizeof message, pair->text))
            TRY(config_fail(config, err, key, "%s", message));
        if (options->rules[k - 1].kind == RULE_ZBOX && options->rules[k - 1].input_bounds && !reads_input(net, k - 1))
            TRY(config_fail(config, err, key, "above the first layer zbox needs its bounds: zbox low high"));
    }
done:
    return rc;
}

static enum status check_target(const struct config *config, const struct network *net, struct error *err)
{
    const struct config_target *target = &config->measure.target;
    size_t classes = network_shape(net, net->nlinks).channels;
    size_t highest = target->kind == CONFIG_TARGET_CONTRAST && target->b > target->a ? target->b : target->a;

    if ((target->kind == CONFIG_TARGET_CLASS || target->kind == CONFIG_TARGET_CONTRAST) && highest >= classes)
        return config_fail(config, err, "measure.target",
                           "there is no class %zu; the network has %zu classes, 0 to %zu", highest, classes,
                           classes - 1);
    return OK;
}

static enum measure_given given_of(const char *expression)
{
    if (strcmp(expression, "none") == 0)
        return GIVEN_NONE;
    return strcmp(expression, "input") == 0 ? GIVEN_INPUT : GIVEN_SETS;
}

static enum status choose_measure(struct measure_options *options, struct flows *flows, const struct config *config,
                                  const struct network *net, size_t group, struct error *err)
{
    enum status rc = OK;

    *options = (struct measure_options){.bias = config->measure.bias,
                                        .pool = config->measure.pool,
                                        .given = given_of(config->measure.given),
                                        .variation_limit = config->run.variation_limit,
                                        .images = config->measure.queries.count > 0,
                                        .group = group};
    TRY(set_rules(options, config, net, err));
    TRY(check_target(config, net, err));
    TRY(flows_choose(flows, config, net, err));
    memcpy(options->flows, flows->edges, sizeof options->flows);
    options->images = options->images || flows->count > 0;
done:
    return rc;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Copy the weights from rank 0 to every node. Collective. */
static enum status distribute_weights(struct model *model, const struct model_file *file, size_t nfloats,
                                      const struct node *node, struct error *err)
{
    enum status rc = node_shared_alloc(node, &model->weights, nfloats * sizeof(float), err);

    if (rc != OK)
        return rc;
    if (node->rank == 0)
        rc = model_file_load(model->weights.memory, file, &model->net, err);
    rc = agree(node->world, rc, err);
    if (rc == OK)
        node_broadcast(node, &model->weights);
    return rc;
}

/* On every node one rank derives the weights that the rules need. Collective. */
static enum status derive_weights(struct model *model, const struct node *node, struct error *err)
{
    float low[IMAGE_MAX_CHANNELS], high[IMAGE_MAX_CHANNELS];
    enum status rc = node_shared_alloc(node, &model->forms, measure_forms_floats(&model->plan) * sizeof(float), err);

    if (rc != OK)
        return rc;
    model_bounds(&model->preprocessing, low, high);
    if (model->forms.holder)
        measure_forms_compute(&model->plan, model->forms.memory, (struct link_bounds){low, high});
    node_barrier(node);
    measure_forms_bind(&model->plan, model->forms.memory);
    return OK;
}

/* Place the masks of the condition's sets, one copy per node. Collective. */
static enum status place_masks(struct measure_options *options, struct model *model, const struct config *config,
                               const struct node *node, struct error *err)
{
    float *masks[NETWORK_MAX_VARIABLES] = {NULL}, *next;
    size_t floats = 0;
    struct error why = {0};
    enum status rc = sets_masks(masks, config->measure.given, &model->net, &why);

    if (rc != OK)
        config_fail(config, err, "measure.given", "%s", why.message);
    TRY(agree(node->world, rc, err));
    for (size_t k = 0; k <= model->net.nlinks; k++)
        floats += masks[k] ? layout_floats(network_layout(&model->net, k)) : 0;
    TRY(node_shared_alloc(node, &model->masks, floats * sizeof(float), err));
    next = model->masks.memory;
    for (size_t k = 0; k <= model->net.nlinks; k++) {
        size_t n = masks[k] ? layout_floats(network_layout(&model->net, k)) : 0;
        if (masks[k] && model->masks.holder)
            memcpy(next, masks[k], n * sizeof(float));
        options->masks[k] = masks[k] ? next : NULL;
        next += n;
    }
    node_barrier(node);
done:
    sets_masks_free(masks);
    return rc;
}

enum status model_load(struct model *model, const struct config *config, size_t group, const struct ops *ops,
                       const struct node *node, struct error *err)
{
    struct model_file file = {NULL, NULL};
    struct model_description d = {0};
    struct measure_options options;
    enum status rc = OK;

    *model = (struct model){0};
    TRY(open_file(&file, &d, config, node, err));
    model->net = d.net;
    memcpy(model->sha256, d.sha256, sizeof model->sha256);
    rc = choose_preprocessing(&model->preprocessing, config, &model->net, d.keras, err);
    if (rc == OK)
        rc = choose_measure(&options, &model->flows, config, &model->net, group, err);
    if (rc == OK && config->run.memory.set && d.nfloats > config->run.memory.value / sizeof(float))
        rc = config_fail(config, err, "run.memory", "the weights alone take %zu MiB, but only %zu MiB are allowed",
                         (d.nfloats * sizeof(float) >> 20) + 1, config->run.memory.value >> 20);
    TRY(agree(node->world, rc, err));
    if (options.given == GIVEN_SETS)
        TRY(place_masks(&options, model, config, node, err));
    TRY(distribute_weights(model, &file, d.nfloats, node, err));
    options.ops = ops;
    measure_plan_init(&model->plan, &model->net, &options, model->weights.memory);
    TRY(derive_weights(model, node, err));
done:
    model_file_close(&file);
    return rc;
}

/* ---- random weights -------------------------------------------------------------------------------------------- */

/* SplitMix64: number i of a sequence. */
static uint64_t random_bits(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Uniform in -limit .. limit. */
static void fill_uniform(float *out, size_t n, uint64_t first, double limit)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((double)(int64_t)random_bits(first + i) * 0x1p-63 * limit);
}

/* Weights of variance 2 / inputs, which keep the scale of activations from layer to layer, and small biases of both
 * signs. */
static void fill_model(float *model, const struct network *net)
{
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *l = &net->links[k];
        size_t inputs = network_weight_floats(l) / l->upper.channels;
        if (l->kind != LINK_CONVOLUTION && l->kind != LINK_DENSE)
            continue;
        fill_uniform(model + l->weight, inputs * l->upper.channels, l->weight, sqrt(6 / (double)inputs));
        fill_uniform(model + l->bias, l->upper.channels, l->bias, 0.05);
    }
}

enum status model_random(struct model *model, const struct model_random *random, const struct config *config,
                         size_t group, const struct ops *ops, const struct node *node, struct error *err)
{
    struct measure_options options;
    enum status rc = OK;

    *model = (struct model){0};
    size_t nfloats = network_vgg_standard(&model->net, random->network, random->side, random->narrow, random->classes);
    if (nfloats == 0)
        return error_set(err, FAIL_CONFIG,
                         "there is no network \"%s\" for images of side %zu: choose vgg11, vgg13, vgg16 or vgg19, and "
                         "a multiple of 32",
                         random->network, random->side);
    rc = choose_preprocessing(&model->preprocessing, config, &model->net, false, err);
    if (rc == OK)
        rc = choose_measure(&options, &model->flows, config, &model->net, group, err);
    TRY(agree(node->world, rc, err));
    TRY(node_shared_alloc(node, &model->weights, nfloats * sizeof(float), err));
    if (model->weights.holder)
        fill_model(model->weights.memory, &model->net);
    node_barrier(node);
    options.ops = ops;
    measure_plan_init(&model->plan, &model->net, &options, model->weights.memory);
    TRY(derive_weights(model, node, err));
done:
    return rc;
}

enum status model_outline(struct model *model, const struct network *net, const struct config *config,
                          struct error *err)
{
    struct measure_plan *plan = &model->plan;
    enum status rc;

    *model = (struct model){.net = *net};
    plan->net = &model->net;
    rc = choose_measure(&plan->options, &model->flows, config, net, 1, err);
    for (size_t k = 0; k <= net->nlinks; k++)
        plan->channel[k + 1] = plan->channel[k] + network_shape(net, k).channels;
    return rc;
}

void model_free(struct model *model)
{
    node_shared_free(&model->weights);
    node_shared_free(&model->forms);
    node_shared_free(&model->masks);
}
