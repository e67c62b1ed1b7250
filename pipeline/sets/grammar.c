#include "pipeline/sets/grammar.h"

#include "pipeline/sets/text.h"
#include "pipeline/util/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a subexpression: neurons while it concerns one layer only, else clauses of sets. */
struct operand {
    struct sets_token token; /* where it begins */
    bool neurons;
    struct sets_set set; /* owned, if `neurons` */
    struct dnf clauses;  /* owned, otherwise */
};

struct parser {
    struct sets *out;
    struct sets_reader reader;
    size_t depth;
    struct error *err;
};

static void release(struct operand *operand)
{
    free(operand->set.bits);
    dnf_free(&operand->clauses);
    *operand = (struct operand){.neurons = false};
}

static enum status no_memory(struct error *err)
{
    return error_set(err, FAIL_SYSTEM, "no memory for a set expression");
}

/* ---- bits ------------------------------------------------------------------------------------------------------ */

static size_t neurons_of(const struct network *net, const struct sets_set *set)
{
    return shape_neurons(network_shape(net, set->variable));
}

static void set_bit(struct sets_set *set, size_t i)
{
    set->bits[i / 8] = (unsigned char)(set->bits[i / 8] | 1u << i % 8);
}

/* Set the number of neurons, and the bits beyond the last one to zero. */
static void update_count(struct sets_set *set, size_t neurons)
{
    if (neurons % 8)
        set->bits[neurons / 8] = (unsigned char)(set->bits[neurons / 8] & ((1u << neurons % 8) - 1));
    set->count = 0;
    for (size_t i = 0; i < neurons; i++)
        set->count += sets_has(set, i);
}

static void merge(struct sets_set *a, const struct sets_set *b, bool intersect, size_t neurons)
{
    for (size_t i = 0; i < (neurons + 7) / 8; i++)
        a->bits[i] = (unsigned char)(intersect ? a->bits[i] & b->bits[i] : a->bits[i] | b->bits[i]);
    update_count(a, neurons);
}

