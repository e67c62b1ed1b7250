#include "pipeline/run/model_rules.h"

#include "pipeline/config/pairs.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/suggest.h"
#include "pipeline/util/wrap.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 192, MESSAGE = 256 };

/* ---- choice ------------------------------------------------------------------------------------------------------ */

static bool reads_input(const struct network *net, size_t k)
{
    return net->links[k].nedges == 1 && network_edge(net, k, 0)->lower == 0;
}

/* The rule of adds and averages. */
static void choose_adds(struct rule *rules, const char *text, const struct network *net)
{
    struct rule rule;
    char message[MESSAGE];

    if (!rule_parse(&rule, message, sizeof message, text))
        return; /* "composite" */
    for (size_t k = 0; k < net->nlinks; k++)
        if (net->links[k].kind == LINK_ADD || net->links[k].kind == LINK_AVERAGE)
            rules[k] = rule;
}

static enum status fits_nothing(const struct config *config, const struct network *net, const char *key,
                                const char *name, struct error *err)
{
    char hint[SUGGEST_HINT];
    struct suggest nearest;

    if (config_pairs_is_pattern(name))
        return config_fail(config, err, key, "%s has no layer with a rule that fits \"%s\"", net->name, name);
    suggest_init(&nearest, name);
    for (size_t k = 0; k < net->nlinks; k++)
        if (network_has_rule(&net->links[k]))
            suggest_offer(&nearest, net->links[k].name);
    suggest_hint(hint, sizeof hint, &nearest);
    return config_fail(config, err, key, "%s has no layer with a rule \"%s\"%s", net->name, name, hint);
}

/* One key. */
static enum status apply(struct rule *rules, const struct config_pair *pair, const struct config *config,
                         const struct network *net, struct error *err)
{
    char key[KEY], message[MESSAGE];
    struct rule rule;
    bool fits = false;

    snprintf(key, sizeof key, "measure.rule.%s", pair->name);
    if (!rule_parse(&rule, message, sizeof message, pair->text))
        return config_fail(config, err, key, "%s", message);
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        if (!network_has_rule(link) || fnmatch(pair->name, link->name, FNM_NOESCAPE) != 0)
            continue;
        if (rule.kind == RULE_ZBOX && rule.input_bounds && !reads_input(net, k))
            return config_fail(config, err, key, "%s does not read the input, so zbox needs its bounds: zbox low high",
                               link->name);
        rules[k] = rule;
        fits = true;
    }
    return fits ? OK : fits_nothing(config, net, key, pair->name, err);
}

enum status model_rules_choose(struct rule *rules, const struct config *config, const struct network *net,
                               struct error *err)
{
    const struct config_measure *measure = &config->measure;
    enum status rc = OK;

    if (!rule_composite(rules, measure->composite, net))
        TRY(config_fail(config, err, "measure.composite", "there is no composite \"%s\"", measure->composite));
    choose_adds(rules, measure->add, net);
    for (size_t i = 0; i < measure->rules.count; i++)
        TRY(apply(rules, &measure->rules.items[i], config, net, err));
done:
    return rc;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* Whether link k is the first with its rule. */
static bool is_first(const struct rule *rules, const struct network *net, size_t k)
{
    char own[RULE_TEXT], other[RULE_TEXT];

    rule_text(own, rules[k]);
    for (size_t i = 0; i < k; i++) {
        rule_text(other, rules[i]);
        if (network_has_rule(&net->links[i]) && strcmp(own, other) == 0)
            return false;
    }
    return network_has_rule(&net->links[k]);
}

/* "zplus: conv1, layer1.0.conv1"; the caller frees it. NULL without memory. */
static char *describe(const struct rule *rules, const struct network *net, size_t first)
{
    char own[RULE_TEXT], other[RULE_TEXT], *text = NULL;
    const char *separator = ": ";
    size_t nbytes;
    FILE *out = open_memstream(&text, &nbytes);

    if (!out)
        return NULL;
    rule_text(own, rules[first]);
    fputs(own, out);
    for (size_t k = first; k < net->nlinks; k++) {
        rule_text(other, rules[k]);
        if (!network_has_rule(&net->links[k]) || strcmp(own, other) != 0)
            continue;
        fprintf(out, "%s%s", separator, net->links[k].name);
        separator = ", ";
    }
    return fclose(out) == 0 ? text : NULL;
}

void model_rules_print(FILE *out, const struct rule *rules, const struct network *net, size_t indent)
{
    size_t lines = 0;

    for (size_t k = 0; k < net->nlinks; k++) {
        if (!is_first(rules, net, k))
            continue;
        char *text = describe(rules, net, k);
        fprintf(out, "%*s", lines++ ? (int)indent : 0, "");
        wrap_words(out, text ? text : "", indent, indent);
        free(text);
    }
}

json_t *model_rules_json(const struct rule *rules, const struct network *net)
{
    json_t *object = json_object();

    for (size_t k = 0; k < net->nlinks; k++) {
        char text[RULE_TEXT];
        rule_text(text, rules[k]);
        if (network_has_rule(&net->links[k]))
            json_object_set_new(object, net->links[k].name, json_output_text(text));
    }
    return object;
}
