/* The rule of every link: what the composite, measure.add and the keys rule.<layer> say, in this order. */
#ifndef NRMFLOW_PIPELINE_RUN_MODEL_RULES_H
#define NRMFLOW_PIPELINE_RUN_MODEL_RULES_H

#include "io/base/error.h"
#include "kernels/layer/rule.h"
#include "pipeline/config/config.h"

#include <stdio.h>

#include <jansson.h>

/* Choose all rules. A key's name is a layer or a pattern as of a shell, such as layer1.*; of those that fit a layer the
 * last one counts.
 *
 *   rules  out  [nlinks] those of links without one are not used
 * Errors: FAIL_CONFIG if a key fits no layer with a rule, or if its text is no rule or not one for such a layer. */
enum status model_rules_choose(struct rule *rules, const struct config *config, const struct network *net,
                               struct error *err);

/* Print every rule with the layers that have it, the first line without indentation, lines after it indented by
 * `indent`. */
void model_rules_print(FILE *out, const struct rule *rules, const struct network *net, size_t indent);

/* An object {layer: rule}; the caller releases it. */
json_t *model_rules_json(const struct rule *rules, const struct network *net);

#endif
