#include "pipeline/run/pixels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLOURS = 3, IMAGENET_SIDE = 224, BYTE = 255 };

static const char *const interpolations[] = {[IMAGE_BILINEAR] = "bilinear", [IMAGE_BICUBIC] = "bicubic"};

#define IMAGENET_MEAN                                                                                                  \
    {                                                                                                                  \
        0.485, 0.456, 0.406                                                                                            \
    }
#define IMAGENET_STD                                                                                                   \
    {                                                                                                                  \
        0.229, 0.224, 0.225                                                                                            \
    }
#define HALVES                                                                                                         \
    {                                                                                                                  \
        0.5, 0.5, 0.5                                                                                                  \
    }

/* What libraries do to the pixels of ImageNet. Mean and std are red, green, blue, of pixels from 0 to `scale`; the
 * short side becomes the input's times `resize`, to the nearest pixel or, as timm does it, rounded down. Keras leaves
 * resizing to the user. */
static const struct standard {
    const char *name;
    double scale, mean[COLOURS], std[COLOURS];
    bool bgr;
    double resize;
    bool round_down;
    enum image_filter filter;
} standards[] = {
    [CONFIG_PREPROCESSING_TORCHVISION] = {"torchvision", 1, IMAGENET_MEAN, IMAGENET_STD, .resize = 1 / 0.875},
    [CONFIG_PREPROCESSING_TORCHVISION_V2] = {"torchvision-v2", 1, IMAGENET_MEAN, IMAGENET_STD, .resize = 232.0 / 224},
    [CONFIG_PREPROCESSING_TIMM] = {"timm", 1, IMAGENET_MEAN, IMAGENET_STD, .resize = 1 / 0.875, .round_down = true,
                                   .filter = IMAGE_BICUBIC},
    [CONFIG_PREPROCESSING_TIMM_INCEPTION] = {"timm-inception", 1, HALVES, HALVES, .resize = 1 / 0.875,
                                             .round_down = true, .filter = IMAGE_BICUBIC},
    [CONFIG_PREPROCESSING_KERAS_CAFFE] =
        {"keras-caffe", BYTE, {123.68, 116.779, 103.939}, {1, 1, 1}, .bgr = true, .resize = 1 / 0.875},
    [CONFIG_PREPROCESSING_KERAS_TF] = {"keras-tf", 1, HALVES, HALVES, .resize = 1 / 0.875},
    [CONFIG_PREPROCESSING_KERAS_TORCH] = {"keras-torch", 1, IMAGENET_MEAN, IMAGENET_STD, .resize = 1 / 0.875},
};

/* ---- choosing -------------------------------------------------------------------------------------------------- */

static const struct standard *standard_of(const struct config *config, bool keras)
{
    if (config->data.preprocessing == CONFIG_PREPROCESSING_AUTO)
        return &standards[keras ? CONFIG_PREPROCESSING_KERAS_CAFFE : CONFIG_PREPROCESSING_TORCHVISION];
    return &standards[config->data.preprocessing];
}

const char *pixels_name(const struct config *config, bool keras)
{
    return standard_of(config, keras)->name;
}

bool pixels_bgr(const struct config *config, bool keras)
{
    return config->data.order == CONFIG_ORDER_AUTO ? standard_of(config, keras)->bgr
                                                   : config->data.order == CONFIG_ORDER_BGR;
}

static double scale_of(const struct config *config, const struct standard *standard)
{
    static const double scales[] = {[CONFIG_SCALE_1] = 1, [CONFIG_SCALE_255] = BYTE};

    return config->data.scale == CONFIG_SCALE_AUTO ? standard->scale : scales[config->data.scale];
}

/* `standard` is of pixels up to `from`, what is given of pixels up to `scale`. */
static enum status read_reals(float *out, const struct config_reals *given, const double *standard, double ratio,
                              size_t channels, const struct config *config, const char *key, struct error *err)
{
    if (given->count == 0 && channels != COLOURS)
        return config_fail(config, err, key, "the input has %zu channel%s, without a default value: set %s", channels,
                           channels == 1 ? "" : "s", key);
    if (given->count != 0 && given->count != channels)
        return config_fail(config, err, key, "%zu values for an input of %zu channel%s", given->count, channels,
                           channels == 1 ? "" : "s");
    for (size_t c = 0; c < channels; c++)
        out[c] = (float)(given->count ? given->values[c] : standard[c] * ratio);
    return OK;
}

static double largest(const struct config_reals *given)
{
    double most = 0;

    for (size_t c = 0; c < given->count; c++)
        most = fmax(most, given->values[c]);
    return most;
}

/* No mean lies outside of its pixels' range, and nobody shows a network images that are black but for rounding. */
static bool good_mean(double mean, double most, double scale)
{
    return mean >= 0 && mean <= scale && (scale == 1 || most == 0 || most > 1);
}

