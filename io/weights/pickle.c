#include "io/weights/pickle.h"

#include "io/weights/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

typedef struct weights_pickle_machine machine;

struct opcode {
    enum status (*run)(machine *m, size_t operand);
    size_t operand;
};

static enum status missing(machine *m)
{
    return weights_pickle_machine_damaged(m, "an object of the right kind is missing on its stack");
}

static enum status ended(machine *m)
{
    weights_pickle_machine_damaged(m, "it ends in the middle of an object");
    return FAIL_FORMAT;
}

static enum status take(const unsigned char **out, machine *m, size_t n)
{
    if (n > m->nbytes - m->at)
        return ended(m);
    *out = m->bytes + m->at;
    m->at += n;
    return OK;
}

/* A little-endian number of n bytes. */
static enum status take_number(size_t *out, machine *m, size_t n)
{
    const unsigned char *bytes = NULL;
    enum status rc;

    *out = 0;
    TRY(take(&bytes, m, n));
    while (n-- > 0)
        *out = *out << 8 | bytes[n];
done:
    return rc;
}

/* A name up to the end of the line. */
static enum status take_line(const unsigned char **out, size_t *n, machine *m)
{
    *out = m->bytes + m->at;
    for (*n = 0;; ++*n) {
        if (m->at == m->nbytes || *n == WEIGHTS_PICKLE_MAX_TEXT)
            return weights_pickle_machine_damaged(m, "a name does not end");
        if (m->bytes[m->at++] == '\n')
            return OK;
    }
}

static enum status op_proto(machine *m, size_t operand)
{
    size_t version = 0;
    enum status rc;

    TRY(take_number(&version, m, operand));
    if (version < 2 || version > 5)
        return error_set(m->err, FAIL_UNSUPPORTED,
                         "%s: pickle protocol %zu; save the weights with torch.save's default protocol, 2", m->path,
                         version);
done:
    return rc;
}

static enum status op_stop(machine *m, size_t operand)
{
    if (m->nstack != operand || !weights_pickle_machine_has(m, operand))
        return weights_pickle_machine_damaged(m, "it ends with objects missing or left over");
    m->p->root = m->stack[0];
    m->stopped = true;
    return OK;
}

static enum status op_global(machine *m, size_t operand)
{
    struct weights_pickle_global named = {0};
    enum status rc;

    (void)operand;
    TRY(take_line(&named.module, &named.nmodule, m));
    TRY(take_line(&named.name, &named.nname, m));
    rc = weights_pickle_globals_push(m, &named);
done:
    return rc;
}

/* The same from two strings on the stack. */
static enum status op_stack_global(machine *m, size_t operand)
{
    const struct weights_pickle_value *name = weights_pickle_machine_peek(m, 0, WEIGHTS_PICKLE_STRING);
    const struct weights_pickle_value *module = weights_pickle_machine_peek(m, 1, WEIGHTS_PICKLE_STRING);

    if (!name || !module || name->length > WEIGHTS_PICKLE_MAX_TEXT || module->length > WEIGHTS_PICKLE_MAX_TEXT)
        return missing(m);
    struct weights_pickle_global named = {module->text, name->text, module->length, name->length, 0};
    m->nstack -= operand;
    return weights_pickle_globals_push(m, &named);
}

/* A call, or a new object: what is called, then its arguments, then with `operand` 3 the ones with names. */
static enum status op_call(machine *m, size_t operand)
{
    const struct weights_pickle_value *arguments = weights_pickle_machine_peek(m, operand - 2, WEIGHTS_PICKLE_TUPLE);
    const struct weights_pickle_value *called = weights_pickle_machine_any(m, operand - 1);

    if (!arguments || !called || (called->kind != WEIGHTS_PICKLE_GLOBAL && called->kind != WEIGHTS_PICKLE_OBJECT))
        return missing(m);
    m->nstack -= operand;
    return weights_pickle_globals_call(m, called, arguments);
}

static enum status op_persistent(machine *m, size_t operand)
{
    const struct weights_pickle_value *id = weights_pickle_machine_peek(m, 0, WEIGHTS_PICKLE_TUPLE);

    if (!id)
        return missing(m);
    m->nstack -= operand;
    return weights_pickle_globals_persistent(m, id);
}

