#include "pipeline/sets/sets.h"

#include "kernels/base/number.h"
#include "pipeline/sets/grammar.h"

#include <stdlib.h>

/* ---- simplification -------------------------------------------------------------------------------------------- */

/* Order of the places that a walk passes, from the input up; a walk enters the bias of a link below its variable. */
static size_t height_of(const struct sets_set *set)
{
    return 2 * set->variable + (set->bias ? 0 : 1);
}

/* Do a clause's sets of each layer have a neuron in common? */
static bool possible(const struct sets *sets, uint64_t clause)
{
    for (uint64_t left = clause; left; left &= left - 1) {
        const struct sets_set *first = &sets->sets[__builtin_ctzll(left)];
        size_t neurons = shape_neurons(network_shape(sets->net, first->variable)), common = 0;
        for (size_t byte = 0; byte < (neurons + 7) / 8 && !first->bias && !common; byte++) {
            unsigned both = first->bits[byte];
            for (uint64_t other = left; other; other &= other - 1) {
                const struct sets_set *set = &sets->sets[__builtin_ctzll(other)];
                if (!set->bias && set->variable == first->variable)
                    both &= set->bits[byte];
            }
            common = both;
        }
        if (!first->bias && !common)
            return false;
    }
    return true;
}

/* The clause's set of highest variable below `variable`; NULL if there is none. */
static const struct sets_set *next_below(const struct sets *sets, uint64_t clause, size_t variable)
{
    const struct sets_set *next = NULL;

    for (uint64_t left = clause; left; left &= left - 1) {
        const struct sets_set *set = &sets->sets[__builtin_ctzll(left)];
        if (set->variable < variable && (!next || set->variable > next->variable))
            next = set;
    }
    return next;
}

/* Do edges lead from every layer of a clause to its next one below? They do not between parallel branches. */
static bool connected(const struct sets *sets, uint64_t clause)
{
    const struct sets_set *upper = next_below(sets, clause, SIZE_MAX), *lower;

    for (; upper && (lower = next_below(sets, clause, upper->variable)); upper = lower)
        if (!network_leads(sets->net, upper->variable, lower->variable))
            return false;
    return true;
}

/* Drop a clause that no walk can satisfy; otherwise drop its sets that are whole layers, which no walk avoids, above
 * another of its sets. */
static uint64_t simplify_clause(const void *context, uint64_t clause, bool *keep)
{
    const struct sets *sets = context;
    size_t lowest = SIZE_MAX;
    bool has_bias = false;

    *keep = possible(sets, clause) && connected(sets, clause);
    for (size_t i = 0; i < sets->nsets; i++) {
        const struct sets_set *set = &sets->sets[i];
        if (!(clause >> i & 1))
            continue;
        if (set->bias && has_bias)
            *keep = false;
        has_bias = has_bias || set->bias;
        lowest = smaller(lowest, height_of(set));
    }
    for (size_t i = 0; i < sets->nsets; i++) {
        const struct sets_set *set = &sets->sets[i];
        if (!(clause >> i & 1))
            continue;
        if (has_bias && !set->bias && height_of(set) == lowest)
            *keep = false; /* a set below a bias */
        if (!set->bias && sets->net->cut[set->variable] && height_of(set) > lowest &&
            set->count == shape_neurons(network_shape(sets->net, set->variable)))
            clause &= ~(UINT64_C(1) << i);
    }
    return clause;
}

static enum status simplify(struct dnf *clauses, const struct sets *sets, struct error *err)
{
    struct dnf simple;
    enum status rc = dnf_change(&simple, clauses, simplify_clause, sets, err);

    dnf_free(clauses);
    *clauses = simple;
    return rc;
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

enum status sets_parse(struct sets *out, const char *text, const struct network *net, struct error *err)
{
    struct dnf value = {0}, given = {0};
    enum status rc = OK;

    *out = (struct sets){.net = net};
    TRY(sets_grammar(out, &value, &given, text, err));
    if (out->conditional) {
        TRY(dnf_and(&out->value, &value, &given, err));
        TRY(dnf_change(&out->given, &given, simplify_clause, out, err));
    } else {
        TRY(dnf_or(&out->value, &value, &given, err));
        TRY(dnf_one(&out->given, 0, err));
    }
    TRY(simplify(&out->value, out, err));
done:
    dnf_free(&value);
    dnf_free(&given);
    return rc;
}

void sets_free(struct sets *sets)
{
    for (size_t i = 0; i < sets->nsets; i++)
        free(sets->sets[i].bits);
    dnf_free(&sets->value);
    dnf_free(&sets->given);
    *sets = (struct sets){.net = NULL};
}

/* ---- masks ----------------------------------------------------------------------------------------------------- */

/* Multiply a variable's mask by a set. */
static enum status restrict_mask(float **mask, const struct sets_set *set, const struct network *net, struct error *err)
{
    struct layout layout = network_layout(net, set->variable);
    struct shape shape = layout.shape;
    bool first = !*mask;

    if (first)
        *mask = calloc(layout_floats(layout), sizeof **mask);
    if (!*mask)
        return error_set(err, FAIL_SYSTEM, "no memory for the masks of a condition");
    for (size_t c = 0, i = 0; c < shape.channels; c++)
        for (size_t y = 0; y < shape.height; y++)
            for (size_t x = 0; x < shape.width; x++, i++) {
                float *at = *mask + layout_index(layout, c, y, x);
                *at = sets_has(set, i) && (first || *at > 0) ? 1.0f : 0.0f;
            }
    return OK;
}

enum status sets_masks(float *masks[NETWORK_MAX_VARIABLES], const char *text, const struct network *net,
                       struct error *err)
{
    struct sets sets;
    enum status rc = OK;

    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        masks[k] = NULL;
    TRY(sets_parse(&sets, text, net, err));
    if (sets.conditional)
        TRY(error_set(err, FAIL_CONFIG, "a condition cannot contain \"given\":\n  %s", text));
    if (sets.value.count == 0)
        TRY(error_set(err, FAIL_CONFIG, "no walk is in all of these sets:\n  %s", text));
    if (sets.value.count > 1)
        TRY(error_set(err, FAIL_CONFIG, "only sets of single layers joined by \"and\" can be a condition:\n  %s",
                      text));
    for (size_t i = 0; i < sets.nsets; i++) {
        if (!(sets.value.clauses[0] >> i & 1))
            continue;
        if (sets.sets[i].bias)
            TRY(error_set(err, FAIL_CONFIG, "a bias is not a set of neurons and cannot be a condition:\n  %s", text));
        TRY(restrict_mask(&masks[sets.sets[i].variable], &sets.sets[i], net, err));
    }
done:
    sets_free(&sets);
    return rc;
}

void sets_masks_free(float *masks[NETWORK_MAX_VARIABLES])
{
    for (size_t k = 0; k < NETWORK_MAX_VARIABLES; k++)
        free(masks[k]);
}
