/* The globals of pickles: those that make tensors, storages and dicts, those that are refused, and all others. */
#include "io/weights/pickle_machine.h"

#include <string.h>

typedef struct weights_pickle_machine machine;
typedef const struct weights_pickle_value value;

static enum status damaged(machine *m, const char *reason)
{
    return weights_pickle_machine_damaged(m, reason);
}

static bool read_sizes(size_t *out, size_t *n, const struct weights_pickle *p, value *tuple)
{
    value *sizes[WEIGHTS_MAX_DIMS] = {NULL};

    *n = tuple->length;
    if (tuple->kind != WEIGHTS_PICKLE_TUPLE || *n > WEIGHTS_MAX_DIMS ||
        !weights_pickle_machine_items(sizes, p, tuple, *n))
        return false;
    for (size_t d = 0; d < *n; d++) {
        if (sizes[d]->kind != WEIGHTS_PICKLE_INTEGER || sizes[d]->integer < 0)
            return false;
        out[d] = (size_t)sizes[d]->integer;
    }
    return true;
}

/* _rebuild_tensor(storage, offset, size, stride), and _v2 with requires_grad and hooks, which are ignored. */
static enum status rebuild_tensor(machine *m, value *arguments)
{
    struct weights_pickle *p = m->p;
    value *a[4] = {NULL};
    struct weights_pickle_tensor tensor = {0};
    size_t nstrides = 0;

    if (!weights_pickle_machine_items(a, p, arguments, 4) || a[0]->kind != WEIGHTS_PICKLE_STORAGE ||
        a[1]->kind != WEIGHTS_PICKLE_INTEGER || a[1]->integer < 0)
        return damaged(m, "a tensor is not made from a storage and an offset");
    if (!read_sizes(tensor.dims, &tensor.ndim, p, a[2]) || !read_sizes(tensor.strides, &nstrides, p, a[3]) ||
        nstrides != tensor.ndim)
        return damaged(m, "a tensor's size or stride is wrong, or it has more than 8 dimensions");
    tensor.storage = (size_t)a[0]->integer;
    tensor.offset = (size_t)a[1]->integer;
    struct weights_pickle_tensor *tensors =
        weights_grow(p->tensors, &p->tensors_capacity, p->ntensors, sizeof *tensors);
    if (!tensors)
        return weights_pickle_machine_memory(m);
    p->tensors = tensors;
    tensors[p->ntensors] = tensor;
    struct weights_pickle_value made = {.kind = WEIGHTS_PICKLE_TENSOR, .integer = (long long)p->ntensors++};
    return weights_pickle_machine_push(m, made);
}

/* A parameter is its tensor, the first argument. */
static enum status parameter(machine *m, value *arguments)
{
    value *tensor = NULL;

    if (!weights_pickle_machine_items(&tensor, m->p, arguments, 1) || tensor->kind != WEIGHTS_PICKLE_TENSOR)
        return damaged(m, "a parameter is not a tensor");
    return weights_pickle_machine_push(m, *tensor);
}

/* OrderedDict(), or Python 2's OrderedDict([[key, value], ...]). */
static enum status ordered_dict(machine *m, value *arguments)
{
    value *list = NULL;
    bool any = weights_pickle_machine_items(&list, m->p, arguments, 1);
    enum status rc;

    if (arguments->length > 1 || (any && list->kind != WEIGHTS_PICKLE_LIST))
        return damaged(m, "an OrderedDict is not made from pairs");
    long cell = any ? list->first : WEIGHTS_PICKLE_END;
    TRY(weights_pickle_machine_push_container(m, WEIGHTS_PICKLE_DICT));
    size_t dict = m->stack[m->nstack - 1];
    for (; cell != WEIGHTS_PICKLE_END; cell = m->p->cells[cell].next) {
        value *pair = &m->p->values[m->p->cells[cell].value];
        if ((pair->kind != WEIGHTS_PICKLE_LIST && pair->kind != WEIGHTS_PICKLE_TUPLE) || pair->length != 2)
            return damaged(m, "an OrderedDict is not made from pairs");
        const struct weights_pickle_cell *key = &m->p->cells[pair->first];
        TRY(weights_pickle_machine_append(m, dict, key->value, m->p->cells[key->next].value));
    }
done:
    return rc;
}

/* _rebuild_from_type_v2(function, type, arguments, attributes): a tensor of a subclass, kept as a tensor. */
static enum status rebuild_from_type(machine *m, value *arguments);

