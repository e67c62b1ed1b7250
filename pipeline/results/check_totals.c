#include "pipeline/results/check_totals.h"

#include "kernels/base/network_origin.h"
#include "pipeline/stats/flows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What reaches the logits without a link with a rule has no pair that counts it. */
static void expect_no_totals_below_logits(struct check *c)
{
    size_t last = c->net->nlinks;

    for (size_t k = 0; k < network_shape(c->net, last).channels && !network_has_rule(&c->net->links[last - 1]); k++)
        c->layers[network_origin(c->net, last, k).variable].above.wanted = SIZE_MAX;
}

void check_expect_flows(struct check *c)
{
    bool marked[NETWORK_MAX_VARIABLES];

    if (!c->net)
        return;
    for (size_t k = 0; k < c->net->nlinks; k++) {
        flows_origins(marked, c->net, k);
        for (size_t lower = 0; lower <= k && c->net->swept[k + 1]; lower++) {
            c->layers[k + 1].below.wanted += marked[lower];
            c->layers[lower].above.wanted += marked[lower];
        }
    }
    expect_no_totals_below_logits(c);
}

bool check_is_adjacent(const struct check *c, const struct check_layer *lower, const struct check_layer *upper)
{
    size_t link = (size_t)(upper - c->layers) - 1;

    return c->net && flows_reads(c->net, link, (size_t)(lower - c->layers));
}

enum status check_total_add(struct check *c, struct check_total *total, const char *group, const double *sums,
                            size_t channels, double size)
{
    if (!total->sums && check_allocate(&total->sums, channels, c) != OK)
        return FAIL_SYSTEM;
    for (size_t i = 0; i < channels; i++)
        total->sums[i] += sums[i];
    total->size += size;
    total->found++;
    snprintf(total->group, sizeof total->group, "%s", group);
    return OK;
}

static void compare(struct check *c, const struct check_layer *layer, const struct check_total *total,
                    const char *things, const char *alone, const char *together)
{
    struct check_offenders wrong = {0};
    char path[CHECK_PATH + 8];

    if (!total->sums || total->found != total->wanted || !layer->mean || !isfinite(total->size))
        return;
    for (size_t i = 0; i < layer->channels; i++)
        check_offend(&wrong, i, !check_near(total->sums[i], layer->mean[i], CHECK_LAW * fmax(1, total->size)));
    if (total->found == 1)
        snprintf(path, sizeof path, "%s/mean", total->group);
    else
        snprintf(path, sizeof path, "layers/%s/mean", layer->name);
    check_report(c, path, wrong, things, total->found == 1 ? alone : together);
}

void check_totals(struct check *c)
{
    for (size_t i = 0; i < c->nlayers && c->net && c->ok; i++) {
        const struct check_layer *layer = &c->layers[i];
        compare(c, layer, &layer->below, "upper channels",
                "row sums with to_bias, absorbed, lost and left_out are not the means of the upper layer",
                "is not the sum of all flows from below, with to_bias and absorbed");
        compare(c, layer, &layer->above, "lower channels", "column sums are not the means of the lower layer",
                "is not the sum of all flows to the layers that read it");
    }
}
