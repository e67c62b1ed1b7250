#include "io/weights/pth.h"

#include <string.h>

static enum status bad(const struct weights *w, const struct weights_record *r, const char *reason, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: tensor '%s': %s", w->path, r->info.name, reason);
}

/* Strides of dimensions of size one do not matter. */
static bool is_contiguous(const struct weights_record *r, const size_t *strides)
{
    for (size_t d = 0; d < r->info.ndim; d++)
        if (r->info.dims[d] != 1 && strides[d] != r->strides[d])
            return false;
    return true;
}

/* Elements from the first to the last one in memory; false if that overflows. */
static bool count_span(size_t *span, const struct weights_record *r, const size_t *strides)
{
    size_t step;

    *span = r->elements > 0;
    for (size_t d = 0; d < r->info.ndim && r->elements > 0; d++)
        if (__builtin_mul_overflow(r->info.dims[d] - 1, strides[d], &step) || __builtin_add_overflow(*span, step, span))
            return false;
    return true;
}

struct adding {
    struct weights *w;
    const struct weights_pickle *p;
    const struct weights_pth_place *places;
};

static enum status add_tensor(void *context, const struct weights_pth_tensor *named, struct error *err)
{
    const struct adding *a = context;
    const struct weights_pickle_tensor *t = named->tensor;
    const struct weights_pickle_storage *s = &a->p->storages[t->storage];
    struct weights_record *r = NULL;
    enum status rc;

    TRY(weights_add(&r, a->w, named->name, named->nname, s->dtype, t->dims, t->ndim, err));
    r->contiguous = is_contiguous(r, t->strides);
    memcpy(r->strides, t->strides, t->ndim * sizeof t->strides[0]);
    if (!count_span(&r->span, r, t->strides) || t->offset > s->numel || r->span > s->numel - t->offset)
        return bad(a->w, r, "it extends beyond the end of its storage", err);
    if (r->elements > s->numel)
        return bad(a->w, r, "it repeats the elements of its storage", err);
    r->entry = a->places[t->storage].entry;
    r->offset = a->places[t->storage].offset + (uint64_t)t->offset * s->dtype->nbytes;
    r->epsilon = named->epsilon;
done:
    return rc;
}

enum status weights_pth_add(struct weights *w, const struct weights_pickle *p, const struct weights_pth_place *places,
                            struct error *err)
{
    struct adding adding = {w, p, places};
    const struct weights_pickle_value *holder = NULL;
    enum status rc;

    TRY(weights_pth_find(&holder, w->place, p, w->path, err));
    rc = weights_pth_each(p, holder, w->path, add_tensor, &adding, err);
done:
    return rc;
}
