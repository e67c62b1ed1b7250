#include "io/onnx/order.h"

#include <stdlib.h>

enum status onnx_order_producers(size_t *producers, const struct onnx_model *model, struct error *err)
{
    for (size_t v = 0; v < model->names.count; v++)
        producers[v] = ONNX_NOBODY;
    for (size_t i = 0; i < model->nconstants; i++)
        producers[model->constants[i].value] = model->nnodes;
    for (size_t i = 0; i < model->nnodes; i++)
        for (size_t o = 0; o < model->nodes[i].noutputs; o++) {
            size_t v = model->nodes[i].outputs[o];
            if (v != 0 && producers[v] != ONNX_NOBODY)
                return error_set(err, FAIL_FORMAT, "%s: two nodes or tensors have the name '%.200s'", model->file.path,
                                 model->names.list[v].text);
            producers[v] = i;
        }
    for (size_t i = 0; i < model->nconstants; i++)
        producers[model->constants[i].value] = ONNX_NOBODY;
    producers[0] = ONNX_NOBODY;
    return OK;
}

/* Nodes that are ready, the lowest first: a binary heap. */
struct heap {
    size_t *items, n;
};

static void push(struct heap *h, size_t item)
{
    size_t at = h->n++;

    for (; at > 0 && h->items[(at - 1) / 2] > item; at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = item;
}

static size_t pop(struct heap *h)
{
    size_t lowest = h->items[0], item = h->items[--h->n], at = 0;

    for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && h->items[child + 1] < h->items[child])
            child++;
        if (h->items[child] >= item)
            break;
        h->items[at] = h->items[child];
    }
    h->items[at] = item;
    return lowest;
}

/* What the search works with. `missing` of a node: inputs that are not ordered yet. `readers`: for every live node
 * those that read it, once for each input, as lists in one array. */
struct search {
    const struct onnx_model *model;
    const size_t *producers;
    bool *live;
    size_t *stack, *missing, *first, *readers;
};

static void search_free(struct search *s)
{
    free(s->live);
    free(s->stack);
    free(s->missing);
    free(s->first);
    free(s->readers);
}

static bool search_init(struct search *s, const struct onnx_model *model, const size_t *producers)
{
    size_t n = model->nnodes + 2;

    *s = (struct search){.model = model, .producers = producers};
    s->live = calloc(n, sizeof *s->live);
    s->stack = calloc(n, sizeof *s->stack);
    s->missing = calloc(n, sizeof *s->missing);
    s->first = calloc(n, sizeof *s->first);
    s->readers = calloc(model->nitems + 1, sizeof *s->readers);
    return s->live && s->stack && s->missing && s->first && s->readers;
}

static void mark_live(struct search *s, size_t value)
{
    size_t n = 0, node = s->producers[value];

    if (node != ONNX_NOBODY) {
        s->live[node] = true;
        s->stack[n++] = node;
    }
    while (n > 0) {
        const struct onnx_node *reader = &s->model->nodes[s->stack[--n]];
        for (size_t i = 0; i < reader->ninputs; i++) {
            node = s->producers[reader->inputs[i]];
            if (node == ONNX_NOBODY || s->live[node])
                continue;
            s->live[node] = true;
            s->stack[n++] = node;
        }
    }
}

/* Fill missing, first and readers: count, add up, place. */
static void list_readers(struct search *s)
{
    size_t sum = 0;

    for (int placing = 0; placing < 2; placing++) {
        for (size_t i = 0; i < s->model->nnodes; i++)
            for (size_t k = 0; s->live[i] && k < s->model->nodes[i].ninputs; k++) {
                size_t node = s->producers[s->model->nodes[i].inputs[k]];
                if (node == ONNX_NOBODY)
                    continue;
                if (placing) {
                    s->readers[s->first[node]++] = i;
                    s->missing[i]++;
                } else {
                    s->first[node + 1]++;
                }
            }
        for (size_t i = 0; i <= s->model->nnodes && !placing; i++) {
            sum += s->first[i];
            s->first[i] = sum;
        }
    }
    for (size_t i = s->model->nnodes + 1; i-- > 1;)
        s->first[i] = s->first[i - 1];
    s->first[0] = 0;
}

enum status onnx_order_find(size_t *order, size_t *n, const struct onnx_model *model, const size_t *producers,
                            size_t value, struct error *err)
{
    struct search s;
    size_t live = 0;
    enum status rc = OK;

    *n = 0;
    if (!search_init(&s, model, producers)) {
        rc = error_system(err, "%s", model->file.path);
        goto done;
    }
    mark_live(&s, value);
    list_readers(&s);
    struct heap ready = {s.stack, 0};
    for (size_t i = 0; i < model->nnodes; i++) {
        live += s.live[i];
        if (s.live[i] && s.missing[i] == 0)
            push(&ready, i);
    }
    while (ready.n > 0) {
        size_t node = pop(&ready);
        order[(*n)++] = node;
        for (size_t r = s.first[node]; r < s.first[node + 1]; r++)
            if (--s.missing[s.readers[r]] == 0)
                push(&ready, s.readers[r]);
    }
    if (*n != live)
        rc = error_set(err, FAIL_FORMAT, "%s: the graph has a circle: nodes read what depends on them",
                       model->file.path);
done:
    search_free(&s);
    return rc;
}
