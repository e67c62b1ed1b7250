/* Set expressions: what they mean, and what a mistake in one is told. */
#include "kernels/base/network_vgg.h"
#include "pipeline/sets/sets.h"
#include "tests/support/assert.h"
#include "tests/support/guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 11, CLASSES = 7 };

/* VGG11 on 3 x 32 x 32: conv5_2 has 8 channels of 2 x 2, conv1_1 4 of 32 x 32, fc7 12 neurons. */
static struct network make_network(void)
{
    static const size_t widths[LAYERS] = {4, 6, 8, 8, 8, 8, 8, 8, 10, 12, CLASSES};
    struct network_layer layers[LAYERS];
    struct network net;
    char message[128];

    for (size_t i = 0, in = 3; i < LAYERS; in = widths[i++])
        layers[i] = (struct network_layer){.convolution = i < 8, .out = widths[i], .in = in};
    assert_true(network_vgg_init(&net, message, sizeof message, layers, LAYERS));
    return net;
}

/* ---- what is meant
 * ------------------------------------------------------------------------------------------------ */

static size_t neurons_in(const char *text)
{
    struct network net = make_network();
    struct error err = {0};
    struct sets sets;

    if (sets_parse(&sets, text, &net, &err) != OK)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(sets.value.count, 1);
    assert_int_equal(sets.nsets, 1);
    size_t count = sets.sets[0].count;
    sets_free(&sets);
    return count;
}

