/* The tensors of a dict, or of a pickled module and its submodules. */
#include "io/weights/pth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MODULES = 1 << 12, PREFIX = WEIGHTS_MAX_NAME + 1 };

typedef const struct weights_pickle_value value;

/* A module whose tensors are still to be visited. */
struct module {
    value *attributes;
    char prefix[PREFIX]; /* of their names, with the final dot */
};

struct walk {
    const struct weights_pickle *p;
    const char *path;
    weights_pth_visit *visit;
    void *context;
    struct error *err;
    struct module *modules;
    size_t nmodules, capacity;
    size_t nitems; /* looked at; modules can share dicts, so that a small file could be a long walk */
};

static enum status too_long(struct walk *w)
{
    return error_set(w->err, FAIL_FORMAT, "%s: the name of a tensor is longer than %d bytes", w->path,
                     WEIGHTS_MAX_NAME);
}

static enum status count_item(struct walk *w)
{
    if (++w->nitems > w->p->ncells)
        return error_set(w->err, FAIL_LIMIT, "%s: the pickled model shares dicts between modules", w->path);
    return OK;
}

/* Visit the tensors among the items of a dict. */
static enum status visit_items(struct walk *w, value *dict, const char *prefix, double epsilon)
{
    char name[2 * PREFIX];
    size_t nprefix = strlen(prefix);
    enum status rc = OK;

    memcpy(name, prefix, nprefix);
    for (long cell = dict->first; cell != WEIGHTS_PICKLE_END; cell = w->p->cells[cell].next) {
        value *key = &w->p->values[w->p->cells[cell].key], *item = &w->p->values[w->p->cells[cell].value];
        TRY(count_item(w));
        if (key->kind != WEIGHTS_PICKLE_STRING || item->kind != WEIGHTS_PICKLE_TENSOR)
            continue;
        if (key->length > WEIGHTS_MAX_NAME)
            return too_long(w);
        memcpy(name + nprefix, key->text, key->length);
        struct weights_pth_tensor t = {name, nprefix + key->length, &w->p->tensors[item->integer], epsilon};
        TRY(w->visit(w->context, &t, w->err));
    }
done:
    return rc;
}

static enum status push_module(struct walk *w, value *attributes, const char *prefix, value *key)
{
    size_t nprefix = strlen(prefix), nkey = key ? key->length : 0;

    if (nprefix + nkey + 2 > PREFIX)
        return too_long(w);
    if (w->nmodules == MAX_MODULES)
        return error_set(w->err, FAIL_LIMIT, "%s: the pickled model has more than %d modules", w->path, MAX_MODULES);
    struct module copy = {.attributes = attributes}; /* the list, and with it the prefix, may move */
    memcpy(copy.prefix, prefix, nprefix);
    if (key) {
        memcpy(copy.prefix + nprefix, key->text, nkey);
        copy.prefix[nprefix + nkey] = '.';
    }
    struct module *modules = weights_grow(w->modules, &w->capacity, w->nmodules, sizeof *modules);
    if (!modules)
        return error_system(w->err, "%s", w->path);
    w->modules = modules;
    modules[w->nmodules++] = copy;
    return OK;
}

static enum status push_submodules(struct walk *w, value *dict, const char *prefix)
{
    enum status rc = OK;

    for (long cell = dict->first; cell != WEIGHTS_PICKLE_END; cell = w->p->cells[cell].next) {
        value *key = &w->p->values[w->p->cells[cell].key];
        TRY(count_item(w));
        value *attributes = weights_pickle_attributes(w->p, &w->p->values[w->p->cells[cell].value]);
        if (key->kind == WEIGHTS_PICKLE_STRING && attributes)
            TRY(push_module(w, attributes, prefix, key));
    }
done:
    return rc;
}

/* TorchScript has tensors and submodules among the attributes, PyTorch has dicts of them. */
static enum status visit_module(struct walk *w, const struct module *module)
{
    static const char *const own[] = {"_parameters", "_buffers"};
    value *eps = weights_pickle_find(w->p, module->attributes, "eps");
    value *submodules = weights_pickle_find(w->p, module->attributes, "_modules");
    enum status rc = OK;

    if (!submodules) {
        TRY(visit_items(w, module->attributes, module->prefix, 0));
        return push_submodules(w, module->attributes, module->prefix);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        value *dict = weights_pickle_find(w->p, module->attributes, own[i]);
        if (dict && weights_pickle_has_items(dict))
            TRY(visit_items(w, dict, module->prefix, eps && eps->kind == WEIGHTS_PICKLE_REAL ? eps->real : 0));
    }
    if (weights_pickle_has_items(submodules))
        TRY(push_submodules(w, submodules, module->prefix));
done:
    return rc;
}

bool weights_pth_is_module(const struct weights_pickle *p, value *v)
{
    static const char script[] = "__torch__.";
    value *attributes = weights_pickle_attributes(p, v);
    char class[WEIGHTS_PICKLE_CLASS];

    if (!attributes)
        return false;
    weights_pickle_class(class, p, v);
    return weights_pickle_find(p, attributes, "_modules") || strncmp(class, script, sizeof script - 1) == 0;
}

enum status weights_pth_each(const struct weights_pickle *p, value *holder, const char *path, weights_pth_visit *visit,
                             void *context, struct error *err)
{
    struct walk w = {.p = p, .path = path, .visit = visit, .context = context, .err = err};
    value *attributes = weights_pickle_attributes(p, holder);
    enum status rc = OK;

    if (weights_pickle_has_items(holder))
        TRY(visit_items(&w, holder, "", 0));
    if (weights_pth_is_module(p, holder))
        TRY(push_module(&w, attributes, "", NULL));
    for (size_t i = 0; i < w.nmodules; i++) {
        struct module module = w.modules[i];
        TRY(visit_module(&w, &module));
    }
done:
    free(w.modules);
    return rc;
}
