#include "pipeline/results/class_depth.h"

#include "kernels/base/number.h"
#include "pipeline/config/composite.h"
#include "pipeline/results/layers.h"
#include "pipeline/results/origin.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Layers with weights on the longest way from the input to each layer, its own included. */
static void count_weighted(size_t *depth, const struct layers *layers)
{
    const struct network *net = layers->net;

    depth[0] = 0;
    for (size_t k = 1; k < layers->count; k++) {
        const struct link *link = net ? &net->links[k - 1] : NULL;
        depth[k] = net ? 0 : depth[k - 1] + layers->items[k].own;
        for (size_t e = 0; link && e < link->nedges; e++)
            depth[k] = larger(depth[k], depth[network_edge(net, k - 1, e)->lower]);
        depth[k] += link && (link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE);
    }
}

/* little: [layers] whether a comparison says little there. */
static enum status list_below(struct class_depth *out, const struct layers *layers, const bool *little,
                              struct error *err)
{
    out->below = calloc(layers->count + 1, sizeof *out->below);
    for (size_t k = 0; k < layers->count && out->below; k++) {
        if (!little[k] && layers->items[k].own && !*out->from)
            snprintf(out->from, sizeof out->from, "%s", layers->items[k].name);
        if (!little[k])
            continue;
        out->below[out->nbelow] = strdup(layers->items[k].name);
        if (!out->below[out->nbelow++])
            return error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", layers->count);
    }
    return out->below ? OK : error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", layers->count);
}

/* ---- a rule of thumb --------------------------------------------------------------------------------------------- */

static enum status list_share(struct class_depth *out, const struct layers *layers, double share, struct error *err)
{
    size_t *depth = calloc(layers->count + 1, sizeof *depth);
    bool *little = calloc(layers->count + 1, sizeof *little);
    enum status rc = OK;

    if (!depth || !little)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", layers->count));
    count_weighted(depth, layers);
    double limit = share * (double)(layers->count ? depth[layers->count - 1] : 0);
    for (size_t k = 0; k < layers->count; k++)
        little[k] = (double)depth[k] <= limit;
    TRY(list_below(out, layers, little, err));
done:
    free(depth);
    free(little);
    return rc;
}

/* The composite, and whether a contrast is explained; false in a store that does not say so. */
static enum status read_measure(bool *known, struct class_depth *out, const struct store_reader *reader,
                                struct error *err)
{
    char *composite = NULL, *target = NULL;
    enum status rc = OK;

    *out = (struct class_depth){.nbelow = 0};
    *known = store_has_attribute(reader, "", "composite") && store_has_attribute(reader, "", "target");
    if (!*known)
        return OK;
    TRY(store_get_text(&composite, reader, "", "composite", err));
    TRY(store_get_text(&target, reader, "", "target", err));
    snprintf(out->composite, sizeof out->composite, "%s", composite);
    out->contrast = strncmp(target, "contrast", strlen("contrast")) == 0;
done:
    free(composite);
    free(target);
    return rc;
}

enum status class_depth_read(struct class_depth *out, const struct store_reader *reader, const char *path,
                             struct error *err)
{
    struct layers layers = {.count = 0};
    double share;
    bool known;
    enum status rc = OK;

    TRY(read_measure(&known, out, reader, err));
    share = known ? composite_class_share(out->composite, out->contrast) : 0;
    if (share == 0)
        goto done;
    TRY(layers_read(&layers, reader, path, err));
    TRY(list_share(out, &layers, share, err));
done:
    layers_free(&layers);
    return rc;
}

/* ---- an evaluation ----------------------------------------------------------------------------------------------- */

static enum status count_images(size_t *count, const struct store_reader *evaluation, struct error *err)
{
    size_t n = STORE_ANY;
    int64_t *status = NULL;
    enum status rc = OK;

    *count = 0;
    TRY(store_read_int(&status, evaluation, "images/status", 1, &n, err));
    for (size_t i = 0; i < n; i++)
        *count += status[i] == STORE_IMAGE_OK;
done:
    free(status);
    return rc;
}

bool class_depth_measurable(const char *evaluation)
{
    struct store_reader *file = NULL;
    size_t images = 0;
    bool measurable = store_open_read(&file, evaluation, NULL) == OK && store_has(file, "evaluation/targets") &&
                      count_images(&images, file, NULL) == OK && images >= CLASS_DEPTH_LEAST;

    store_close(file);
    return measurable;
}

