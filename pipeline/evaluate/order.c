#include "pipeline/evaluate/order.h"

#include "pipeline/evaluate/choice.h"

#include <string.h>

const struct order_entry order_table[ORDERS] = {
    [ORDER_RELEVANCE] = {"relevance", "relevance as the configuration computes it", true, true, {true, true, true}},
    [ORDER_RELEVANCE_NONE] =
        {"relevance_none", "relevance without the configuration's condition", false, true, {true, true, true}},
    [ORDER_GRADIENT] = {"gradient", "gradient times activation (composite zero)", true, true, {true, true, true}},
    [ORDER_ACTIVATION] = {"activation", "sum of a channel's activations", true, true, {true, false, false}},
    [ORDER_RANDOM] = {"random", "a draw by seed, image and unit", true, true, {true, true, true}},
    [ORDER_WEIGHT] =
        {"weight", "sum of |weights|, of edges times the lower activation", true, false, {true, true, false}},
    [ORDER_PRODUCT] = {"product", "of edges, product of both channels' relevance", true, false, {false, true, false}},
    [ORDER_MAGNITUDE] = {"magnitude", "of pixels, |x| after preprocessing", false, true, {false, false, true}},
};

enum status order_choose(bool chosen[ORDERS], const char *list, struct error *err)
{
    const char *names[ORDERS];
    char name[CHOICE_NAME];

    for (size_t o = 0; o < ORDERS; o++) {
        chosen[o] = order_table[o].standard && (!list || !order_table[o].asked);
        names[o] = order_table[o].asked ? order_table[o].name : NULL;
    }
    chosen[ORDER_RELEVANCE] = true;
    for (size_t i = 0; list && choice_name(name, list, i); i++) {
        size_t o = 0;
        while (o < ORDERS && !(names[o] && strcmp(names[o], name) == 0))
            o++;
        if (o == ORDERS)
            return choice_unknown("orders", name, names, ORDERS, err);
        chosen[o] = true;
    }
    return OK;
}
