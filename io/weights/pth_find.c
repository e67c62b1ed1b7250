/* Finding the weights of a network among everything that a checkpoint holds. */
#include "io/weights/pth.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1, MAX_NAMED = 4, MAX_MODULES = 64, KERNEL_DIMS = 4 };

typedef const struct weights_pickle_value value;

/* How a value was reached first. */
struct step {
    bool reached;
    long holder, key; /* numbers of values; NONE for the root, and for items without a key */
};

/* All values that the root holds, nearest first. */
struct survey {
    const struct weights_pickle *p;
    const char *path;
    struct error *err;
    struct step *steps; /* [p->nvalues] */
    size_t *reached;    /* [p->nvalues] */
    size_t nreached;
};

static void reach(struct survey *s, size_t number, long holder, long key)
{
    if (s->steps[number].reached)
        return;
    s->steps[number] = (struct step){true, holder, key};
    s->reached[s->nreached++] = number;
}

/* What a module holds belongs to the module. */
static void reach_contents(struct survey *s, size_t number)
{
    value *v = &s->p->values[number];
    bool list = v->kind == WEIGHTS_PICKLE_LIST || v->kind == WEIGHTS_PICKLE_TUPLE;

    if ((!list && !weights_pickle_has_items(v)) || weights_pth_is_module(s->p, v))
        return;
    for (long cell = v->first; cell != WEIGHTS_PICKLE_END; cell = s->p->cells[cell].next)
        reach(s, s->p->cells[cell].value, (long)number, list ? NONE : (long)s->p->cells[cell].key);
    if (v->kind == WEIGHTS_PICKLE_OBJECT && v->attributes != WEIGHTS_PICKLE_END)
        reach(s, (size_t)v->attributes, (long)number, NONE);
}

static enum status survey_init(struct survey *s)
{
    s->steps = calloc(s->p->nvalues, sizeof *s->steps);
    s->reached = calloc(s->p->nvalues, sizeof *s->reached);
    if (!s->steps || !s->reached)
        return error_system(s->err, "%s: reading a pickle", s->path);
    reach(s, s->p->root, NONE, NONE);
    for (size_t i = 0; i < s->nreached; i++)
        reach_contents(s, s->reached[i]);
    return OK;
}

