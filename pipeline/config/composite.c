#include "pipeline/config/composite.h"

#include <stddef.h>
#include <string.h>

/* Shares of depth: in the layers up to there, the |cosine| of the channels' relevance for two classes, or for two
 * contrasts, was above 0.9 on the demo's network (docs/explanation/reading-results.md, "Where classes differ"). */
static const struct {
    const char *name;
    bool cancels; /* relevance of both signs in all layers: the share that reaches the pixels is no probability */
    double class_share, contrast_share;
} composites[] = {
    {"epsilon_gamma_box", false, 0.5, 0.45},
    {"epsilon_plus", false, 0.7, 0.65},
    {"epsilon_plus_flat", false, 0.7, 0.65},
    {"epsilon_alpha2_beta1", false, 0.4, 0.35},
    {"epsilon_alpha2_beta1_flat", false, 0.4, 0.35},
    {"zero", true, 0, 0},
    {"epsilon", true, 0, 0},
    {"gamma", false, 0.7, 0.45},
    {"zplus", false, 0.9, 0.7},
};

enum { COMPOSITES = sizeof composites / sizeof composites[0] };

static size_t find(const char *name)
{
    size_t i = 0;

    while (i < COMPOSITES && strcmp(composites[i].name, name) != 0)
        i++;
    return i;
}

const char *composite_warning(const char *composite, const char *given)
{
    size_t i = find(composite);

    if (i == COMPOSITES || !composites[i].cancels || strcmp(given, "input") != 0)
        return NULL;
    return "with this composite relevance of both signs cancels on its way to the pixels, so that under given = input "
           "the order of channels was worse than random on the networks studied; set measure.given = none, or choose a "
           "composite such as epsilon_gamma_box";
}

double composite_class_share(const char *composite, bool contrast)
{
    size_t i = find(composite);

    if (i == COMPOSITES)
        return 0;
    return contrast ? composites[i].contrast_share : composites[i].class_share;
}
