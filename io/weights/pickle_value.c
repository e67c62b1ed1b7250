#include "io/weights/pickle.h"

#include <stdlib.h>
#include <string.h>

void weights_pickle_release(struct weights_pickle *p)
{
    free(p->values);
    free(p->cells);
    free(p->storages);
    free(p->tensors);
    *p = (struct weights_pickle){0};
}

bool weights_pickle_is_text(const struct weights_pickle_value *v, const char *text)
{
    return v->kind == WEIGHTS_PICKLE_STRING && v->length == strlen(text) && memcmp(v->text, text, v->length) == 0;
}

const struct weights_pickle_value *weights_pickle_find(const struct weights_pickle *p,
                                                       const struct weights_pickle_value *dict, const char *key)
{
    if (dict->kind != WEIGHTS_PICKLE_DICT)
        return NULL;
    for (long cell = dict->first; cell != WEIGHTS_PICKLE_END; cell = p->cells[cell].next)
        if (weights_pickle_is_text(&p->values[p->cells[cell].key], key))
            return &p->values[p->cells[cell].value];
    return NULL;
}