/* Of pixels up to 1 it is at most 1, which leaves them as they are; of pixels up to 255 at least 1. */
static bool good_std(double std, double scale)
{
    return scale == 1 ? std > 0 && std <= 1 : std >= 1;
}

static enum status wrong_scale(const struct config *config, const char *key, double value, double scale,
                               struct error *err)
{
    return config_fail(
        config, err, key,
        "%g cannot be of pixels from 0 to %g, which data.mean and data.std are of here; set data.scale = "
        "%g if they are of pixels from 0 to %g, or write both for pixels from 0 to %g",
        value, scale, BYTE / scale, BYTE / scale, scale);
}

/* Is this ImageNet's mean from blue to red? Pipelines around OpenCV and Caffe have it so. */
static bool is_reversed_mean(const struct config_reals *given, const double *mean, double ratio)
{
    const double tolerance = 0.02; /* 104, 117, 123 is meant, too; red and blue differ by 19 % */
    bool same = given->count == COLOURS;

    for (size_t c = 0; same && c < COLOURS; c++) {
        double want = mean[COLOURS - 1 - c] * ratio;
        same = fabs(given->values[c] - want) <= tolerance * want;
    }
    return same;
}

static enum status check_scale(const struct config *config, double scale, bool unknown, struct error *err)
{
    const struct config_reals *mean = &config->data.mean, *std = &config->data.std;
    const struct standard *torch = &standards[CONFIG_PREPROCESSING_TORCHVISION];
    const struct standard *caffe = &standards[CONFIG_PREPROCESSING_KERAS_CAFFE];
    double most = largest(mean);

    for (size_t c = 0; c < mean->count; c++)
        if (!good_mean(mean->values[c], most, scale))
            return wrong_scale(config, "data.mean", mean->values[c], scale, err);
    for (size_t c = 0; c < std->count; c++)
        if (!good_std(std->values[c], scale))
            return wrong_scale(config, "data.std", std->values[c], scale, err);
    if (unknown && mean->count > 0 && most == 0)
        return config_fail(
            config, err, "data.mean",
            "a mean of 0 does not say whether the network was trained on pixels from 0 to 1 or from 0 to "
            "255, and Keras' file does not either; set data.scale = 1 or data.scale = 255");
    if (is_reversed_mean(mean, torch->mean, scale / torch->scale) ||
        is_reversed_mean(mean, caffe->mean, scale / caffe->scale))
        return config_fail(config, err, "data.mean",
                           "%g, %g, %g is ImageNet's mean in the order blue, green, red; data.mean and data.std are in "
                           "the order red, green, blue, so write them the other way round; data.order = bgr is for a "
                           "network that reads blue first",
                           mean->values[0], mean->values[1], mean->values[2]);
    return OK;
}

/* The standard's sizes, but if none is asked for and the input is not ImageNet's a plain resize to it; images that are
 * padded to the input are not resized. */
static void choose_sizes(struct preprocessing *p, const struct config_data *data, const struct standard *standard,
                         size_t side)
{
    bool plain = data->preprocessing == CONFIG_PREPROCESSING_AUTO && side != IMAGENET_SIDE;
    double exact = (double)side * standard->resize;
    size_t resize = plain ? side : (size_t)(standard->round_down ? floor(exact + 1e-9) : round(exact));

    p->pad = data->pad.set ? data->pad.value : 0;
    p->resize = data->resize.set ? data->resize.value : p->pad ? 0 : resize;
    p->crop = data->crop.set ? data->crop.value : p->pad ? 0 : side;
    p->filter = data->interpolation == CONFIG_INTERPOLATION_AUTO      ? standard->filter
                : data->interpolation == CONFIG_INTERPOLATION_BICUBIC ? IMAGE_BICUBIC
                                                                      : IMAGE_BILINEAR;
}

static enum status check_order(const struct config *config, size_t channels, struct error *err)
{
    if (config->data.order != CONFIG_ORDER_AUTO && channels != COLOURS)
        return config_fail(config, err, "data.order", "the network's input has one channel: remove this key");
    return OK;
}

enum status pixels_choose(struct preprocessing *p, const struct config *config, const struct network *net, bool keras,
                          struct error *err)
{
    struct shape input = network_shape(net, 0);
    const struct standard *standard = standard_of(config, keras);
    double scale = scale_of(config, standard), ratio = scale / standard->scale;
    bool unknown =
        keras && config->data.scale == CONFIG_SCALE_AUTO && config->data.preprocessing == CONFIG_PREPROCESSING_AUTO;
    enum status rc = OK;