static void sets_of_one_layer_merge_into_one(void **state)
{
    static const struct {
        const char *text;
        size_t neurons;
    } cases[] = {
        {"conv5_2[3]", 4},
        {"conv5_2[3,7,4:6]", 16},
        {"conv5_2[3,3:5,4]", 8},
        {"conv5_2[*]", 32},
        {"conv5_2", 32},
        {"conv5_2[3]@(0:1,0:2)", 2},
        {"conv5_2@(0:1,1)", 8},
        {"conv5_2[2]@(1,1)", 1},
        {"fc7[4:9]", 5},
        {"fc8", CLASSES},
        {"input@(10:20,0:32)", 3 * 10 * 32},
        {"conv1_1 [ 2 ] @ ( 0 : 7 , 3 : 10 )", 49},
        {"conv5_2[3] or conv5_2[4]", 8},
        {"conv5_2[3:5] and conv5_2@(0,0)", 2},
        {"not conv5_2[3]", 28},
        {"not (conv5_2[3] or conv5_2[5])", 24},
        {"not not conv5_2[3]", 4},
        {"conv5_2[3] or conv5_2[4] and conv5_2@(0,0)", 5},
        {"(conv5_2[3] or conv5_2[4]) and conv5_2@(0,0)", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (neurons_in(cases[i].text) != cases[i].neurons)
            fail_msg("%s has %zu neurons", cases[i].text, neurons_in(cases[i].text));
}

/* Number of clauses of value and condition. */
static void assert_ways(const char *text, size_t value, size_t given, bool conditional)
{
    struct network net = make_network();
    struct error err = {0};
    struct sets sets;

    if (sets_parse(&sets, text, &net, &err) != OK)
        fail_msg("%s: %s", text, err.message);
    if (sets.value.count != value || sets.given.count != given || sets.conditional != conditional)
        fail_msg("%s: %zu clauses, given %zu", text, sets.value.count, sets.given.count);
    sets_free(&sets);
}

static void ways_are_what_and_or_and_given_say(void **state)
{
    (void)state;
    assert_ways("conv5_2[1] and conv4_1[2]", 1, 1, false);
    assert_ways("conv5_2[1] or conv4_1[2]", 2, 1, false);
    assert_ways("conv5_2[1] and conv4_1[2] or conv5_2[1]", 1, 1, false);
    assert_ways("(conv5_2[1] or conv4_1[2]) and (conv3_1[1] or conv2_1[2])", 4, 1, false);
    assert_ways("conv5_2[1] given conv4_1[2]", 1, 1, true);
    assert_ways("conv5_2[1] given conv4_1[2] or conv3_1[3]", 2, 2, true);
    assert_ways("conv5_2[1] and bias(conv4_1)", 1, 1, false);
}

static void what_no_walk_can_be_in_is_empty(void **state)
{
    (void)state;
    assert_ways("bias(conv4_1) and bias(conv5_1)", 0, 1, false);
    assert_ways("conv3_1[2] and bias(conv4_1)", 0, 1, false);
    assert_ways("not conv5_2 and conv4_1[1]", 0, 1, false);
    assert_ways("conv5_2[1] and conv4_1[1] and conv5_2[2]", 0, 1, false);
    assert_ways("conv5_2[1:3] and conv4_1[1] and conv5_2[2]", 1, 1, false);
    assert_ways("bias(conv4_1) and conv4_1[2]", 1, 1, false);
}

static void whole_layers_above_a_set_change_nothing(void **state)
{
    struct network net = make_network();
    struct error err = {0};
    struct sets a, b;

    (void)state;
    assert_int_equal(sets_parse(&a, "conv4_1[3] and conv5_2 and fc6[*]", &net, &err), OK);
    assert_int_equal(sets_parse(&b, "conv4_1[3]", &net, &err), OK);
    assert_true(dnf_equal(&a.value, &b.value));
    sets_free(&a);
    sets_free(&b);
}

/* ---- mistakes
 * ----------------------------------------------------------------------------------------------------- */

static void a_mistake_is_pointed_at_and_says_what_was_expected(void **state)
{
    static const struct {
        const char *text, *caret, *what;
    } cases[] = {
        {"", "^", "expected a set"},
        {"conv5_2[8]", "        ^", "conv5_2 has 8 channels, 0 to 7"},
        {"conv5_2[2:9]", "          ^", "conv5_2 has 8 channels, 0 to 7"},
        {"conv5_2[3,]", "          ^", "expected a channel"},
        {"conv5_2[3:3]", "          ^", "the range is empty"},
        {"conv5_2[3:]", "          ^", "expected the end of the range"},
        {"conv5_2[3", "         ^", "expected \"]\""},
        {"conv5_2[*3]", "         ^", "expected \"]\" after the star"},
        {"conv5_2[99999999999999999999]", "        ^", "the number is too large"},
        {"conv1_1@(0:33,0:2)", "           ^", "conv1_1 has 32 x 32 positions: rows 0 to 31, columns 0 to 31"},
        {"conv1_1@(0:3)", "            ^", "expected \",\" and the columns"},
        {"conv1_1@[0:3]", "        ^", "expected \"(\" after @"},
        {"conv5_3[1]", "^", "vgg11 has no layer \"conv5_3\"; did you mean \"conv5_1\"?"},
        {"conv5_2[1] and", "              ^", "expected a set"},
        {"conv5_2[1] conv4_1[2]", "           ^", "expected \"and\", \"or\", \"given\" or the end"},
        {"(conv5_2[1]", "           ^", "expected \")\""},
        {"conv5_2[1] given fc6 given fc7", "                     ^", "only one \"given\""},
        {"(conv5_2[1] given fc6)", "            ^", "\"given\" must be outside parentheses"},
        {"not (conv5_2[1] and conv4_1)", "    ^", "\"not\" takes the other neurons of one layer"},
        {"not bias(conv5_2)", "    ^", "\"not\" takes the other neurons of one layer"},
        {"bias(pool1)", "     ^", "pool1 has no bias"},
        {"bias(input)", "     ^", "input has no bias"},
        {"bias conv5_2", "     ^", "expected \"(\" after bias"},
        {"conv5_2[1] and \xc3\xbc", "               ^", "expected a set"},
        {"conv5_2[1]\nand\tpool9[1]", "               ^", "vgg11 has no layer \"pool9\"; did you mean"},
    };
    struct network net = make_network();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct sets sets;
        assert_int_equal(sets_parse(&sets, cases[i].text, &net, &err), FAIL_CONFIG);
        sets_free(&sets);
        const char *caret = strrchr(err.message, '\n');
        if (!strstr(err.message, cases[i].what) || !caret || strncmp(caret, "\n  ", 3) != 0 ||
            strcmp(caret + 3, cases[i].caret) != 0)
            fail_msg("%s gives\n%s", cases[i].text, err.message);
    }
}

static void mistake_far_inside_is_shown_with_its_surroundings(void **state)
{
    struct network net = make_network();
    struct error err = {0};
    struct sets sets;
    char text[1024] = "";

    (void)state;
    for (size_t i = 0; i < 40; i++)
        strcat(text, "conv5_2[1] and ");
    strcat(text, "conv5_2[11] and ");
    for (size_t i = 0; i < 10; i++)
        strcat(text, "conv4_2[1] and ");
    assert_int_equal(sets_parse(&sets, text, &net, &err), FAIL_CONFIG);
    sets_free(&sets);
    char *line = strchr(err.message, '\n') + 1, *caret = strrchr(err.message, '\n') + 1;
    assert_less(strlen(line), 2 * 120);
    assert_memory_equal(line + strlen(caret) - 1, "11]", 3);
}

static void what_is_too_large_is_refused(void **state)
{
    struct network net = make_network();
    char text[20000];
    struct sets sets;

    (void)state;
    for (size_t what = 0; what < 3; what++) {
        struct error err = {0};
        size_t n = 0;
        for (size_t i = 0; i < 500; i++) {
            if (what == 0)
                n += (size_t)snprintf(text + n, sizeof text - n, "(");
            else if (what == 1) /* more different sets than there are bits */
                n += (size_t)snprintf(text + n, sizeof text - n, "%sconv%zu_1[%zu]@(%zu,0)", i ? " or " : "", 1 + i % 2,
                                      i % 4, i / 4 % 32);
            else
                n += (size_t)snprintf(text + n, sizeof text - n, "%s(fc6[%zu] or fc7[%zu])", i ? " and " : "", i % 10,
                                      i % 10);
        }
        assert_int_equal(sets_parse(&sets, text, &net, &err), FAIL_CONFIG);
        sets_free(&sets);
    }
    memset(text, ' ', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct error err = {0};
    assert_int_equal(sets_parse(&sets, text, &net, &err), FAIL_CONFIG);
    sets_free(&sets);
}

/* Pieces of expressions in any order: none may do more than fail. */
static void random_words_are_parsed_or_refused(void **state)
{
    static const char *const words[] = {"conv5_2", "conv1_1",
                                        "fc8",     "input",
                                        "bias(",   "bias",
                                        "[",       "]",
                                        "(",       ")",
                                        ":",       ",",
                                        "@",       "*",
                                        "0",       "1",
                                        "7",       "32",
                                        "",        "and ",
                                        " or ",    " not ",
                                        "given ",  "\xff",
                                        "[1]",     "conv4_1[2] and "};
    struct network net = make_network();
    struct random random = random_seed("words");
    size_t good = 0;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct error err = {0};
        struct sets sets;
        char text[512] = "";
        for (size_t n = 1 + random_below(&random, 12); n > 0; n--)
            strcat(text, words[random_below(&random, sizeof words / sizeof words[0])]);
        enum status rc = sets_parse(&sets, text, &net, &err);
        assert_that(rc == OK || (rc == FAIL_CONFIG && err.message[0]), "status %d, \"%s\"", (int)rc, err.message);
        good += rc == OK;
        sets_free(&sets);
    }
    assert_more(good, 100);
}

/* ---- masks
 * -------------------------------------------------------------------------------------------------------- */

static void masks_are_one_on_the_sets_of_every_layer(void **state)
{
    struct network net = make_network();
    float *masks[NETWORK_MAX_VARIABLES];
    struct error err = {0};

    (void)state;
    assert_int_equal(sets_masks(masks, "conv5_2[3,4] and conv4_1[1] and conv5_2[4:8]@(0,0:2)", &net, &err), OK);
    for (size_t k = 0; k <= net.nlinks; k++) {
        struct layout layout = network_layout(&net, k);
        const char *name = network_variable(&net, k);
        bool conv5 = strcmp(name, "conv5_2") == 0, conv4 = strcmp(name, "conv4_1") == 0;
        assert_int_equal(masks[k] != NULL, conv5 || conv4);
        for (size_t c = 0; masks[k] && c < layout.shape.channels; c++)
            for (size_t y = 0; y < layout.shape.height; y++)
                for (size_t x = 0; x < layout.shape.width; x++) {
                    bool in = conv5 ? c == 4 && y == 0 : c == 1;
                    assert_same(masks[k][layout_index(layout, c, y, x)], in ? 1.0f : 0.0f);
                }
    }
    sets_masks_free(masks);
}

static void masks_of_other_expressions_are_refused(void **state)
{
    static const char *const texts[] = {"conv5_2[1] or conv4_1[1]", "conv5_2[1] given conv4_1", "bias(conv5_2)",
                                        "not conv5_2", "conv5_9[1]"};
    struct network net = make_network();

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        float *masks[NETWORK_MAX_VARIABLES];
        struct error err = {0};
        assert_int_equal(sets_masks(masks, texts[i], &net, &err), FAIL_CONFIG);
        sets_masks_free(masks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_of_one_layer_merge_into_one),
        cmocka_unit_test(ways_are_what_and_or_and_given_say),
        cmocka_unit_test(what_no_walk_can_be_in_is_empty),
        cmocka_unit_test(whole_layers_above_a_set_change_nothing),
        cmocka_unit_test(a_mistake_is_pointed_at_and_says_what_was_expected),
        cmocka_unit_test(mistake_far_inside_is_shown_with_its_surroundings),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(random_words_are_parsed_or_refused),
        cmocka_unit_test(masks_are_one_on_the_sets_of_every_layer),
        cmocka_unit_test(masks_of_other_expressions_are_refused),
    };

    return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
