#include "io/onnx/label.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PATH = 4096, MAX_MODULES = 64 };

/* A node's module as `layer1.0.conv1`, and its operation. `ends` are the lengths of the modules that it is in, and of
 * its own. */
struct place {
    char path[MAX_PATH];
    size_t ends[MAX_MODULES], nmodules;
    const char *operation;
};

/* Append a module: `layer1.0` takes the place of `layer1`, and `conv1` comes below it. */
static void append(struct place *p, size_t *previous, const char *part, size_t n)
{
    size_t used = strlen(p->path), last = used - *previous;
    const char *parent = p->path + *previous;

    if (p->nmodules == MAX_MODULES || used + n + 2 > MAX_PATH || n == 0)
        return;
    if (last > 0 && n > last && memcmp(part, parent, last) == 0 && part[last] == '.')
        used = *previous;
    else if (used > 0)
        p->path[used++] = '.';
    *previous = used;
    memcpy(p->path + used, part, n);
    p->path[used + n] = '\0';
    p->ends[p->nmodules++] = used + n;
}

static void find_place(struct place *p, const struct onnx_node *node)
{
    size_t previous = 0;

    p->path[0] = '\0';
    p->nmodules = 0;
    p->operation = node->name;
    for (const char *at = node->name, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        append(p, &previous, at, (size_t)(slash - at));
        p->operation = slash + 1;
    }
}

bool onnx_label_count(struct onnx_labels *labels, struct onnx_memory *memory, const struct onnx_node *node)
{
    struct place p;
    size_t number;

    find_place(&p, node);
    for (size_t i = 0; i < p.nmodules; i++) {
        if (!onnx_names_number(&number, &labels->modules, memory, p.path, p.ends[i]))
            return false;
        size_t *counts = onnx_memory_grow(memory, labels->counts, &labels->counts_capacity, labels->modules.count - 1,
                                          sizeof *counts);
        if (!counts)
            return false;
        labels->counts = counts;
        labels->counts[number]++;
    }
    return true;
}

/* Names are parts of set expressions: letters, digits, `_` and `.`. */
static void clean(char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '.')
            *text = '_';
}

/* The operation in small letters, with its number in the module if it has one; without modules with the node's. */
static void append_operation(char *text, size_t ntext, const struct place *p, const struct onnx_node *node,
                             size_t number)
{
    size_t nop = strlen(node->op), used = strlen(text);
    const char *rest = p->operation + nop;

    if (used + 1 < ntext && used > 0)
        text[used++] = '.';
    if (p->operation[0] && strncmp(p->operation, node->op, nop) == 0)
        snprintf(text + used, ntext - used, "%s%s", node->op, rest);
    else if (p->operation[0])
        snprintf(text + used, ntext - used, "%s", p->operation);
    else
        snprintf(text + used, ntext - used, "%s_%zu", node->op, number);
    for (char *c = text + used; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

/* Operations that exporters write for a module with weights, whatever else is in it. */
static bool is_module(const char *op)
{
    static const char *const ops[] = {"Conv", "Gemm", "MatMul", "BatchNormalization"};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

/* The end of a name that is too long, from the start of a module if there is one. */
static void shorten(char out[ONNX_NAME], const char *text, size_t most)
{
    size_t n = strlen(text);
    const char *tail = n > most ? text + n - most : text, *dot = n > most ? strchr(tail, '.') : NULL;

    snprintf(out, ONNX_NAME, "%s", dot && dot[1] ? dot + 1 : tail);
}

bool onnx_label_make(char out[ONNX_NAME], struct onnx_labels *labels, struct onnx_memory *memory,
                     const struct onnx_node *node, size_t number)
{
    char text[2 * MAX_PATH];
    struct place p;
    size_t module = 0, before = labels->layers.count;

    find_place(&p, node);
    snprintf(text, sizeof text, "%s", p.path);
    if (p.nmodules && !onnx_names_number(&module, &labels->modules, memory, p.path, strlen(p.path)))
        return false;
    bool alone = p.nmodules && module < labels->counts_capacity && labels->counts[module] <= 1;
    if (p.nmodules == 0 || !(alone || is_module(node->op)))
        append_operation(text, sizeof text, &p, node, number);
    clean(text);
    for (size_t again = 0; labels->layers.count == before; again++) {
        char suffix[24] = "";
        if (again > 0)
            snprintf(suffix, sizeof suffix, "_%zu", again);
        shorten(out, text[0] ? text : "layer", ONNX_NAME - 1 - strlen(suffix));
        snprintf(out + strlen(out), ONNX_NAME - strlen(out), "%s", suffix);
        if (!onnx_names_number(&module, &labels->layers, memory, out, strlen(out)))
            return false;
    }
    return true;
}
