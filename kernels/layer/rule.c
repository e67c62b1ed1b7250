#include "kernels/layer/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double stabilizer = 1e-6;

struct rule_entry {
    const char *name;
    size_t nnumbers;      /* numbers in its text */
    double first, second; /* their defaults */
    bool reaches_dead;
};

static const struct rule_entry entries[] = {
    [RULE_ZERO] = {"zero", 0, 0, 0, false},           [RULE_EPSILON] = {"epsilon", 1, 1e-6, 0, false},
    [RULE_GAMMA] = {"gamma", 1, 0.25, 0, false},      [RULE_ZPLUS] = {"zplus", 0, 0, 0, false},
    [RULE_ALPHABETA] = {"alphabeta", 2, 2, 1, false}, [RULE_ZBOX] = {"zbox", 2, 0, 0, true},
    [RULE_WSQUARE] = {"wsquare", 0, 0, 0, true},      [RULE_FLAT] = {"flat", 0, 0, 0, true},
};

/* The terms of each rule in order, and the parts of each term. */
static const struct {
    enum rule_kind kind;
    enum rule_form bias;
    enum rule_selector selector;
} terms[] = {
    {RULE_ZERO, FORM_WEIGHT, SELECT_ALL},
    {RULE_EPSILON, FORM_WEIGHT, SELECT_ALL},
    {RULE_GAMMA, FORM_GAMMA_POSITIVE, SELECT_POSITIVE},
    {RULE_GAMMA, FORM_GAMMA_NEGATIVE, SELECT_NEGATIVE},
    {RULE_ZPLUS, FORM_POSITIVE, SELECT_ALL},
    {RULE_ALPHABETA, FORM_POSITIVE, SELECT_ALL},
    {RULE_ALPHABETA, FORM_NEGATIVE, SELECT_ALL},
    {RULE_ZBOX, FORM_NONE, SELECT_ALL},
    {RULE_WSQUARE, FORM_SQUARE, SELECT_ALL},
    {RULE_FLAT, FORM_NONE, SELECT_ALL},
};

static const struct {
    enum rule_kind kind;
    size_t term;
    enum rule_factor factor;
    enum rule_form form;
} parts[] = {
    {RULE_ZERO, 0, FACTOR_ACTIVATION, FORM_WEIGHT},
    {RULE_EPSILON, 0, FACTOR_ACTIVATION, FORM_WEIGHT},
    {RULE_GAMMA, 0, FACTOR_POSITIVE, FORM_GAMMA_POSITIVE},
    {RULE_GAMMA, 0, FACTOR_NEGATIVE, FORM_GAMMA_NEGATIVE},
    {RULE_GAMMA, 1, FACTOR_POSITIVE, FORM_GAMMA_NEGATIVE},
    {RULE_GAMMA, 1, FACTOR_NEGATIVE, FORM_GAMMA_POSITIVE},
    {RULE_ZPLUS, 0, FACTOR_POSITIVE, FORM_POSITIVE},
    {RULE_ZPLUS, 0, FACTOR_NEGATIVE, FORM_NEGATIVE},
    {RULE_ALPHABETA, 0, FACTOR_POSITIVE, FORM_POSITIVE},
    {RULE_ALPHABETA, 0, FACTOR_NEGATIVE, FORM_NEGATIVE},
    {RULE_ALPHABETA, 1, FACTOR_POSITIVE, FORM_NEGATIVE},
    {RULE_ALPHABETA, 1, FACTOR_NEGATIVE, FORM_POSITIVE},
    {RULE_ZBOX, 0, FACTOR_ACTIVATION, FORM_WEIGHT},
    {RULE_ZBOX, 0, FACTOR_MINUS_LOW, FORM_POSITIVE},
    {RULE_ZBOX, 0, FACTOR_MINUS_HIGH, FORM_NEGATIVE},
    {RULE_WSQUARE, 0, FACTOR_ONE, FORM_SQUARE},
    {RULE_FLAT, 0, FACTOR_ONE, FORM_ONE},
};