static void survey_free(struct survey *s)
{
    free(s->steps);
    free(s->reached);
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* Where a value is, as Python writes it: ["model_ema"]["module"]; parts without a key are left out. */
static void describe_place(char out[WEIGHTS_MAX_PLACE], const struct survey *s, size_t number)
{
    size_t at = WEIGHTS_MAX_PLACE - 1;

    out[at] = '\0';
    for (long i = (long)number; i != NONE; i = s->steps[i].holder) {
        value *key = s->steps[i].key == NONE ? NULL : &s->p->values[s->steps[i].key];
        if (!key || key->kind != WEIGHTS_PICKLE_STRING || key->length + 4 > at)
            continue;
        at -= key->length + 4;
        memcpy(out + at, "[\"", 2);
        for (size_t c = 0; c < key->length; c++)
            out[at + 2 + c] = isprint(key->text[c]) ? (char)key->text[c] : '?';
        memcpy(out + at + 2 + key->length, "\"]", 2);
    }
    memmove(out, out + at, WEIGHTS_MAX_PLACE - at);
}

static enum status several(const struct survey *s, const size_t *found, size_t nfound)
{
    char list[MAX_NAMED * (WEIGHTS_MAX_PLACE + 2) + 1] = "", place[WEIGHTS_MAX_PLACE];
    size_t used = 0;

    for (size_t i = 0; i < nfound && i < MAX_NAMED; i++) {
        describe_place(place, s, found[i]);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", place[0] ? place : "the root");
    }
    return error_set(s->err, FAIL_UNSUPPORTED,
                     "%s: it holds the weights of several networks, at %s%s; keep the one you mean, in Python: c = "
                     "torch.load(\"FILE\", map_location=\"cpu\"); torch.save(c%s, \"weights.pth\")",
                     s->path, list, nfound > MAX_NAMED ? ", ..." : "", place);
}

static enum status nothing(const struct survey *s)
{
    value *root = &s->p->values[s->p->root];
    char class[WEIGHTS_PICKLE_CLASS] = "";

    if (root->kind == WEIGHTS_PICKLE_OBJECT || root->kind == WEIGHTS_PICKLE_GLOBAL)
        weights_pickle_class(class, s->p, root);
    return error_set(s->err, FAIL_FORMAT,
                     "%s: no dict of tensors, at any depth%s%s; save the model's weights, in Python: "
                     "torch.save(model.state_dict(), \"weights.pth\")",
                     s->path, class[0] ? ", only an object of class " : "", class);
}

/* ---- choosing -------------------------------------------------------------------------------------------------- */

struct count {
    size_t tensors, kernels;
};

static enum status count_tensor(void *context, const struct weights_pth_tensor *t, struct error *err)
{
    struct count *count = context;

    (void)err;
    count->tensors++;
    count->kernels += t->tensor->ndim == KERNEL_DIMS && weights_names_is_kernel(t->name, t->nname);
    return OK;
}

/* Two dicts whose items have the same names and are the same tensors, such as those of a model saved twice. */
static bool same_tensors(const struct weights_pickle *p, value *a, value *b)
{
    long x = a->first, y = b->first;

    for (; x != WEIGHTS_PICKLE_END && y != WEIGHTS_PICKLE_END; x = p->cells[x].next, y = p->cells[y].next) {
        value *name = &p->values[p->cells[x].key], *other = &p->values[p->cells[y].key];
        value *left = &p->values[p->cells[x].value], *right = &p->values[p->cells[y].value];
        if (name->kind != WEIGHTS_PICKLE_STRING || other->kind != WEIGHTS_PICKLE_STRING ||
            name->length != other->length || memcmp(name->text, other->text, name->length) != 0 ||
            left->kind != WEIGHTS_PICKLE_TENSOR || right->kind != WEIGHTS_PICKLE_TENSOR)
            return false;
        const struct weights_pickle_tensor *t = &p->tensors[left->integer], *u = &p->tensors[right->integer];
        if (t->storage != u->storage || t->offset != u->offset || t->ndim != u->ndim ||
            memcmp(t->dims, u->dims, t->ndim * sizeof t->dims[0]) != 0 ||
            memcmp(t->strides, u->strides, t->ndim * sizeof t->strides[0]) != 0)
            return false;
    }
    return x == y && a->kind == b->kind;
}

/* Dicts of tensors, or modules, that have the kernels of a VGG. */
struct candidates {
    size_t found[MAX_NAMED + 1], n; /* the first ones */
    size_t most, largest;           /* most tensors in one of the others, and its number */
};

static enum status collect(struct candidates *c, const struct survey *s, bool modules)
{
    size_t nmodules = 0;
    enum status rc = OK;

    for (size_t i = 0; i < s->nreached && c->n <= MAX_NAMED && nmodules < MAX_MODULES; i++) {
        size_t number = s->reached[i];
        value *v = &s->p->values[number];
        struct count count = {0, 0};
        if (!weights_pickle_has_items(v) || weights_pth_is_module(s->p, v) != modules)
            continue;
        nmodules += modules;
        TRY(weights_pth_each(s->p, v, s->path, count_tensor, &count, s->err));
        if (count.tensors > c->most) {
            c->most = count.tensors;
            c->largest = number;
        }
        bool again = c->n > 0 && same_tensors(s->p, v, &s->p->values[c->found[0]]);
        if (count.kernels > 0 && !again)
            c->found[c->n++] = number;
    }
done:
    return rc;
}

/* Fail if something with the name of a kernel is not a tensor: an array of numpy, a quantised tensor. */
static enum status check_kinds(const struct survey *s)
{
    char class[WEIGHTS_PICKLE_CLASS];

    for (size_t i = 0; i < s->nreached; i++) {
        value *v = &s->p->values[s->reached[i]];
        long key = s->steps[s->reached[i]].key;
        value *name = key == NONE ? NULL : &s->p->values[key];
        if (v->kind != WEIGHTS_PICKLE_OBJECT || !name || name->kind != WEIGHTS_PICKLE_STRING ||
            !weights_names_is_kernel((const char *)name->text, name->length))
            continue;
        weights_pickle_class(class, s->p, v);
        return error_set(
            s->err, FAIL_UNSUPPORTED,
            "%s: '%.*s' is not a tensor but made by %s; convert it, in Python, where d is the dict that "
            "holds it: d = torch.load(\"FILE\", weights_only=False); torch.save({k: torch.as_tensor(v) for "
            "k, v in d.items()}, \"weights.pth\")",
            s->path, (int)name->length, (const char *)name->text, class);
    }
    return OK;
}

enum status weights_pth_find(value **holder, char place[WEIGHTS_MAX_PLACE], const struct weights_pickle *p,
                             const char *path, struct error *err)
{
    struct survey s = {.p = p, .path = path, .err = err};
    struct candidates c = {.n = 0};
    enum status rc;

    TRY(survey_init(&s));
    TRY(collect(&c, &s, false));
    if (c.n == 0)
        TRY(collect(&c, &s, true));
    if (c.n == 0)
        TRY(check_kinds(&s));
    if (c.n > 1)
        rc = several(&s, c.found, c.n);
    else if (c.n == 0 && c.most == 0)
        rc = nothing(&s);
    else {
        size_t chosen = c.n == 1 ? c.found[0] : c.largest;
        *holder = &p->values[chosen];
        describe_place(place, &s, chosen);
    }
done:
    survey_free(&s);
    return rc;
}
