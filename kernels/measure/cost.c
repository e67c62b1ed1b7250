#include "kernels/measure/cost.h"

double cost_map(const struct link *link)
{
    double outputs = (double)shape_neurons(link->upper);

    if (link->kind != LINK_CONVOLUTION && link->kind != LINK_DENSE)
        return 0;
    return 2 * outputs * ((double)(network_weight_floats(link) / link->upper.channels));
}

static bool constant(enum rule_factor factor)
{
    return factor == FACTOR_ONE || factor == FACTOR_MINUS_LOW || factor == FACTOR_MINUS_HIGH;
}

size_t cost_denominators(const struct link_plan *link)
{
    size_t maps = 0;

    for (size_t p = 0; p < link->parts.nparts; p++)
        maps += !constant(link->parts.part[p].factor) && link->parts.part[p].form != FORM_WEIGHT;
    return maps;
}

double cost_floor(const struct measure_plan *plan)
{
    double total = 0;

    for (size_t k = 0; k < plan->net->nlinks; k++) {
        const struct link_plan *link = &plan->links[k];
        double map = cost_map(link->link);
        total += map;
        if (link->link->kind == LINK_CONVOLUTION)
            total += map * (double)(cost_denominators(link) + link->parts.nparts);
    }
    return total;
}
