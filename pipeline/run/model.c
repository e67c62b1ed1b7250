#include "pipeline/run/model.h"

#include "pipeline/mpi/agree.h"
#include "pipeline/run/model_file.h"
#include "pipeline/run/model_rules.h"
#include "pipeline/run/pixels.h"
#include "pipeline/sets/sets.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- the network ----------------------------------------------------------------------------------------------- */

static enum status check_network(const struct network *net, const struct config *config, struct error *err)
{
    if (strcmp(config->model.network, "auto") != 0 && strcmp(config->model.network, net->name) != 0)
        return config_fail(config, err, "model.network", "%s holds a %s", config->model.weights.file, net->name);
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
        if (rc == OK && config->model.batchnorm_eps.set &&
            !model_file_set_epsilon(file, config->model.batchnorm_eps.value))
            rc = config_fail(config, err, "model.batchnorm_eps", "%s has no BatchNorm; remove the key",
                             config->model.weights.file);
    }
    rc = agree(node->world, rc, err);
    MPI_Bcast(d, sizeof *d, MPI_BYTE, 0, node->world);
    return rc;
}

/* ---- preprocessing --------------------------------------------------------------------------------------------- */

void model_bounds(const struct preprocessing *p, float *low, float *high)
{
    float white = 255 / p->divisor;

    for (size_t c = 0; c < p->channels; c++) {
        low[c] = (0 - p->mean[c]) / p->std[c];
        high[c] = (white - p->mean[c]) / p->std[c];
    }
}

/* ---- the measure ----------------------------------------------------------------------------------------------- */

enum status model_unknown_variable(const struct model *model, const struct config *config, const char *key,
                                   const char *name, struct error *err)
{
    const struct network *net = &model->net;
    char hint[SUGGEST_HINT];
    struct suggest nearest;

    suggest_init(&nearest, name);
    for (size_t k = 0; k <= net->nlinks; k++)
        suggest_offer(&nearest, network_variable(net, k));
    suggest_hint(hint, sizeof hint, &nearest);
    return config_fail(config, err, key, "%s has no variable \"%s\"%s", net->name, name, hint);
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
                                        .group = measure_group_size(net, group)};
    TRY(model_rules_choose(options->rules, config, net, err));
    TRY(check_target(config, net, err));
    TRY(flows_choose(flows, config, net, err));
    memcpy(options->flows, flows->edges, sizeof options->flows);
    options->images = options->images || flows->count > 0;
done:
    return rc;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Keras' files are turned round to red, green, blue as they are read. Rank 0. */
static enum status load_weights(struct model *model, const struct model_file *file, bool keras, struct error *err)
{
    const struct network *net = &model->net;
    enum status rc = model_file_load(model->weights.memory, file, net, err);

    if (rc != OK || model->bgr == keras || model->preprocessing.channels != 3)
        return rc;
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        if (network_edge(net, k, 0)->lower == 0 && link->kind == LINK_CONVOLUTION)
            pixels_swap((float *)model->weights.memory + link->weight, link->upper.channels,
                        link->window.height * link->window.width);
    }
    return OK;
}

/* Copy the weights from rank 0 to every node. Collective. */
static enum status distribute_weights(struct model *model, const struct model_file *file,
                                      const struct model_description *d, const struct node *node, struct error *err)
{
    enum status rc = node_shared_alloc(node, &model->weights, d->nfloats * sizeof(float), err);

    if (rc != OK)
        return rc;
    if (node->rank == 0)
        rc = load_weights(model, file, d->keras, err);
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
    rc = pixels_choose(&model->preprocessing, config, &model->net, d.keras, err);
    model->pixels = pixels_name(config, d.keras);
    model->bgr = pixels_bgr(config, d.keras);
    if (rc == OK)
        rc = choose_measure(&options, &model->flows, config, &model->net, group, err);
    if (rc == OK && config->run.memory.set && d.nfloats > config->run.memory.value / sizeof(float))
        rc = config_fail(config, err, "run.memory", "the weights alone take %zu MiB, but only %zu MiB are allowed",
                         (d.nfloats * sizeof(float) >> 20) + 1, config->run.memory.value >> 20);
    TRY(agree(node->world, rc, err));
    if (options.given == GIVEN_SETS)
        TRY(place_masks(&options, model, config, node, err));
    TRY(distribute_weights(model, &file, &d, node, err));
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
    size_t nfloats = network_standard(&model->net, random->network, random->side, random->narrow, random->classes);
    if (nfloats == 0)
        return error_set(err, FAIL_CONFIG,
                         "there is no network \"%s\" for images of side %zu: choose " NETWORK_STANDARD_NAMES
                         ", and a multiple of 32",
                         random->network, random->side);
    rc = pixels_choose(&model->preprocessing, config, &model->net, false, err);
    model->pixels = pixels_name(config, false);
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