/* Attributes: those of an object are kept; those of an OrderedDict, `_metadata`, and of a tensor are ignored. */
static enum status op_build(machine *m, size_t operand)
{
    const struct weights_pickle_value *attributes = weights_pickle_machine_any(m, 0);
    const struct weights_pickle_value *built = weights_pickle_machine_any(m, 1);

    if (!attributes || !built)
        return missing(m);
    bool fits = built->kind == WEIGHTS_PICKLE_DICT
                    ? attributes->kind == WEIGHTS_PICKLE_DICT
                    : built->kind == WEIGHTS_PICKLE_OBJECT || built->kind == WEIGHTS_PICKLE_TENSOR;
    if (!fits)
        return missing(m);
    if (built->kind == WEIGHTS_PICKLE_OBJECT)
        m->p->values[m->stack[m->nstack - 2]].attributes = (long)m->stack[m->nstack - 1];
    m->nstack -= operand;
    return OK;
}

static enum status op_string(machine *m, size_t operand)
{
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_STRING};
    enum status rc;

    TRY(take_number(&v.length, m, operand));
    TRY(take(&v.text, m, v.length));
    rc = weights_pickle_machine_push(m, v);
done:
    return rc;
}

/* One and two bytes are unsigned, others have a sign. */
static enum status op_integer(machine *m, size_t operand)
{
    size_t bits = 0;
    enum status rc;

    TRY(take_number(&bits, m, operand));
    if (operand > 2 && operand < sizeof bits && bits >> (8 * operand - 1))
        bits |= SIZE_MAX << (8 * operand);
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_INTEGER, .integer = (long long)bits};
    rc = weights_pickle_machine_push(m, v);
done:
    return rc;
}

/* An integer with a sign, whose length of `operand` bytes comes first; of more than 8 bytes it is not kept. */
static enum status op_long(machine *m, size_t operand)
{
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_INTEGER};
    const unsigned char *bytes = NULL;
    size_t n = 0;
    enum status rc;

    TRY(take_number(&n, m, operand));
    TRY(take(&bytes, m, n));
    uint64_t bits = n > 0 && bytes[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0 && n <= sizeof bits;)
        bits = bits << 8 | bytes[i];
    v.kind = n > sizeof bits ? WEIGHTS_PICKLE_OTHER : v.kind;
    v.integer = (long long)bits;
    rc = weights_pickle_machine_push(m, v);
done:
    return rc;
}

static enum status op_bool(machine *m, size_t operand)
{
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_INTEGER, .integer = (long long)operand};

    return weights_pickle_machine_push(m, v);
}

static enum status op_none(machine *m, size_t operand)
{
    (void)operand;
    return weights_pickle_machine_push(m, (struct weights_pickle_value){.kind = WEIGHTS_PICKLE_OTHER});
}

/* A double, the highest byte first. */
static enum status op_real(machine *m, size_t operand)
{
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_REAL};
    const unsigned char *bytes = NULL;
    uint64_t bits = 0;
    enum status rc;

    TRY(take(&bytes, m, operand));
    for (size_t i = 0; i < operand; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&v.real, &bits, sizeof bits);
    rc = weights_pickle_machine_push(m, v);
done:
    return rc;
}

/* Bytes, which are not kept. */
static enum status op_bytes(machine *m, size_t operand)
{
    const unsigned char *bytes = NULL;
    size_t n = 0;
    enum status rc;

    TRY(take_number(&n, m, operand));
    TRY(take(&bytes, m, n));
    rc = op_none(m, 0);
done:
    return rc;
}

/* The length of the next part of the pickle, which is not needed. */
static enum status op_frame(machine *m, size_t operand)
{
    const unsigned char *bytes = NULL;

    return take(&bytes, m, operand);
}

static enum status op_mark(machine *m, size_t operand)
{
    (void)operand;
    return weights_pickle_machine_push_number(m, WEIGHTS_PICKLE_MARK);
}

static enum status op_container(machine *m, size_t operand)
{
    return weights_pickle_machine_push_container(m, (enum weights_pickle_kind)operand);
}

/* Count the values above the highest mark; false without a mark. */
static bool count_marked(size_t *n, const machine *m)
{
    for (*n = 0; *n < m->nstack; ++*n)
        if (m->stack[m->nstack - 1 - *n] == WEIGHTS_PICKLE_MARK)
            return true;
    return false;
}

