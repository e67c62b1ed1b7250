#include "io/weights/keras_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { MAX_LAYERS = 1024 };

/* The layers of a model in the order of the file, those of nested models in their place. */
struct weights_keras_config {
    json_t *root;
    const json_t *layers[MAX_LAYERS];
    size_t nlayers;
};

/* What has been seen while the layers are checked in their order. */
struct check {
    const char *path;
    struct error *err;
    const char *name; /* of the layer */
    const json_t *config;
    const char *weighted; /* the last layer with weights, or NULL */
    bool rectified;       /* a ReLU follows it */
    bool padded;          /* a ZeroPadding2D has been seen */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static enum status refuse(const struct check *c, const char *reason)
{
    return error_set(c->err, FAIL_UNSUPPORTED, "%s: layer '%.100s': %s", c->path, c->name, reason);
}

/* ---- checks of one layer --------------------------------------------------------------------------------------- */

static enum status check_nothing(struct check *c)
{
    (void)c;
    return OK;
}

static enum status check_activation(struct check *c, const char *activation, bool last)
{
    if (strcmp(activation, "relu") == 0)
        c->rectified = true;
    else if (!last && strcmp(activation, "linear") != 0)
        return error_set(c->err, FAIL_UNSUPPORTED,
                         "%s: layer '%.100s': its activation is %.40s; only a network of ReLUs is supported", c->path,
                         c->name, activation[0] ? activation : "not named");
    return OK;
}

static enum status begin_weighted(struct check *c)
{
    if (c->weighted && !c->rectified)
        return error_set(c->err, FAIL_UNSUPPORTED,
                         "%s: layer '%.100s': no ReLU lies between it and '%.100s'; a VGG has one behind every layer",
                         c->path, c->name, c->weighted);
    c->weighted = c->name;
    c->rectified = false;
    return OK;
}

static bool is_one_one(const json_t *pair)
{
    return !pair ||
           (json_integer_value(json_array_get(pair, 0)) == 1 && json_integer_value(json_array_get(pair, 1)) == 1);
}

static enum status check_convolution(struct check *c)
{
    enum status rc;

    TRY(begin_weighted(c));
    if (strcmp(text_of(c->config, "data_format"), "channels_first") == 0)
        return refuse(c, "its data_format is channels_first; save the model as channels_last");
    if (strcmp(text_of(c->config, "padding"), "valid") == 0 && !c->padded)
        return refuse(c, "its padding is \"valid\"; a VGG's is \"same\"");
    if (!is_one_one(json_object_get(c->config, "strides")))
        return refuse(c, "its strides are not 1");
    rc = check_activation(c, text_of(c->config, "activation"), false);
done:
    return rc;
}

static enum status check_dense(struct check *c)
{
    enum status rc = begin_weighted(c);

    return rc == OK ? check_activation(c, text_of(c->config, "activation"), true) : rc;
}

static enum status check_batchnorm(struct check *c)
{
    return c->rectified ? refuse(c, "this BatchNormalization follows a ReLU, so it is no part of the layer before it")
                        : OK;
}

static enum status check_relu(struct check *c)
{
    const json_t *most = json_object_get(c->config, "max_value"), *slope = json_object_get(c->config, "negative_slope");

