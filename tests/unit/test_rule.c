#include "kernels/layer/rule.h"
#include "tests/support/assert.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static void texts_come_back_canonical(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"zero", "zero"},
        {"epsilon", "epsilon 1e-06"},
        {"epsilon 0.25", "epsilon 0.25"},
        {"gamma", "gamma 0.25"},
        {"gamma  0", "gamma 0"},
        {"zplus", "zplus"},
        {"wsquare", "wsquare"},
        {"alphabeta", "alphabeta 2 1"},
        {" alphabeta 1 0 ", "alphabeta 1 0"},
        {"flat", "flat"},
        {"zbox", "zbox"},
        {"zbox -3 3", "zbox -3 3"},
    };
    struct rule rule;
    char message[128], text[RULE_TEXT];

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_true(rule_parse(&rule, message, sizeof message, cases[i].text));
        rule_text(text, rule);
        assert_string_equal(text, cases[i].canonical);
    }
}

static void wrong_texts_are_refused_with_a_reason(void **state)
{
    static const char *const texts[] = {"",          "gama",        "gamma -1",  "gamma x",  "gamma 1 2",
                                        "epsilon 0", "zero 1",      "zbox 3",    "zbox 1 2", "alphabeta 3 1",
                                        "gamma nan", "epsilon inf", "gamma 0.5x"};
    struct rule rule;

    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        char message[160] = "";
        if (rule_parse(&rule, message, sizeof message, texts[i]))
            fail_msg("\"%s\" was taken", texts[i]);
        assert_more(strlen(message), 0);
    }
}

/* sum of x W' over parts of a term, for one activation and weight. */
static double term_value(const struct rule_parts *parts, size_t term, struct rule rule, double a, double w)
{
    double sum = 0;

    for (size_t p = 0; p < parts->nparts; p++) {
        const double factors[] = {
            [FACTOR_ACTIVATION] = a, [FACTOR_POSITIVE] = fmax(a, 0), [FACTOR_NEGATIVE] = fmin(a, 0),
            [FACTOR_ONE] = 1,        [FACTOR_MINUS_LOW] = -rule.a,   [FACTOR_MINUS_HIGH] = -rule.b,
        };
        if (parts->part[p].term == term)
            sum += factors[parts->part[p].factor] * rule_form_value(parts->part[p].form, rule.a, w);
    }
    return sum;
}

/* Contributions as the literature writes them, for one pair of neurons. */
static void parts_add_up_to_the_rule(void **state)
{
    static const double values[] = {-1.5, -0.25, 0, 0.5, 2};
    char message[128];
    struct rule gamma, alphabeta, zbox;

    (void)state;
    assert_true(rule_parse(&gamma, message, sizeof message, "gamma 0.5"));
    assert_true(rule_parse(&alphabeta, message, sizeof message, "alphabeta 2 1"));
    assert_true(rule_parse(&zbox, message, sizeof message, "zbox -2 3"));
    struct rule_parts g = rule_expand(gamma, true, true), ab = rule_expand(alphabeta, true, true);
    struct rule_parts z = rule_expand(zbox, true, true);
    for (size_t i = 0; i < LENGTH(values); i++) {
        for (size_t j = 0; j < LENGTH(values); j++) {
            double a = values[i], w = values[j], aw = a * w;
            assert_near(term_value(&g, 0, gamma, a, w), aw + 0.5 * fmax(aw, 0), 1e-12);
            assert_near(term_value(&g, 1, gamma, a, w), aw + 0.5 * fmin(aw, 0), 1e-12);
            assert_near(term_value(&ab, 0, alphabeta, a, w), fmax(aw, 0), 1e-12);
            assert_near(term_value(&ab, 1, alphabeta, a, w), fmin(aw, 0), 1e-12);
            double box = aw + 2 * fmax(w, 0) - 3 * fmin(w, 0);
            assert_near(term_value(&z, 0, zbox, a, w), box, 1e-12);
        }
    }
}

static void parts_that_cannot_act_are_left_out(void **state)
{
    char message[128];
    struct rule gamma, alpha;

    (void)state;
    assert_true(rule_parse(&gamma, message, sizeof message, "gamma"));
    assert_true(rule_parse(&alpha, message, sizeof message, "alphabeta 1 0"));
    assert_int_equal(rule_expand(gamma, true, true).nparts, 4);
    assert_int_equal(rule_expand(gamma, false, true).nparts, 2);
    assert_int_equal(rule_expand(gamma, false, false).nparts, 1);
    assert_int_equal(rule_expand(gamma, false, false).nterms, 1);
    assert_int_equal(rule_expand(alpha, true, true).nterms, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_back_canonical),
        cmocka_unit_test(wrong_texts_are_refused_with_a_reason),
        cmocka_unit_test(parts_add_up_to_the_rule),
        cmocka_unit_test(parts_that_cannot_act_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