/* Replace the n highest values, and `below` marks under them, by a tuple. */
static enum status make_tuple(machine *m, size_t n, size_t below)
{
    size_t first = m->nstack - n, tuple;
    enum status rc;

    TRY(weights_pickle_machine_push_container(m, WEIGHTS_PICKLE_TUPLE));
    tuple = m->stack[m->nstack - 1];
    for (size_t i = 0; i < n; i++)
        TRY(weights_pickle_machine_append(m, tuple, 0, m->stack[first + i]));
    m->nstack = first - below;
    rc = weights_pickle_machine_push_number(m, tuple);
done:
    return rc;
}

static enum status op_tuple(machine *m, size_t operand)
{
    size_t n;

    (void)operand;
    return count_marked(&n, m) ? make_tuple(m, n, 1) : missing(m);
}

static enum status op_short_tuple(machine *m, size_t operand)
{
    return weights_pickle_machine_has(m, operand) ? make_tuple(m, operand, 0) : missing(m);
}

/* A set, without its items. */
static enum status make_set(machine *m)
{
    static const unsigned char module[] = "builtins", name[] = "set";
    struct weights_pickle_global set = {module, name, sizeof module - 1, sizeof name - 1, 0};
    enum status rc;

    TRY(weights_pickle_globals_push(m, &set));
    struct weights_pickle_value none = {.kind = WEIGHTS_PICKLE_TUPLE, .first = WEIGHTS_PICKLE_END};
    const struct weights_pickle_value *called = weights_pickle_machine_any(m, 0);
    m->nstack--;
    rc = weights_pickle_globals_call(m, called, &none);
done:
    return rc;
}

static enum status op_set(machine *m, size_t operand)
{
    (void)operand;
    return make_set(m);
}

/* Take everything above the highest mark, and the mark, off the stack. */
static enum status op_pop_marked(machine *m, size_t operand)
{
    size_t n;

    if (!count_marked(&n, m))
        return missing(m);
    m->nstack -= n + operand;
    return OK;
}

static enum status op_frozen_set(machine *m, size_t operand)
{
    enum status rc = op_pop_marked(m, operand);

    return rc == OK ? make_set(m) : rc;
}

static enum status op_pop(machine *m, size_t operand)
{
    if (m->nstack < operand)
        return missing(m);
    m->nstack -= operand;
    return OK;
}

/* Move the n highest values into the container under them and under `below` marks; in pairs into a dict. An object
 * keeps items with keys only. */
static enum status add_items(machine *m, size_t n, size_t below, enum weights_pickle_kind kind)
{
    size_t step = kind == WEIGHTS_PICKLE_DICT ? 2 : 1, first = m->nstack - n;
    const struct weights_pickle_value *to = weights_pickle_machine_any(m, n + below);
    enum status rc = OK;

    if (n % step != 0 || !to || (to->kind != kind && to->kind != WEIGHTS_PICKLE_OBJECT))
        return missing(m);
    bool kept = to->kind == kind || kind == WEIGHTS_PICKLE_DICT;
    size_t container = m->stack[first - below - 1];
    for (size_t i = first; kept && i < first + n; i += step)
        TRY(weights_pickle_machine_append(m, container, m->stack[i], m->stack[i + step - 1]));
    m->nstack = first - below;
done:
    return rc;
}

static enum status op_items(machine *m, size_t operand)
{
    size_t n;

    return count_marked(&n, m) ? add_items(m, n, 1, (enum weights_pickle_kind)operand) : missing(m);
}

static enum status op_item(machine *m, size_t operand)
{
    size_t n = operand == WEIGHTS_PICKLE_DICT ? 2 : 1;

    return weights_pickle_machine_has(m, n) ? add_items(m, n, 0, (enum weights_pickle_kind)operand) : missing(m);
}

/* Keep the highest value at a place of the memo. */
static enum status memorize(machine *m, size_t place)
{
    if (!weights_pickle_machine_has(m, 1))
        return missing(m);
    if (place >= WEIGHTS_PICKLE_MAX_VALUES)
        return weights_pickle_machine_full(m);
    while (m->nmemo <= place) {
        size_t *memo = weights_grow(m->memo, &m->memo_capacity, m->nmemo, sizeof *memo);
        if (!memo)
            return weights_pickle_machine_memory(m);
        m->memo = memo;
        m->memo[m->nmemo++] = WEIGHTS_PICKLE_MARK;
    }
    m->memo[place] = m->stack[m->nstack - 1];
    return OK;
}

