#include "pipeline/evaluate/test.h"

#include "pipeline/evaluate/choice.h"

#include <string.h>

const struct test_entry test_table[TESTS] = {
    [TEST_TARGETS] = {"targets", "does relevance depend on the class: the predicted one against the runner-up", true},
    [TEST_DAMAGE] = {"damage", "does it predict what the logit loses if one channel goes", true},
    [TEST_CHANNELS] = {"channels", "is its order of a layer's channels that of their importance", true},
    [TEST_LAYERS] = {"layers", "the same of the channels of all convolutions together", true},
    [TEST_FLOWS] = {"flows", "the same of the edges of a link", false},
    [TEST_PIXELS] = {"pixels", "the same of squares of pixels", false},
    [TEST_RANDOMISED] = {"randomised", "what remains of relevance if weights are permuted from the logits down", false},
};

enum status test_choose(bool chosen[TESTS], const char *list, struct error *err)
{
    const char *names[TESTS];
    char name[CHOICE_NAME];

    for (size_t t = 0; t < TESTS; t++) {
        chosen[t] = !list && test_table[t].standard;
        names[t] = test_table[t].name;
    }
    for (size_t i = 0; list && choice_name(name, list, i); i++) {
        size_t t = 0;
        while (t < TESTS && strcmp(names[t], name) != 0)
            t++;
        if (t == TESTS)
            return choice_unknown("tests", name, names, TESTS, err);
        chosen[t] = true;
    }
    return OK;
}
