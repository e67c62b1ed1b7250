#include "kernels/ops/ops.h"

#include <string.h>

extern const struct ops ops_generic;
#if defined(__x86_64__)
extern const struct ops ops_avx2, ops_avx512;
#endif
#if defined(OPS_WITH_AMX)
extern const struct ops ops_amx;
#endif

static const struct ops *const tables[] = {
    &ops_generic,
#if defined(__x86_64__)
    &ops_avx2,
    &ops_avx512,
#endif
#if defined(OPS_WITH_AMX)
    &ops_amx,
#endif
};

enum { NTABLES = sizeof tables / sizeof tables[0] };

const struct ops *ops_select(const char *want)
{
    for (size_t i = NTABLES; i-- > 0;)
        if ((!want || strcmp(want, tables[i]->name) == 0) && tables[i]->available())
            return tables[i];
    return NULL;
}

const char *ops_name(size_t i)
{
    return i < NTABLES ? tables[i]->name : NULL;
}

size_t ops_width(const struct ops *ops, size_t outputs)
{
    size_t width = ops->width;

    while (width > OPS_LANES && outputs % width != 0)
        width /= 2;
    return width;
}

size_t ops_product_steps(const struct ops *ops, const struct ops_product *shape)
{
    return shape->outputs / shape->width * ((shape->rows + ops->rows - 1) / ops->rows) * (shape->depth / OPS_LANES);
}

size_t ops_factor_steps(const struct ops *ops, const struct ops_product *shape)
{
    enum { PAIR = 2 * OPS_LANES }; /* rows, columns and depth of a step in tiles */

    if (ops->parts == 1)
        return ops_product_steps(ops, shape);
    return (shape->outputs + PAIR - 1) / PAIR * ((shape->rows + PAIR - 1) / PAIR) * (shape->depth / PAIR);
}
