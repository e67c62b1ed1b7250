/* A network that is a graph, with weights, rules and an image: what graph_walks.h and graph_reference.h measure. */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_CASE_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_CASE_H

#include "kernels/measure/measure.h"
#include "tests/support/guarded.h"

enum { GRAPH_CHANNELS = 4 /* of the input, at most */, GRAPH_TEXT = 1 << 14 };

/* Everything is owned. */
struct graph_case {
    struct network net;
    struct rule rules[NETWORK_MAX_LINKS];
    enum bias_mode bias;
    enum pool_mode pool;
    struct measure_target target; /* a class or a contrast */
    float low[GRAPH_CHANNELS], high[GRAPH_CHANNELS];
    float *model, *input;
    char text[GRAPH_TEXT]; /* of the network and of what else was chosen, for messages */
};

/* A network from its text (graph_text.h), with random weights and a random image; every rule is epsilon, the target the
 * class 0. Ends the test if the network is refused. */
void graph_case_init(struct graph_case *c, const char *text, struct random *random);
void graph_case_free(struct graph_case *c);

/* Give links of rules their rule: `text` in general, and others for some, of adds and averages more often. Sets bias
 * mode, pool mode and target as well, and appends them to the text. */
void graph_case_choose(struct graph_case *c, const char *rule, struct random *random);

/* The same with a composite of rule.h. */
void graph_case_choose_composite(struct graph_case *c, const char *composite, struct random *random);

/* The rule texts that graph_case_choose takes others from; NULL after the last. */
const char *graph_case_rule(size_t i);

#endif