/* Mean |cosine| of two classes' relevance in a layer; NaN if the evaluation has no such layer. */
static enum status read_cosine(double *cosine, const struct store_reader *evaluation, const char *layer,
                               struct error *err)
{
    size_t dims[] = {STORE_ANY, STORE_ANY};
    double *means = NULL;
    char path[2 * STORE_NAME];
    enum status rc = OK;

    *cosine = NAN;
    snprintf(path, sizeof path, "evaluation/targets/%s/relevance/similarity_mean", layer);
    if (!store_has(evaluation, path))
        return OK;
    TRY(store_read_real(&means, evaluation, path, 2, dims, err));
    *cosine = dims[0] * dims[1] > 0 ? means[0] : NAN;
done:
    free(means);
    return rc;
}

/* All layers up to the last one before the first in which classes differ. */
static enum status list_measured(struct class_depth *out, const struct layers *layers,
                                 const struct store_reader *evaluation, struct error *err)
{
    bool *little = calloc(layers->count + 1, sizeof *little);
    size_t end = 0;
    enum status rc = little ? OK : error_set(err, FAIL_SYSTEM, "no memory for %zu layers", layers->count);

    for (size_t k = 0; k < layers->count && rc == OK; k++) {
        double cosine;
        rc = read_cosine(&cosine, evaluation, layers->items[k].name, err);
        if (cosine < CLASS_DEPTH_ALIKE)
            break;
        end = isnan(cosine) ? end : k + 1;
    }
    for (size_t k = 0; k < end && little; k++)
        little[k] = true;
    if (rc == OK)
        rc = list_below(out, layers, little, err);
    free(little);
    return rc;
}

enum status class_depth_measure(struct class_depth *out, const struct store_reader *reader, const char *path,
                                const char *evaluation, struct error *err)
{
    struct store_reader *file = NULL;
    struct layers layers = {.count = 0};
    size_t images;
    bool known;
    enum status rc = OK;

    TRY(read_measure(&known, out, reader, err));
    out->measured = true;
    TRY(store_open_read(&file, evaluation, err));
    TRY(origin_compare_evaluation(file, evaluation, reader, err));
    if (out->contrast)
        TRY(error_set(err, FAIL_CONFIG, "%s explains a contrast, and an evaluation compares classes; leave it out",
                      path));
    if (!store_has(file, "evaluation/targets"))
        TRY(error_set(err, FAIL_CONFIG, "%s: has no test `targets`; evaluate with --tests targets", evaluation));
    TRY(count_images(&images, file, err));
    if (images < CLASS_DEPTH_LEAST)
        TRY(error_set(err, FAIL_CONFIG, "%s: is of %zu images, which say nothing; evaluate %d or more", evaluation,
                      images, CLASS_DEPTH_LEAST));
    TRY(layers_read(&layers, reader, path, err));
    TRY(list_measured(out, &layers, file, err));
done:
    layers_free(&layers);
    store_close(file);
    return rc;
}

void class_depth_free(struct class_depth *depth)
{
    for (size_t i = 0; i < depth->nbelow; i++)
        free(depth->below[i]);
    free(depth->below);
    *depth = (struct class_depth){.nbelow = 0};
}

bool class_depth_is_below(const struct class_depth *depth, const char *name, bool flow)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < depth->nbelow; i++) {
        size_t n = strlen(depth->below[i]);
        if (length >= n && strcmp(name + length - n, depth->below[i]) == 0 &&
            (flow ? length > n && name[length - n - 1] == '-' : length == n))
            return true;
    }
    return false;
}

void class_depth_text(char text[CLASS_DEPTH_TEXT], const struct class_depth *depth, const char *classes)
{
    int used = 0;

    text[0] = '\0';
    if (depth->nbelow)
        used =
            snprintf(text, CLASS_DEPTH_TEXT,
                     "below %.200s a comparison says little about classes: with %.60s relevance there hardly depends "
                     "on which %s, so that differences are those of the images (%s); ",
                     depth->from, depth->composite, depth->contrast ? "classes are contrasted" : "class is explained",
                     depth->measured ? "by the evaluation's |cosine|" : "a rule of thumb");
    if (depth->nbelow && depth->contrast)
        snprintf(text + used, CLASS_DEPTH_TEXT - (size_t)used, "composite = zero tells classes apart in all layers");
    else if (depth->nbelow)
        snprintf(text + used, CLASS_DEPTH_TEXT - (size_t)used,
                 "a contrast, measure.target = contrast:%.60s, tells them apart better, and composite = zero in all "
                 "layers",
                 classes);
}
