#include "pipeline/results/class_depth.h"

#include "kernels/base/number.h"
#include "pipeline/config/composite.h"
#include "pipeline/results/layers.h"

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

static enum status list_below(struct class_depth *out, const struct layers *layers, double share, struct error *err)
{
    size_t *depth = calloc(layers->count + 1, sizeof *depth);
    enum status rc = OK;

    out->below = calloc(layers->count + 1, sizeof *out->below);
    if (!depth || !out->below)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", layers->count));
    count_weighted(depth, layers);
    double limit = share * (double)(layers->count ? depth[layers->count - 1] : 0);
    for (size_t k = 0; k < layers->count; k++) {
        bool little = (double)depth[k] <= limit;
        if (!little && !*out->from)
            snprintf(out->from, sizeof out->from, "%s", layers->items[k].name);
        if (!little)
            continue;
        out->below[out->nbelow] = strdup(layers->items[k].name);
        if (!out->below[out->nbelow++])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for the names of %zu layers", layers->count));
    }
done:
    free(depth);
    return rc;
}

enum status class_depth_read(struct class_depth *out, const struct store_reader *reader, const char *path,
                             struct error *err)
{
    char *composite = NULL, *target = NULL;
    struct layers layers = {.count = 0};
    double share;
    enum status rc = OK;

    *out = (struct class_depth){.nbelow = 0};
    if (!store_has_attribute(reader, "", "composite") || !store_has_attribute(reader, "", "target"))
        return OK;
    TRY(store_get_text(&composite, reader, "", "composite", err));
    TRY(store_get_text(&target, reader, "", "target", err));
    snprintf(out->composite, sizeof out->composite, "%s", composite);
    out->contrast = strncmp(target, "contrast", strlen("contrast")) == 0;
    share = composite_class_share(composite, out->contrast);
    if (share == 0)
        goto done;
    TRY(layers_read(&layers, reader, path, err));
    TRY(list_below(out, &layers, share, err));
done:
    layers_free(&layers);
    free(composite);
    free(target);
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
                     "on which %s, so that differences are those of the images (a rule of thumb); ",
                     depth->from, depth->composite, depth->contrast ? "classes are contrasted" : "class is explained");
    if (depth->nbelow && depth->contrast)
        snprintf(text + used, CLASS_DEPTH_TEXT - (size_t)used, "composite = zero tells classes apart in all layers");
    else if (depth->nbelow)
        snprintf(text + used, CLASS_DEPTH_TEXT - (size_t)used,
                 "a contrast, measure.target = contrast:%.60s, tells them apart better, and composite = zero in all "
                 "layers",
                 classes);
}