    *p = (struct preprocessing){
        .channels = input.channels, .height = input.height, .width = input.width, .divisor = (float)(BYTE / scale)};
    TRY(check_order(config, input.channels, err));
    choose_sizes(p, &config->data, standard, input.width);
    if (p->crop && p->crop + 2 * p->pad != input.width)
        TRY(config_fail(config, err, config->data.crop.set ? "data.crop" : "data.pad",
                        "a crop of %zu and a pad of %zu on each side make %zu, but the network's input is %zu wide",
                        p->crop, p->pad, p->crop + 2 * p->pad, input.width));
    TRY(read_reals(p->mean, &config->data.mean, standard->mean, ratio, input.channels, config, "data.mean", err));
    TRY(read_reals(p->std, &config->data.std, standard->std, ratio, input.channels, config, "data.std", err));
    TRY(check_scale(config, scale, unknown, err));
done:
    return rc;
}

void pixels_swap(float *weights, size_t out, size_t taps)
{
    for (size_t o = 0; o < out; o++) {
        float *red = weights + o * COLOURS * taps, *blue = red + (size_t)(COLOURS - 1) * taps;
        for (size_t i = 0; i < taps; i++) {
            float kept = red[i];
            red[i] = blue[i];
            blue[i] = kept;
        }
    }
}

/* ---- saying ---------------------------------------------------------------------------------------------------- */

static const char *order_name(const struct preprocessing *p, bool bgr)
{
    return p->channels == 1 ? "grey" : bgr ? "bgr" : "rgb";
}

static void print_reals(char *out, size_t n, const float *values, size_t count, const char *separator)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t c = 0; c < count && used < n; c++)
        used += (size_t)snprintf(out + used, n - used, "%s%.7g", c ? separator : "", (double)values[c]);
}

void pixels_line(char line[PIXELS_LINE], const struct preprocessing *p, const char *name, bool bgr)
{
    char mean[128], std[128], resize[32];

    print_reals(mean, sizeof mean, p->mean, p->channels, ",");
    print_reals(std, sizeof std, p->std, p->channels, ",");
    snprintf(resize, sizeof resize, p->resize ? "%zu(%s)" : "none", p->resize, interpolations[p->filter]);
    snprintf(line, PIXELS_LINE,
             "the network reads (pixel - mean) / std preprocessing=%s pixels=0..%g order=%s mean%s=%s std=%s resize=%s "
             "crop=%zu pad=%zu",
             name, (double)(BYTE / p->divisor), order_name(p, bgr), p->channels == 1 ? "" : "_rgb", mean, std, resize,
             p->crop, p->pad);
}

enum status pixels_save(struct store *store, const struct preprocessing *p, const char *name, bool bgr,
                        struct error *err)
{
    char mean[128], std[128], resampling[64] = "none";
    enum status rc = OK;

    print_reals(mean, sizeof mean, p->mean, p->channels, ", ");
    print_reals(std, sizeof std, p->std, p->channels, ", ");
    if (p->resize)
        snprintf(resampling, sizeof resampling, "%s, antialiased, as PIL", interpolations[p->filter]);
    TRY(store_set_text(store, "", "pixel_preprocessing", name, err));
    TRY(store_set_int(store, "", "pixel_scale", (int64_t)lroundf(BYTE / p->divisor), err));
    TRY(store_set_text(store, "", "pixel_order", order_name(p, bgr), err));
    TRY(store_set_text(store, "", "pixel_mean", mean, err));
    TRY(store_set_text(store, "", "pixel_std", std, err));
    TRY(store_set_int(store, "", "pixel_resize", (int64_t)p->resize, err));
    TRY(store_set_text(store, "", "pixel_resampling", resampling, err));
    TRY(store_set_int(store, "", "pixel_crop", (int64_t)p->crop, err));
    TRY(store_set_int(store, "", "pixel_pad", (int64_t)p->pad, err));
done:
    return rc;
}

enum status pixels_copy(struct store *store, const struct store_reader *from, struct error *err)
{
    static const char *const texts[] = {"pixel_preprocessing", "pixel_order", "pixel_mean", "pixel_std",
                                        "pixel_resampling"};
    static const char *const integers[] = {"pixel_scale", "pixel_resize", "pixel_crop", "pixel_pad"};
    enum status rc = OK;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *text = NULL;
        if (!store_has_attribute(from, "", texts[i]))
            continue;
        TRY(store_get_text(&text, from, "", texts[i], err));
        rc = store_set_text(store, "", texts[i], text, err);
        free(text);
        TRY(rc);
    }
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        int64_t value = 0;
        if (!store_has_attribute(from, "", integers[i]))
            continue;
        TRY(store_get_int(&value, from, "", integers[i], err));
        TRY(store_set_int(store, "", integers[i], value, err));
    }
done:
    return rc;
}
