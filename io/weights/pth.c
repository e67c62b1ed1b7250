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

static enum status add_tensor(struct weights *w, const struct weights_pickle *p, const struct weights_pickle_value *key,
                              const struct weights_pickle_tensor *t, const struct weights_pth_place *places,
                              struct error *err)
{
    const struct weights_pickle_storage *s = &p->storages[t->storage];
    struct weights_record *r = NULL;
    enum status rc;

    TRY(weights_add(&r, w, (const char *)key->text, key->length, s->dtype, t->dims, t->ndim, err));
    r->contiguous = is_contiguous(r, t->strides);
    memcpy(r->strides, t->strides, t->ndim * sizeof t->strides[0]);
    if (!count_span(&r->span, r, t->strides) || t->offset > s->numel || r->span > s->numel - t->offset)
        return bad(w, r, "it extends beyond the end of its storage", err);
    if (r->elements > s->numel)
        return bad(w, r, "it repeats the elements of its storage", err);
    r->entry = places[t->storage].entry;
    r->offset = places[t->storage].offset + (uint64_t)t->offset * s->dtype->nbytes;
done:
    return rc;
}

static const struct weights_pickle_value *find_state_dict(const struct weights_pickle *p)
{
    static const char *const keys[] = {"state_dict", "model"};
    const struct weights_pickle_value *root = &p->values[p->root];

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct weights_pickle_value *found = weights_pickle_find(p, root, keys[i]);
        if (found && found->kind == WEIGHTS_PICKLE_DICT)
            return found;
    }
    return root;
}

enum status weights_pth_add(struct weights *w, const struct weights_pickle *p, const struct weights_pth_place *places,
                            struct error *err)
{
    const struct weights_pickle_value *dict = find_state_dict(p);
    enum status rc = OK;

    for (long cell = dict->kind == WEIGHTS_PICKLE_DICT ? dict->first : WEIGHTS_PICKLE_END; cell != WEIGHTS_PICKLE_END;
         cell = p->cells[cell].next) {
        const struct weights_pickle_value *key = &p->values[p->cells[cell].key];
        const struct weights_pickle_value *value = &p->values[p->cells[cell].value];
        if (key->kind == WEIGHTS_PICKLE_STRING && value->kind == WEIGHTS_PICKLE_TENSOR)
            TRY(add_tensor(w, p, key, &p->tensors[value->integer], places, err));
    }
    if (w->nrecords == 0)
        rc = error_set(err, FAIL_FORMAT,
                       "%s: no dict of tensors, not even under 'state_dict' or 'model'; save the model's state_dict()",
                       w->path);
done:
    return rc;
}