static const struct global {
    const char *module, *name;
    enum status (*call)(machine *m, value *arguments); /* NULL for a type */
    const char *dtype;                                 /* of a storage */
} globals[] = {
    {"collections", "OrderedDict", ordered_dict, NULL},
    {"torch._utils", "_rebuild_tensor", rebuild_tensor, NULL},
    {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor, NULL},
    {"torch._utils", "_rebuild_parameter", parameter, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", parameter, NULL},
    {"torch.nn.parameter", "Parameter", parameter, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", rebuild_from_type, NULL},
    {"torch", "FloatStorage", NULL, "F32"},
    {"torch", "HalfStorage", NULL, "F16"},
    {"torch", "BFloat16Storage", NULL, "BF16"},
    {"torch", "DoubleStorage", NULL, "F64"},
    {"torch", "LongStorage", NULL, "I64"},
    {"torch", "IntStorage", NULL, "I32"},
    {"torch", "ShortStorage", NULL, "I16"},
    {"torch", "CharStorage", NULL, "I8"},
    {"torch", "ByteStorage", NULL, "U8"},
    {"torch", "BoolStorage", NULL, "BOOL"},
    {"torch", "ComplexFloatStorage", NULL, "C64"},
    {"torch", "ComplexDoubleStorage", NULL, "C128"},
    {"torch", "QInt8Storage", NULL, "I8"},
    {"torch", "QUInt8Storage", NULL, "U8"},
    {"torch", "QInt32Storage", NULL, "I32"},
    {"torch.storage", "UntypedStorage", NULL, "U8"},
};

enum { GLOBALS = sizeof globals / sizeof globals[0] };

/* Modules that run programs or load code, and functions of Python's own that do. No checkpoint needs them. */
static const char *const refused_modules[] = {"os",     "posix",     "nt",     "subprocess", "pty",
                                              "socket", "importlib", "runpy",  "commands",   "marshal",
                                              "pickle", "shutil",    "ctypes", "code",       "webbrowser"};
static const char *const refused_functions[] = {"eval", "exec", "execfile", "compile", "open", "__import__"};
static const char *const python_modules[] = {"builtins", "__builtin__"};

static bool is_text(const unsigned char *text, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

static bool is_listed(const unsigned char *text, size_t n, const char *const *list, size_t nlist)
{
    for (size_t i = 0; i < nlist; i++)
        if (is_text(text, n, list[i]))
            return true;
    return false;
}

#define LISTED(text, n, list) is_listed(text, n, list, sizeof(list) / sizeof(list)[0])

static bool is_refused(const struct weights_pickle_global *g)
{
    const unsigned char *dot = memchr(g->module, '.', g->nmodule);
    size_t n = dot ? (size_t)(dot - g->module) : g->nmodule;

    return LISTED(g->module, n, refused_modules) ||
           (LISTED(g->module, g->nmodule, python_modules) && LISTED(g->name, g->nname, refused_functions));
}

enum status weights_pickle_globals_push(machine *m, const struct weights_pickle_global *named)
{
    struct weights_pickle *p = m->p;
    struct weights_pickle_value made = {.kind = WEIGHTS_PICKLE_GLOBAL, .integer = (long long)p->nglobals};
    char text[WEIGHTS_PICKLE_CLASS];
    size_t row = 0;

    while (row < GLOBALS && !(is_text(named->module, named->nmodule, globals[row].module) &&
                              is_text(named->name, named->nname, globals[row].name)))
        row++;
    struct weights_pickle_global *list = weights_grow(p->globals, &p->globals_capacity, p->nglobals, sizeof *list);
    if (!list)
        return weights_pickle_machine_memory(m);
    p->globals = list;
    list[p->nglobals] = *named;
    list[p->nglobals++].row = row;
    if (!is_refused(named))
        return weights_pickle_machine_push(m, made);
    weights_pickle_class(text, p, &made);
    return error_set(
        m->err, FAIL_UNSUPPORTED,
        "%s: the pickle asks for %s, which runs programs when Python opens the file; nothing was executed. "
        "Do not open it with Python; ask for the weights as safetensors",
        m->path, text);
}

/* The row of a global that is called; NULL if it is unknown. */
static const struct global *known(const struct weights_pickle *p, value *called)
{
    size_t row = p->globals[called->integer].row;

    return called->kind == WEIGHTS_PICKLE_GLOBAL && row < GLOBALS ? &globals[row] : NULL;
}

static enum status make_object(machine *m, long long global)
{
    struct weights_pickle_value object = {.kind = WEIGHTS_PICKLE_OBJECT,
                                          .integer = global,
                                          .first = WEIGHTS_PICKLE_END,
                                          .last = WEIGHTS_PICKLE_END,
                                          .attributes = WEIGHTS_PICKLE_END};

    return weights_pickle_machine_push(m, object);
}

enum status weights_pickle_globals_call(machine *m, value *called, value *arguments)
{
    const struct global *g = known(m->p, called);
    struct weights_pickle_value copy = *arguments; /* creating a value may move the others */

    if (!g)
        return make_object(m, called->integer);
    if (!g->call)
        return error_set(m->err, FAIL_UNSUPPORTED, "%s: the pickle calls %s.%s, which torch.save does not write",
                         m->path, g->module, g->name);
    return g->call(m, &copy);
}

static enum status rebuild_from_type(machine *m, value *arguments)
{
    value *a[3] = {NULL};

    if (!weights_pickle_machine_items(a, m->p, arguments, 3) || a[0]->kind != WEIGHTS_PICKLE_GLOBAL ||
        a[2]->kind != WEIGHTS_PICKLE_TUPLE)
        return damaged(m, "a tensor of a class of its own is not made from a function and arguments");
    const struct global *g = known(m->p, a[0]);
    struct weights_pickle_value copy = *a[2];
    return g && g->call == rebuild_tensor ? rebuild_tensor(m, &copy) : make_object(m, a[0]->integer);
}

static enum status find_storage(size_t *number, machine *m, const struct weights_pickle_storage *wanted)
{
    struct weights_pickle *p = m->p;

    for (size_t i = 0; i < p->nstorages; i++) {
        const struct weights_pickle_storage *s = &p->storages[i];
        if (s->nkey != wanted->nkey || memcmp(s->key, wanted->key, s->nkey) != 0)
            continue;
        *number = i;
        return s->dtype == wanted->dtype && s->numel == wanted->numel
                   ? OK
                   : damaged(m, "two storages of one key differ in type or size");
    }
    if (p->nstorages == WEIGHTS_PICKLE_MAX_STORAGES)
        return weights_pickle_machine_full(m);
    struct weights_pickle_storage *storages =
        weights_grow(p->storages, &p->storages_capacity, p->nstorages, sizeof *storages);
    if (!storages)
        return weights_pickle_machine_memory(m);
    p->storages = storages;
    storages[p->nstorages] = *wanted;
    *number = p->nstorages++;
    return OK;
}

/* ('storage', type, key, location, numel) and, in the stream format, None or the position in another storage. */
static enum status storage(machine *m, value *id)
{
    value *a[6] = {NULL};
    struct weights_pickle_value made = {.kind = WEIGHTS_PICKLE_STORAGE};
    size_t number = 0;
    enum status rc;

    if (!weights_pickle_machine_items(a, m->p, id, 5))
        return damaged(m, "a storage's type, key or size is missing");
    const struct global *type = a[1]->kind == WEIGHTS_PICKLE_GLOBAL ? known(m->p, a[1]) : NULL;
    if (a[2]->kind != WEIGHTS_PICKLE_STRING || !weights_is_name((const char *)a[2]->text, a[2]->length) ||
        a[4]->kind != WEIGHTS_PICKLE_INTEGER || a[4]->integer < 0 || a[1]->kind != WEIGHTS_PICKLE_GLOBAL)
        return damaged(m, "a storage's type, key or size is wrong");
    if (!type || !type->dtype) {
        char text[WEIGHTS_PICKLE_CLASS];
        weights_pickle_class(text, m->p, a[1]);
        return error_set(m->err, FAIL_UNSUPPORTED, "%s: a tensor has numbers of the unknown kind %s", m->path, text);
    }
    if (weights_pickle_machine_items(a, m->p, id, 6) && a[5]->kind != WEIGHTS_PICKLE_OTHER)
        return error_set(m->err, FAIL_UNSUPPORTED,
                         "%s: a storage is a view of another one; save the weights again with a newer PyTorch",
                         m->path);
    struct weights_pickle_storage wanted = {.key = a[2]->text, .nkey = a[2]->length, .numel = (size_t)a[4]->integer};
    wanted.dtype = weights_dtype_find(type->dtype);
    TRY(find_storage(&number, m, &wanted));
    made.integer = (long long)number;
    rc = weights_pickle_machine_push(m, made);
done:
    return rc;
}

/* In the stream format, ('module', class, file, source) is the class. */
enum status weights_pickle_globals_persistent(machine *m, value *id)
{
    value *a[2] = {NULL};

    if (!weights_pickle_machine_items(a, m->p, id, 2))
        return damaged(m, "a persistent identifier is not of a storage");
    if (weights_pickle_is_text(a[0], "module") && a[1]->kind == WEIGHTS_PICKLE_GLOBAL)
        return weights_pickle_machine_push(m, *a[1]);
    return weights_pickle_is_text(a[0], "storage") ? storage(m, id)
                                                   : damaged(m, "a persistent identifier is not of a storage");
}
