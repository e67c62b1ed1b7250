#include "io/weights/pickle.h"

#include "io/weights/pickle_machine.h"

#include <ctype.h>
#include <stdlib.h>

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

/* A name up to the end of the line; characters that are not printable become question marks. */
static enum status take_line(char out[WEIGHTS_PICKLE_MAX_TEXT + 1], machine *m)
{
    size_t n = 0;

    for (;; n++) {
        if (m->at == m->nbytes || n == WEIGHTS_PICKLE_MAX_TEXT)
            return weights_pickle_machine_damaged(m, "a name does not end");
        unsigned char c = m->bytes[m->at++];
        if (c == '\n')
            break;
        out[n] = isprint(c) ? (char)c : '?';
    }
    out[n] = '\0';
    return OK;
}

static enum status op_proto(machine *m, size_t operand)
{
    size_t version = 0;
    enum status rc;

    TRY(take_number(&version, m, operand));
    if (version != 2)
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
    char module[WEIGHTS_PICKLE_MAX_TEXT + 1], name[WEIGHTS_PICKLE_MAX_TEXT + 1];
    enum status rc;

    (void)operand;
    TRY(take_line(module, m));
    TRY(take_line(name, m));
    rc = weights_pickle_globals_push(m, module, name);
done:
    return rc;
}

static enum status op_reduce(machine *m, size_t operand)
{
    const struct weights_pickle_value *arguments = weights_pickle_machine_peek(m, 0, WEIGHTS_PICKLE_TUPLE);
    const struct weights_pickle_value *global = weights_pickle_machine_peek(m, 1, WEIGHTS_PICKLE_GLOBAL);

    if (!arguments || !global)
        return missing(m);
    m->nstack -= operand;
    return weights_pickle_globals_call(m, global, arguments);
}

static enum status op_persistent(machine *m, size_t operand)
{
    const struct weights_pickle_value *id = weights_pickle_machine_peek(m, 0, WEIGHTS_PICKLE_TUPLE);

    if (!id)
        return missing(m);
    m->nstack -= operand;
    return weights_pickle_globals_storage(m, id);
}

/* The attributes of an OrderedDict, `_metadata`, are ignored. */
static enum status op_build(machine *m, size_t operand)
{
    if (!weights_pickle_machine_peek(m, 0, WEIGHTS_PICKLE_DICT) ||
        !weights_pickle_machine_peek(m, 1, WEIGHTS_PICKLE_DICT))
        return missing(m);
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

/* An integer whose length comes first; only those of 4 to 8 bytes need this form. */
static enum status op_long(machine *m, size_t operand)
{
    size_t n = 0;
    enum status rc;

    TRY(take_number(&n, m, operand));
    if (n < 4 || n > sizeof n)
        return weights_pickle_machine_damaged(m, "an integer does not have between 4 and 8 bytes");
    rc = op_integer(m, n);
done:
    return rc;
}

static enum status op_bool(machine *m, size_t operand)
{
    struct weights_pickle_value v = {.kind = WEIGHTS_PICKLE_INTEGER, .integer = (long long)operand};

    return weights_pickle_machine_push(m, v);
}

/* None, and floating-point numbers of `operand` bytes. */
static enum status op_other(machine *m, size_t operand)
{
    const unsigned char *bytes;
    enum status rc;

    TRY(take(&bytes, m, operand));
    rc = weights_pickle_machine_push(m, (struct weights_pickle_value){.kind = WEIGHTS_PICKLE_OTHER});
done:
    return rc;
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

/* Move the n highest values into the container under them and under `below` marks; in pairs into a dict. */
static enum status add_items(machine *m, size_t n, size_t below, enum weights_pickle_kind kind)
{
    size_t step = kind == WEIGHTS_PICKLE_DICT ? 2 : 1, first = m->nstack - n;
    enum status rc = OK;

    if (n % step != 0 || !weights_pickle_machine_peek(m, n + below, kind))
        return missing(m);
    size_t container = m->stack[first - below - 1];
    for (size_t i = first; i < first + n; i += step)
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

static enum status op_put(machine *m, size_t operand)
{
    size_t place = 0;
    enum status rc;

    TRY(take_number(&place, m, operand));
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
done:
    return rc;
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

/* All opcodes of state dicts. Operands: bytes of a number, values on the stack, or the kind of a container. */
static const struct opcode opcodes[256] = {
    [0x80] = {op_proto, 1},
    ['.'] = {op_stop, 1},
    ['c'] = {op_global, 0},
    ['R'] = {op_reduce, 2},
    ['Q'] = {op_persistent, 1},
    ['b'] = {op_build, 1},
    ['U'] = {op_string, 1},
    ['T'] = {op_string, 4},
    ['X'] = {op_string, 4},
    ['K'] = {op_integer, 1},
    ['M'] = {op_integer, 2},
    ['J'] = {op_integer, 4},
    [0x8a] = {op_long, 1},
    [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},
    ['N'] = {op_other, 0},
    ['G'] = {op_other, 8},
    ['('] = {op_mark, 0},
    [')'] = {op_container, WEIGHTS_PICKLE_TUPLE},
    [']'] = {op_container, WEIGHTS_PICKLE_LIST},
    ['}'] = {op_container, WEIGHTS_PICKLE_DICT},
    ['t'] = {op_tuple, 0},
    [0x85] = {op_short_tuple, 1},
    [0x86] = {op_short_tuple, 2},
    [0x87] = {op_short_tuple, 3},
    ['a'] = {op_item, WEIGHTS_PICKLE_LIST},
    ['e'] = {op_items, WEIGHTS_PICKLE_LIST},
    ['s'] = {op_item, WEIGHTS_PICKLE_DICT},
    ['u'] = {op_items, WEIGHTS_PICKLE_DICT},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
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
                "%s: opcode 0x%02x at byte %zu of the pickle is not part of a state dict; nothing was executed", path,
                *code, m.at - 1);
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
