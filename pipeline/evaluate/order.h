/* The orders in which an evaluation replaces units: highest score first, equal scores by number. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_ORDER_H
#define NRMFLOW_PIPELINE_EVALUATE_ORDER_H

#include "io/base/error.h"

#include <stdbool.h>

/* The first ones are read off measures. */
enum order {
    ORDER_RELEVANCE,      /* of the configuration */
    ORDER_RELEVANCE_NONE, /* the same without its condition; beside it if it has one */
    ORDER_GRADIENT,       /* composite zero without a condition: gradient times activation, divided by the logit */
    ORDER_MEASURED,
    ORDER_ACTIVATION = ORDER_MEASURED, /* sum over positions */
    ORDER_RANDOM,
    ORDER_WEIGHT,    /* of channels the sum of the filter's |W|, of edges the sum of |W| times the lower activation */
    ORDER_PRODUCT,   /* of edges: relevance of the upper channel times that of the lower */
    ORDER_MAGNITUDE, /* of squares of pixels: sum of |x|, the trivial order */
    ORDERS
};

enum order_units { ORDER_CHANNELS, ORDER_EDGES, ORDER_PIXELS, ORDER_UNITS };

struct order_entry {
    const char *name, *help;
    bool asked;    /* --orders may name it; else it comes by itself */
    bool standard; /* without --orders */
    bool of[ORDER_UNITS];
};

extern const struct order_entry order_table[ORDERS];

/* Mark the orders of a list "relevance,gradient"; NULL: the standard ones. Relevance is always among them, since the
 * others are compared with it. Errors: FAIL_CONFIG for an unknown name, with the nearest. */
enum status order_choose(bool chosen[ORDERS], const char *list, struct error *err);

#endif
