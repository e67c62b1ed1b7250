#include "pipeline/results/check_context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_offend(struct check_offenders *offenders, size_t i, bool bad)
{
    if (!bad || (offenders->count && offenders->last == i))
        return;
    offenders->first = offenders->count ? offenders->first : i;
    offenders->last = i;
    offenders->count++;
}

void check_report(struct check *c, const char *path, struct check_offenders offenders, const char *things,
                  const char *what)
{
    if (offenders.count)
        store_problem_add(c->problems, path, "%s (%zu of the %s, first %zu)", what, offenders.count, things,
                          offenders.first);
}

bool check_near(double a, double b, double tolerance)
{
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance;
}

bool check_is_ok(const struct check *c, size_t image)
{
    return c->status[image] == STORE_IMAGE_OK;
}

enum status check_allocate(double **out, size_t n, struct check *c)
{
    *out = calloc(n + 1, sizeof **out);
    return *out ? OK : error_set(c->err, FAIL_SYSTEM, "no memory for %zu numbers of the store", n);
}

enum status check_read(double **out, struct check *c, const char *group, const char *name, size_t ndim,
                       const size_t *dims)
{
    char path[CHECK_PATH];
    size_t wanted[STORE_MAX_DIMS];

    for (size_t d = 0; d < ndim; d++)
        wanted[d] = dims[d];
    snprintf(path, sizeof path, "%s/%s", group, name);
    return store_read_real(out, c->reader, path, ndim, wanted, c->err);
}

bool check_has(const struct check *c, const char *group, const char *name)
{
    char path[CHECK_PATH];

    snprintf(path, sizeof path, "%s/%s", group, name);
    return store_has(c->reader, path);
}

const struct check_layer *check_find_layer(const struct check *c, const char *name)
{
    for (size_t i = 0; i < c->nlayers; i++)
        if (strcmp(c->layers[i].name, name) == 0)
            return &c->layers[i];
    return NULL;
}