/* zennit's composites; numbers are the rules' defaults. */
static const struct {
    const char *name;
    enum rule_kind first, convolution, dense; /* dense: also of adds and averages */
} composites[] = {
    {"epsilon_gamma_box", RULE_ZBOX, RULE_GAMMA, RULE_EPSILON},
    {"epsilon_plus", RULE_ZPLUS, RULE_ZPLUS, RULE_EPSILON},
    {"epsilon_plus_flat", RULE_FLAT, RULE_ZPLUS, RULE_EPSILON},
    {"epsilon_alpha2_beta1", RULE_ALPHABETA, RULE_ALPHABETA, RULE_EPSILON},
    {"epsilon_alpha2_beta1_flat", RULE_FLAT, RULE_ALPHABETA, RULE_EPSILON},
    {"zero", RULE_ZERO, RULE_ZERO, RULE_ZERO},
    {"epsilon", RULE_EPSILON, RULE_EPSILON, RULE_EPSILON},
    {"gamma", RULE_GAMMA, RULE_GAMMA, RULE_GAMMA},
    {"zplus", RULE_ZPLUS, RULE_ZPLUS, RULE_ZPLUS},
};

#define LENGTH(table) (sizeof(table) / sizeof(table)[0])

static struct rule default_rule(enum rule_kind kind)
{
    return (struct rule){kind, entries[kind].first, entries[kind].second, kind == RULE_ZBOX};
}

/* Whether a term can act: not the negative one of alphabeta with beta = 0, nor of gamma without negative z. */
static bool term_acts(struct rule rule, size_t term, bool both_branches)
{
    if (term == 0)
        return true;
    return rule.kind == RULE_GAMMA ? both_branches : rule.b != 0;
}

struct rule_parts rule_expand(struct rule rule, bool signed_input, bool both_branches)
{
    struct rule_parts out = {0};

    for (size_t t = 0; t < LENGTH(terms); t++) {
        if (terms[t].kind != rule.kind || !term_acts(rule, out.nterms, both_branches))
            continue;
        double sign = out.nterms == 0 ? rule.a : -rule.b;
        out.term[out.nterms++] = (struct rule_term){
            .bias = terms[t].bias,
            .selector = terms[t].selector,
            .scale = rule.kind == RULE_ALPHABETA ? sign : 1,
            .eps = rule.kind == RULE_ZERO      ? 0
                   : rule.kind == RULE_EPSILON ? rule.a
                                               : stabilizer,
        };
    }
    for (size_t p = 0; p < LENGTH(parts); p++) {
        enum rule_factor factor = parts[p].factor;
        if (parts[p].kind != rule.kind || parts[p].term >= out.nterms || (factor == FACTOR_NEGATIVE && !signed_input))
            continue;
        if (factor == FACTOR_POSITIVE && !signed_input)
            factor = FACTOR_ACTIVATION;
        out.part[out.nparts++] = (struct rule_part){factor, parts[p].form, parts[p].term};
    }
    return out;
}

bool rule_reaches_dead(enum rule_kind kind)
{
    return entries[kind].reaches_dead;
}

double rule_form_value(enum rule_form form, double gamma, double w)
{
    double positive = w > 0 ? w : 0, negative = w < 0 ? w : 0;

    switch (form) {
    case FORM_NONE:
        return 0;
    case FORM_WEIGHT:
        return w;
    case FORM_POSITIVE:
        return positive;
    case FORM_NEGATIVE:
        return negative;
    case FORM_GAMMA_POSITIVE:
        return w + gamma * positive;
    case FORM_GAMMA_NEGATIVE:
        return w + gamma * negative;
    case FORM_SQUARE:
        return w * w;
    case FORM_ONE:
        return 1;
    }
    return 0;
}