static enum status op_put(machine *m, size_t operand)
{
    size_t place = 0;
    enum status rc;

    TRY(take_number(&place, m, operand));
    rc = memorize(m, place);
done:
    return rc;
}

static enum status op_memorize(machine *m, size_t operand)
{
    (void)operand;
    return memorize(m, m->nmemo);
}

static enum status op_get(machine *m, size_t operand)
{
    size_t place = 0;
    enum status rc;

    TRY(take_number(&place, m, operand));
    if (place >= m->nmemo || m->memo[place] == WEIGHTS_PICKLE_MARK)
        return weights_pickle_machine_damaged(m, "it refers to an object that it has not stored");
    rc = weights_pickle_machine_push_number(m, m->memo[place]);
done:
    return rc;
}

/* All opcodes that picklers of protocols 2 to 5 write, but for registered extensions and buffers outside of the pickle.
 * Operands: bytes of a number, values on the stack, or the kind of a container. */
static const struct opcode opcodes[256] = {
    [0x80] = {op_proto, 1},
    [0x95] = {op_frame, 8},
    ['.'] = {op_stop, 1},
    ['c'] = {op_global, 0},
    [0x93] = {op_stack_global, 2},
    ['R'] = {op_call, 2},
    [0x81] = {op_call, 2},
    [0x92] = {op_call, 3},
    ['Q'] = {op_persistent, 1},
    ['b'] = {op_build, 1},
    ['U'] = {op_string, 1},
    ['T'] = {op_string, 4},
    [0x8c] = {op_string, 1},
    ['X'] = {op_string, 4},
    [0x8d] = {op_string, 8},
    ['C'] = {op_bytes, 1},
    ['B'] = {op_bytes, 4},
    [0x8e] = {op_bytes, 8},
    [0x96] = {op_bytes, 8},
    ['K'] = {op_integer, 1},
    ['M'] = {op_integer, 2},
    ['J'] = {op_integer, 4},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},
    ['N'] = {op_none, 0},
    ['G'] = {op_real, 8},
    ['('] = {op_mark, 0},
    [')'] = {op_container, WEIGHTS_PICKLE_TUPLE},
    [']'] = {op_container, WEIGHTS_PICKLE_LIST},
    ['}'] = {op_container, WEIGHTS_PICKLE_DICT},
    [0x8f] = {op_set, 0},
    [0x91] = {op_frozen_set, 1},
    ['0'] = {op_pop, 1},
    ['1'] = {op_pop_marked, 1},
    ['t'] = {op_tuple, 0},
    [0x85] = {op_short_tuple, 1},
    [0x86] = {op_short_tuple, 2},
    [0x87] = {op_short_tuple, 3},
    ['a'] = {op_item, WEIGHTS_PICKLE_LIST},
    ['e'] = {op_items, WEIGHTS_PICKLE_LIST},
    ['s'] = {op_item, WEIGHTS_PICKLE_DICT},
    ['u'] = {op_items, WEIGHTS_PICKLE_DICT},
    [0x90] = {op_items, WEIGHTS_PICKLE_LIST},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    [0x94] = {op_memorize, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
};

enum status weights_pickle_parse(struct weights_pickle *p, size_t *nused, const unsigned char *bytes, size_t nbytes,
                                 const char *path, struct error *err)
{
    machine m = {.p = p, .bytes = bytes, .nbytes = nbytes, .path = path, .err = err};
    const unsigned char *code = NULL;
    enum status rc = OK;

    *p = (struct weights_pickle){0};
    while (!m.stopped) {
        TRY(take(&code, &m, 1));
        const struct opcode *opcode = &opcodes[*code];
        if (!opcode->run) {
            rc = error_set(
                err, FAIL_UNSUPPORTED,
                "%s: opcode 0x%02x at byte %zu of the pickle is not one that torch.save writes; nothing was executed. "
                "Save the weights again with PyTorch: torch.save(model.state_dict(), \"weights.pth\")",
                path, *code, m.at - 1);
            goto done;
        }
        TRY(opcode->run(&m, opcode->operand));
    }
    *nused = m.at;
done:
    free(m.stack);
    free(m.memo);
    return rc;
}
