#include "io/weights/pickle_machine.h"

enum status weights_pickle_machine_damaged(struct weights_pickle_machine *m, const char *reason)
{
    return error_set(m->err, FAIL_FORMAT, "%s: the pickle is damaged before its byte %zu: %s", m->path, m->at, reason);
}

enum status weights_pickle_machine_full(struct weights_pickle_machine *m)
{
    return error_set(m->err, FAIL_LIMIT, "%s: the pickle has more objects than any state dict, at its byte %zu",
                     m->path, m->at);
}

enum status weights_pickle_machine_memory(struct weights_pickle_machine *m)
{
    return error_system(m->err, "%s: reading a pickle", m->path);
}

enum status weights_pickle_machine_push_number(struct weights_pickle_machine *m, size_t number)
{
    if (m->nstack == WEIGHTS_PICKLE_MAX_VALUES)
        return weights_pickle_machine_full(m);
    size_t *stack = weights_grow(m->stack, &m->stack_capacity, m->nstack, sizeof *stack);
    if (!stack)
        return weights_pickle_machine_memory(m);
    m->stack = stack;
    m->stack[m->nstack++] = number;
    return OK;
}

enum status weights_pickle_machine_push(struct weights_pickle_machine *m, struct weights_pickle_value value)
{
    struct weights_pickle *p = m->p;

    if (p->nvalues == WEIGHTS_PICKLE_MAX_VALUES)
        return weights_pickle_machine_full(m);
    struct weights_pickle_value *values = weights_grow(p->values, &p->values_capacity, p->nvalues, sizeof *values);
    if (!values)
        return weights_pickle_machine_memory(m);
    p->values = values;
    values[p->nvalues] = value;
    return weights_pickle_machine_push_number(m, p->nvalues++);
}

enum status weights_pickle_machine_push_container(struct weights_pickle_machine *m, enum weights_pickle_kind kind)
{
    struct weights_pickle_value empty = {
        .kind = kind, .first = WEIGHTS_PICKLE_END, .last = WEIGHTS_PICKLE_END, .attributes = WEIGHTS_PICKLE_END};

    return weights_pickle_machine_push(m, empty);
}

enum status weights_pickle_machine_append(struct weights_pickle_machine *m, size_t container, size_t key, size_t value)
{
    struct weights_pickle *p = m->p;

    if (p->ncells == WEIGHTS_PICKLE_MAX_VALUES)
        return weights_pickle_machine_full(m);
    struct weights_pickle_cell *cells = weights_grow(p->cells, &p->cells_capacity, p->ncells, sizeof *cells);
    if (!cells)
        return weights_pickle_machine_memory(m);
    p->cells = cells;
    cells[p->ncells] = (struct weights_pickle_cell){.key = key, .value = value, .next = WEIGHTS_PICKLE_END};
    struct weights_pickle_value *v = &p->values[container];
    long cell = (long)p->ncells++;
    if (v->last == WEIGHTS_PICKLE_END)
        v->first = cell;
    else
        cells[v->last].next = cell;
    v->last = cell;
    v->length++;
    return OK;
}

bool weights_pickle_machine_has(const struct weights_pickle_machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i == m->nstack || m->stack[m->nstack - 1 - i] == WEIGHTS_PICKLE_MARK)
            return false;
    return true;
}

const struct weights_pickle_value *weights_pickle_machine_any(const struct weights_pickle_machine *m, size_t depth)
{
    if (depth >= m->nstack || m->stack[m->nstack - 1 - depth] == WEIGHTS_PICKLE_MARK)
        return NULL;
    return &m->p->values[m->stack[m->nstack - 1 - depth]];
}

const struct weights_pickle_value *weights_pickle_machine_peek(const struct weights_pickle_machine *m, size_t depth,
                                                               enum weights_pickle_kind kind)
{
    const struct weights_pickle_value *v = weights_pickle_machine_any(m, depth);

    return v && v->kind == kind ? v : NULL;
}

bool weights_pickle_machine_items(const struct weights_pickle_value **out, const struct weights_pickle *p,
                                  const struct weights_pickle_value *container, size_t n)
{
    long cell = container->first;

    for (size_t i = 0; i < n; i++) {
        if (cell == WEIGHTS_PICKLE_END)
            return false;
        out[i] = &p->values[p->cells[cell].value];
        cell = p->cells[cell].next;
    }
    return true;
}