static bool check_numbers(const struct rule *r, size_t given, char *message, size_t nmessage)
{
    const char *reason = NULL;

    if (r->kind == RULE_EPSILON && !(r->a > 0 && r->a < 1e30))
        reason = "epsilon needs a positive number (the rule without stabilizer is \"zero\")";
    if (r->kind == RULE_GAMMA && !(r->a >= 0 && r->a < 1e30))
        reason = "gamma needs a number that is not negative";
    if (r->kind == RULE_ALPHABETA && !(r->b >= 0 && r->b < 1e30 && r->a - r->b < 1 + 1e-9 && r->a - r->b > 1 - 1e-9))
        reason = "alphabeta needs alpha - beta = 1 and beta >= 0";
    if (r->kind == RULE_ZBOX && given > 0 && !(given == 2 && r->a <= 0 && r->b >= 0 && r->a < r->b))
        reason = "zbox needs low <= 0 <= high, or no numbers for the bounds of the preprocessing";
    if (!reason)
        return true;
    snprintf(message, nmessage, "%s", reason);
    return false;
}

static const struct rule_entry *find_entry(const char *text, size_t length)
{
    for (size_t i = 0; i < LENGTH(entries); i++)
        if (strlen(entries[i].name) == length && strncmp(entries[i].name, text, length) == 0)
            return &entries[i];
    return NULL;
}

bool rule_parse(struct rule *out, char *message, size_t nmessage, const char *text)
{
    size_t skipped = strspn(text, " \t"), length = strcspn(text + skipped, " \t"), given = 0;
    const struct rule_entry *e = find_entry(text + skipped, length);
    const char *rest = text + skipped + length;
    double numbers[2] = {0, 0};

    if (!e) {
        snprintf(message, nmessage,
                 "there is no rule \"%.*s\"; rules: zero, epsilon e, gamma g, zplus, alphabeta a b, zbox low high, "
                 "wsquare, flat",
                 (int)length, text + skipped);
        return false;
    }
    numbers[0] = e->first;
    numbers[1] = e->second;
    for (;;) {
        char *end;
        rest += strspn(rest, " \t");
        if (*rest == '\0')
            break;
        double value = strtod(rest, &end);
        if (end == rest || given == e->nnumbers || (*end != '\0' && *end != ' ' && *end != '\t')) {
            snprintf(message, nmessage, "\"%s\" after rule %s: it takes %zu number%s", rest, e->name, e->nnumbers,
                     e->nnumbers == 1 ? "" : "s");
            return false;
        }
        numbers[given++] = value;
        rest = end;
    }
    *out = (struct rule){(enum rule_kind)(e - entries), numbers[0], numbers[1], false};
    out->input_bounds = out->kind == RULE_ZBOX && given == 0;
    return check_numbers(out, given, message, nmessage);
}

void rule_text(char text[RULE_TEXT], struct rule rule)
{
    const struct rule_entry *e = &entries[rule.kind];

    if (e->nnumbers == 0 || rule.input_bounds)
        snprintf(text, RULE_TEXT, "%s", e->name);
    else if (e->nnumbers == 1)
        snprintf(text, RULE_TEXT, "%s %.9g", e->name, rule.a);
    else
        snprintf(text, RULE_TEXT, "%s %.9g %.9g", e->name, rule.a, rule.b);
}

bool rule_composite(struct rule *rules, const char *name, const struct network *net)
{
    size_t c = 0;

    while (c < LENGTH(composites) && strcmp(composites[c].name, name) != 0)
        c++;
    if (c == LENGTH(composites))
        return false;
    for (size_t k = 0; k < net->nlinks; k++) {
        enum link_kind kind = net->links[k].kind;
        bool first = network_edge(net, k, 0)->lower == 0, dense = kind != LINK_CONVOLUTION && kind != LINK_POOL;
        rules[k] = default_rule(dense ? composites[c].dense : first ? composites[c].first : composites[c].convolution);
    }
    return true;
}

const char *rule_composite_name(size_t i)
{
    return i < LENGTH(composites) ? composites[i].name : NULL;
}