    if ((most && !json_is_null(most)) || json_number_value(slope) != 0)
        return refuse(c, "only a plain ReLU is supported");
    c->rectified = true;
    return OK;
}

static enum status check_activation_layer(struct check *c)
{
    return check_activation(c, text_of(c->config, "activation"), true);
}

static enum status check_padding(struct check *c)
{
    c->padded = true;
    return OK;
}

static enum status refuse_pixels(struct check *c)
{
    return refuse(c, "it changes pixels, which the program does itself: save the model without this layer, and say "
                     "what it does with data.mean and data.std");
}

static const struct class
{
    const char *name;
    enum status (*check)(struct check *c);
} classes[] = {
    {"InputLayer", check_nothing},
    {"Conv2D", check_convolution},
    {"Convolution2D", check_convolution},
    {"Dense", check_dense},
    {"MaxPooling2D", check_nothing},
    {"Flatten", check_nothing},
    {"Dropout", check_nothing},
    {"SpatialDropout2D", check_nothing},
    {"ReLU", check_relu},
    {"Activation", check_activation_layer},
    {"Softmax", check_nothing},
    {"BatchNormalization", check_batchnorm},
    {"ZeroPadding2D", check_padding},
    {"Rescaling", refuse_pixels},
    {"Normalization", refuse_pixels},
    {"GaussianNoise", check_nothing},
    {"RandomFlip", check_nothing},
    {"RandomRotation", check_nothing},
    {"RandomZoom", check_nothing},
    {"RandomTranslation", check_nothing},
    {"RandomContrast", check_nothing},
};

static enum status check_layer(struct check *c, const json_t *layer)
{
    const char *name = text_of(layer, "class_name");

    c->config = json_object_get(layer, "config");
    c->name = text_of(c->config, "name");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(name, classes[i].name) == 0)
            return classes[i].check(c);
    return error_set(c->err, FAIL_UNSUPPORTED, "%s: layer '%.100s': a VGG has no layer of class %.100s", c->path,
                     c->name, name);
}

/* A hidden dense layer is found to have another activation when the next one begins without a ReLU before it. */
static enum status check_layers(const struct weights_keras_config *config, const char *path, struct error *err)
{
    struct check check = {.path = path, .err = err};
    enum status rc = OK;

    for (size_t i = 0; i < config->nlayers; i++)
        TRY(check_layer(&check, config->layers[i]));
done:
    return rc;
}

/* ---- the whole description ------------------------------------------------------------------------------------- */

/* Sequential models of old had a list in place of an object with the key `layers`. Depth is limited by the parser. */
static bool flatten(struct weights_keras_config *config, const json_t *model)
{
    const json_t *inner = json_object_get(model, "config");
    const json_t *layers = json_is_array(inner) ? inner : json_object_get(inner, "layers");
    const json_t *layer;
    size_t i;

    if (!json_is_array(layers))
        return false;
    json_array_foreach(layers, i, layer)
    {
        if (flatten(config, layer))
            continue;
        if (config->nlayers == MAX_LAYERS)
            return false;
        config->layers[config->nlayers++] = layer;
    }
    return true;
}

enum status weights_keras_config_parse(struct weights_keras_config **out, const char *text, const char *path,
                                       struct error *err)
{
    struct weights_keras_config *config = calloc(1, sizeof *config);
    json_error_t why;
    enum status rc = OK;

    *out = config;
    if (!config)
        return error_system(err, "%s", path);
    config->root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!config->root)
        return error_set(err, FAIL_FORMAT, "%s: the attribute 'model_config' is not JSON: %s", path, why.text);
    if (!flatten(config, config->root))
        return error_set(err, FAIL_FORMAT, "%s: the attribute 'model_config' is not a list of at most %d layers", path,
                         MAX_LAYERS);
    rc = check_layers(config, path, err);
    return rc;
}

/* Whether a name is a whole part of a tensor's name, between slashes. */
static bool is_part(const char *tensor, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = strstr(tensor, name); n > 0 && at; at = strstr(at + 1, name))
        if ((at == tensor || at[-1] == '/') && at[n] == '/')
            return true;
    return false;
}

double weights_keras_config_epsilon(const struct weights_keras_config *config, const char *tensor)
{
    for (size_t i = 0; i < config->nlayers; i++) {
        const json_t *own = json_object_get(config->layers[i], "config");
        if (strcmp(text_of(config->layers[i], "class_name"), "BatchNormalization") == 0 &&
            is_part(tensor, text_of(own, "name")))
            return json_number_value(json_object_get(own, "epsilon"));
    }
    return 0;
}

void weights_keras_config_free(struct weights_keras_config *config)
{
    if (config)
        json_decref(config->root);
    free(config);
}
