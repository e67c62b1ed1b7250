#include "io/weights/pickle_machine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void weights_pickle_release(struct weights_pickle *p)
{
    free(p->values);
    free(p->cells);
    free(p->globals);
    free(p->storages);
    free(p->tensors);
    *p = (struct weights_pickle){0};
}

bool weights_pickle_is_text(const struct weights_pickle_value *v, const char *text)
{
    return v->kind == WEIGHTS_PICKLE_STRING && v->length == strlen(text) && memcmp(v->text, text, v->length) == 0;
}

bool weights_pickle_has_items(const struct weights_pickle_value *v)
{
    return v->kind == WEIGHTS_PICKLE_DICT || v->kind == WEIGHTS_PICKLE_OBJECT;
}

static size_t print(char *out, const unsigned char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = isprint(text[i]) ? (char)text[i] : '?';
    out[n] = '\0';
    return n;
}

_Static_assert(2 * WEIGHTS_PICKLE_MAX_TEXT + 2 <= WEIGHTS_PICKLE_CLASS, "the name of a class fits");

void weights_pickle_class(char out[WEIGHTS_PICKLE_CLASS], const struct weights_pickle *p,
                          const struct weights_pickle_value *v)
{
    const struct weights_pickle_global *g = &p->globals[v->integer];
    size_t n = print(out, g->module, g->nmodule);

    out[n] = '.';
    print(out + n + 1, g->name, g->nname);
}

const struct weights_pickle_value *weights_pickle_attributes(const struct weights_pickle *p,
                                                             const struct weights_pickle_value *v)
{
    if (v->kind != WEIGHTS_PICKLE_OBJECT || v->attributes == WEIGHTS_PICKLE_END)
        return NULL;
    const struct weights_pickle_value *attributes = &p->values[v->attributes];
    return weights_pickle_has_items(attributes) ? attributes : NULL;
}

const struct weights_pickle_value *weights_pickle_find(const struct weights_pickle *p,
                                                       const struct weights_pickle_value *dict, const char *key)
{
    if (!weights_pickle_has_items(dict))
        return NULL;
    for (long cell = dict->first; cell != WEIGHTS_PICKLE_END; cell = p->cells[cell].next)
        if (weights_pickle_is_text(&p->values[p->cells[cell].key], key))
            return &p->values[p->cells[cell].value];
    return NULL;
}