static void invert(struct sets_set *a, size_t neurons)
{
    for (size_t i = 0; i < (neurons + 7) / 8; i++)
        a->bits[i] = (unsigned char)~a->bits[i];
    update_count(a, neurons);
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

static enum status expect(struct parser *p, char sign, const char *after)
{
    if (!sets_text_is_sign(&p->reader, sign))
        return sets_text_fail(&p->reader, p->reader.token, "expected \"%c\" %s", sign, after);
    return sets_text_next(&p->reader);
}

static bool is_keyword(const struct sets_reader *reader)
{
    static const char *const keywords[] = {"and", "or", "not", "given"};

    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (sets_text_is_word(reader, keywords[i]))
            return true;
    return false;
}

/* The variable that a token names, more than there are if none. */
static size_t find_layer(const struct parser *p, struct sets_token token, char name[NETWORK_NAME])
{
    const struct network *net = p->out->net;

    snprintf(name, NETWORK_NAME, "%.*s", (int)token.length, p->reader.text + token.at);
    return token.length < NETWORK_NAME ? network_find(net, name) : net->nlinks + 1;
}

/* Whether a token can be a layer: a word, or a number if the network has such a layer. */
static bool is_layer(const struct parser *p)
{
    const struct sets_token token = p->reader.token;
    char name[NETWORK_NAME];

    if (token.kind == SETS_NUMBER)
        return find_layer(p, token, name) <= p->out->net->nlinks;
    return token.kind == SETS_WORD && !is_keyword(&p->reader);
}

/* The name of a variable that walks can pass. */
static enum status parse_layer(struct parser *p, size_t *variable)
{
    const struct network *net = p->out->net;
    const struct sets_token token = p->reader.token;
    char name[NETWORK_NAME], hint[SUGGEST_HINT];
    struct suggest nearest;

    if (!is_layer(p))
        return sets_text_fail(&p->reader, token, "expected a layer, such as %s", network_variable(net, net->nlinks));
    *variable = find_layer(p, token, name);
    if (*variable <= net->nlinks && !net->swept[*variable])
        return sets_text_fail(&p->reader, token, "%s only computes a gate: no walk passes it", name);
    if (*variable <= net->nlinks)
        return sets_text_next(&p->reader);
    suggest_init(&nearest, name);
    for (size_t k = 0; k <= net->nlinks; k++)
        suggest_offer(&nearest, network_variable(net, k));
    suggest_hint(hint, sizeof hint, &nearest);
    return sets_text_fail(&p->reader, token, "%s has no layer \"%s\"%s", net->name, name, hint);
}

struct span {
    size_t first, end;
};

/* A range below `limit`; `size` is the message about the layer's size. */
static enum status parse_span(struct parser *p, struct span *out, size_t limit, const char *what, const char *size)
{
    struct sets_token token = p->reader.token;
    enum status rc = OK;

    if (token.kind != SETS_NUMBER)
        TRY(sets_text_fail(&p->reader, token, "expected %s, as 7 or 7:20", what));
    if (token.number >= limit)
        TRY(sets_text_fail(&p->reader, token, "%s", size));
    *out = (struct span){token.number, token.number + 1};
    TRY(sets_text_next(&p->reader));
    if (!sets_text_is_sign(&p->reader, ':'))
        goto done;
    TRY(sets_text_next(&p->reader));
    token = p->reader.token;
    if (token.kind != SETS_NUMBER)
        TRY(sets_text_fail(&p->reader, token, "expected the end of the range, which is exclusive"));
    if (token.number <= out->first)
        TRY(sets_text_fail(&p->reader, token, "the range is empty: its end is exclusive"));
    if (token.number > limit)
        TRY(sets_text_fail(&p->reader, token, "%s", size));
    out->end = token.number;
    TRY(sets_text_next(&p->reader));
done:
    return rc;
}

/* "[3,7,20:24]" or "[*]"; `chosen` has a place for every channel. */
static enum status parse_channels(struct parser *p, bool *chosen, struct shape shape, const char *name)
{
    char size[128];
    struct span span;
    enum status rc = OK;

    snprintf(size, sizeof size, "%s has %zu channel%s, 0 to %zu", name, shape.channels, shape.channels == 1 ? "" : "s",
             shape.channels - 1);
    TRY(sets_text_next(&p->reader));
    if (sets_text_is_sign(&p->reader, '*')) {
        TRY(sets_text_next(&p->reader));
        TRY(expect(p, ']', "after the star"));
        goto done;
    }
    memset(chosen, 0, shape.channels * sizeof *chosen);
    for (;;) {
        TRY(parse_span(p, &span, shape.channels, "a channel or a range of them", size));
        for (size_t c = span.first; c < span.end; c++)
            chosen[c] = true;
        if (!sets_text_is_sign(&p->reader, ','))
            break;
        TRY(sets_text_next(&p->reader));
    }
    TRY(expect(p, ']', "or \",\" after a channel"));
done:
    return rc;
}

/* "@(0:7,3:10)" */
static enum status parse_box(struct parser *p, struct span *rows, struct span *columns, struct shape shape,
                             const char *name)
{
    char size[128];
    enum status rc = OK;

    snprintf(size, sizeof size, "%s has %zu x %zu positions: rows 0 to %zu, columns 0 to %zu", name, shape.height,
             shape.width, shape.height - 1, shape.width - 1);
    TRY(sets_text_next(&p->reader));
    TRY(expect(p, '(', "after @, as in @(0:7,3:10)"));
    TRY(parse_span(p, rows, shape.height, "a row or a range of them", size));
    TRY(expect(p, ',', "and the columns after the rows"));
    TRY(parse_span(p, columns, shape.width, "a column or a range of them", size));
    TRY(expect(p, ')', "after the columns"));
done:
    return rc;
}

static void fill(struct sets_set *set, const bool *chosen, struct span rows, struct span columns, struct shape shape)
{
    for (size_t c = 0; c < shape.channels; c++)
        for (size_t y = rows.first; chosen[c] && y < rows.end; y++)
            for (size_t x = columns.first; x < columns.end; x++)
                set_bit(set, (c * shape.height + y) * shape.width + x);
    update_count(set, shape_neurons(shape));
}

/* A layer, with channels and box if they are given. */
static enum status parse_neurons(struct parser *p, struct operand *out)
{
    struct span rows, columns;
    struct shape shape;
    bool *chosen = NULL;
    enum status rc = OK;

    TRY(parse_layer(p, &out->set.variable));
    const char *name = network_variable(p->out->net, out->set.variable);
    shape = network_shape(p->out->net, out->set.variable);
    rows = (struct span){0, shape.height};
    columns = (struct span){0, shape.width};
    out->neurons = true;
    out->set.bits = calloc((shape_neurons(shape) + 7) / 8, 1);
    chosen = malloc(shape.channels * sizeof *chosen);
    if (!out->set.bits || !chosen)
        TRY(no_memory(p->err));
    memset(chosen, true, shape.channels * sizeof *chosen);
    if (sets_text_is_sign(&p->reader, '['))
        TRY(parse_channels(p, chosen, shape, name));
    if (sets_text_is_sign(&p->reader, '@'))
        TRY(parse_box(p, &rows, &columns, shape, name));
    fill(&out->set, chosen, rows, columns, shape);
done:
    free(chosen);
    return rc;
}

/* ---- operands -------------------------------------------------------------------------------------------------- */

/* Give a set its number, that of an equal one if there is one. Takes over its bits. */
static enum status number_set(struct parser *p, size_t *number, struct sets_set *set, struct sets_token token)
{
    struct sets *sets = p->out;
    size_t nbytes = (neurons_of(sets->net, set) + 7) / 8;

    for (size_t i = 0; i < sets->nsets; i++) {
        const struct sets_set *other = &sets->sets[i];
        if (other->variable != set->variable || other->bias != set->bias)
            continue;
        if (set->bias || memcmp(other->bits, set->bits, nbytes) == 0) {
            *number = i;
            return OK;
        }
    }
    if (sets->nsets == SETS_MAX)
        return sets_text_fail(&p->reader, token,
                              "more than %d different sets; split the expression into several queries", (int)SETS_MAX);
    *number = sets->nsets;
    sets->sets[sets->nsets++] = *set;
    *set = (struct sets_set){.bits = NULL};
    return OK;
}

/* Turn neurons of one layer into the clause of this set. */
static enum status make_clauses(struct parser *p, struct operand *operand)
{
    size_t number;
    enum status rc = OK;

    if (!operand->neurons)
        return OK;
    TRY(number_set(p, &number, &operand->set, operand->token));
    free(operand->set.bits);
    operand->set.bits = NULL;
    operand->neurons = false;
    TRY(dnf_one(&operand->clauses, UINT64_C(1) << number, p->err));
done:
    return rc;
}

/* a becomes a and b, or a or b. */
static enum status combine(struct parser *p, struct operand *a, struct operand *b, bool intersect)
{
    struct dnf joined = {0};
    enum status rc = OK;

    if (a->neurons && b->neurons && a->set.variable == b->set.variable) {
        merge(&a->set, &b->set, intersect, neurons_of(p->out->net, &a->set));
        return OK;
    }
    TRY(make_clauses(p, a));
    TRY(make_clauses(p, b));
    TRY(intersect ? dnf_and(&joined, &a->clauses, &b->clauses, p->err)
                  : dnf_or(&joined, &a->clauses, &b->clauses, p->err));
done:
    if (rc != OK) {
        dnf_free(&joined);
        return rc;
    }
    dnf_free(&a->clauses);
    a->clauses = joined;
    return rc;
}

static bool has_bias(const struct network *net, size_t variable)
{
    return variable > 0 &&
           (net->links[variable - 1].kind == LINK_CONVOLUTION || net->links[variable - 1].kind == LINK_DENSE);
}

/* "bias(conv4_2)", the word being read. */
static enum status parse_bias(struct parser *p, struct operand *out)
{
    const struct network *net = p->out->net;
    struct sets_set set = {.bias = true};
    struct sets_token layer;
    size_t number;
    enum status rc = OK;

    TRY(expect(p, '(', "after bias, as in bias(conv1_1)"));
    layer = p->reader.token;
    TRY(parse_layer(p, &set.variable));
    if (!has_bias(net, set.variable))
        TRY(sets_text_fail(&p->reader, layer, "%s has no bias", network_variable(net, set.variable)));
    TRY(expect(p, ')', "after the layer"));
    TRY(number_set(p, &number, &set, out->token));
    TRY(dnf_one(&out->clauses, UINT64_C(1) << number, p->err));
done:
    return rc;
}

static enum status parse_union(struct parser *p, struct operand *out);

static enum status parse_part(struct parser *p, struct operand *out);

static enum status parse_not(struct parser *p, struct operand *out)
{
    enum status rc = OK;

    TRY(sets_text_next(&p->reader));
    TRY(parse_part(p, out));
    if (!out->neurons)
        TRY(sets_text_fail(&p->reader, out->token,
                           "\"not\" takes the other neurons of one layer; this is a bias or spans several layers"));
    invert(&out->set, neurons_of(p->out->net, &out->set));
done:
    return rc;
}

static enum status parse_parentheses(struct parser *p, struct operand *out)
{
    enum status rc = OK;

    TRY(sets_text_next(&p->reader));
    TRY(parse_union(p, out));
    if (sets_text_is_word(&p->reader, "given"))
        TRY(sets_text_fail(&p->reader, p->reader.token, "\"given\" must be outside parentheses"));
    TRY(expect(p, ')', ", \"and\" or \"or\" after a set"));
done:
    return rc;
}

static enum status parse_part(struct parser *p, struct operand *out)
{
    struct sets_token token = p->reader.token;
    enum status rc = OK;

    *out = (struct operand){.token = token};
    if (++p->depth > SETS_DEPTH)
        TRY(sets_text_fail(&p->reader, token, "more than %d levels of \"(\" and \"not\"", (int)SETS_DEPTH));
    if (sets_text_is_word(&p->reader, "not"))
        TRY(parse_not(p, out));
    else if (sets_text_is_sign(&p->reader, '('))
        TRY(parse_parentheses(p, out));
    else if (sets_text_is_word(&p->reader, "bias")) {
        TRY(sets_text_next(&p->reader));
        TRY(parse_bias(p, out));
    } else if (!is_layer(p))
        TRY(sets_text_fail(&p->reader, token, "expected a set, such as %s[0:2], or \"not\" or \"(\"",
                           network_variable(p->out->net, p->out->net->nlinks)));
    else
        TRY(parse_neurons(p, out));
    p->depth--;
    out->token = token;
done:
    return rc;
}

/* Parts joined by a word. */
static enum status parse_joined(struct parser *p, struct operand *out, const char *word,
                                enum status (*parse)(struct parser *p, struct operand *out), bool intersect)
{
    struct operand next = {.neurons = false};
    enum status rc = OK;

    TRY(parse(p, out));
    while (sets_text_is_word(&p->reader, word)) {
        TRY(sets_text_next(&p->reader));
        TRY(parse(p, &next));
        TRY(combine(p, out, &next, intersect));
        release(&next);
    }
done:
    release(&next);
    return rc;
}

static enum status parse_intersection(struct parser *p, struct operand *out)
{
    *out = (struct operand){.neurons = false};
    return parse_joined(p, out, "and", parse_part, true);
}

static enum status parse_union(struct parser *p, struct operand *out)
{
    *out = (struct operand){.neurons = false};
    return parse_joined(p, out, "or", parse_intersection, false);
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static enum status parse_whole(struct parser *p, struct operand *value, struct operand *given)
{
    enum status rc = OK;

    TRY(parse_union(p, value));
    TRY(make_clauses(p, value));
    if (sets_text_is_word(&p->reader, "given")) {
        p->out->conditional = true;
        TRY(sets_text_next(&p->reader));
        TRY(parse_union(p, given));
        TRY(make_clauses(p, given));
    }
    if (sets_text_is_word(&p->reader, "given"))
        TRY(sets_text_fail(&p->reader, p->reader.token, "there can be only one \"given\""));
    if (p->reader.token.kind != SETS_END)
        TRY(sets_text_fail(&p->reader, p->reader.token, "expected \"and\", \"or\"%s or the end after a set",
                           p->out->conditional ? "" : ", \"given\""));
done:
    return rc;
}

enum status sets_grammar(struct sets *out, struct dnf *value, struct dnf *given, const char *text, struct error *err)
{
    struct parser p = {.out = out, .err = err};
    struct operand v = {.neurons = false}, g = {.neurons = false};
    enum status rc = OK;

    TRY(sets_text_begin(&p.reader, text, err));
    TRY(parse_whole(&p, &v, &g));
    *value = v.clauses;
    *given = g.clauses;
    v.clauses = g.clauses = (struct dnf){0};
done:
    release(&v);
    release(&g);
    return rc;
}
