#include "pipeline/evaluate/verdict.h"

#include "pipeline/results/class_depth.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    size_t value;
    const char *name, *subject;
} about[TESTS] = {
    [TEST_TARGETS] = {0, "|cosine|", ""},
    [TEST_DAMAGE] = {1, "Pearson's r", "predicts the damage of single channels"},
    [TEST_CHANNELS] = {0, "gain of p", "orders the channels of a layer"},
    [TEST_LAYERS] = {0, "gain of p", "orders the channels of all convolutions together"},
    [TEST_FLOWS] = {0, "gain of p", "orders the edges of a link"},
    [TEST_PIXELS] = {0, "gain of p", "orders the pixels"},
    [TEST_RANDOMISED] = {0, "|cosine|", ""},
};

size_t verdict_value(const struct design_result *result)
{
    return about[result->test].value;
}

const char *verdict_value_name(enum test test)
{
    return about[test].name;
}

/* The result that stands for its test: the average over places, or the only one. */
static bool stands(const struct design *design, size_t r)
{
    const struct design_result *result = &design->results[r];

    if (result->baseline == SIZE_MAX || result->test == TEST_TARGETS || result->test == TEST_RANDOMISED)
        return false;
    for (size_t i = design->first[result->test]; i < design->first[result->test + 1]; i++)
        if (design->results[i].kind == DESIGN_AVERAGE)
            return result->kind == DESIGN_AVERAGE;
    return true;
}

/* What the halves say, if it is not what all images do. */
static void add_halves(char *text, const struct gains_result *gains, size_t value)
{
    int all = gains_sign(gains->difference[GAINS_ALL][value]);

    for (size_t p = GAINS_UNSURE; p < GAINS_PARTS; p++) {
        struct gains_mean d = gains->difference[p][value];
        size_t used = strlen(text);
        if (d.images >= GAINS_LEAST && gains_sign(d) != all)
            snprintf(text + used, VERDICT_TEXT - used, "; on the %s the difference is %+.3f +- %.3f",
                     gains_part_names[p], d.mean, d.error);
    }
}

static bool compare(char *text, const struct design *design, const struct gains *gains, size_t r)
{
    const struct design_result *result = &design->results[r];
    size_t value = verdict_value(result);
    struct gains_mean d = gains->results[r].difference[GAINS_ALL][value];
    const char *own = order_table[result->order].name, *relevance = order_table[ORDER_RELEVANCE].name;
    int sign = gains_sign(d);

    if (sign == 0)
        return false;
    snprintf(text, VERDICT_TEXT, "%s: %s %s better than %s, by %.3f +- %.3f (%s)", test_table[result->test].name,
             sign > 0 ? own : relevance, about[result->test].subject, sign > 0 ? relevance : own, fabs(d.mean), d.error,
             about[result->test].name);
    add_halves(text, &gains->results[r], value);
    return true;
}

/* Up to which variable relevance does not depend on the class; false if it does everywhere, or of fewer images than
 * GAINS_LEAST. */
static bool judge_targets(char *text, const struct design *design, const struct gains *gains)
{
    const struct design_result *last = NULL;

    for (size_t r = design->first[TEST_TARGETS]; r < design->first[TEST_TARGETS + 1]; r++) {
        const struct design_result *result = &design->results[r];
        if (result->order != ORDER_RELEVANCE)
            continue;
        struct gains_mean mean = gains->results[r].value[GAINS_ALL][0];
        if (mean.images < GAINS_LEAST || !(mean.mean >= CLASS_DEPTH_ALIKE))
            break;
        last = result;
    }
    if (!last)
        return false;
    snprintf(text, VERDICT_TEXT,
             "targets: up to %s relevance for the predicted class and for the runner-up is nearly the same but for a "
             "factor (|cosine| %.1f or more): comparing classes says little there; explain a contrast, or use layers "
             "above",
             last->place, CLASS_DEPTH_ALIKE);
    return true;
}

bool verdict_sentence(char text[VERDICT_TEXT], const struct design *design, const struct gains *gains, size_t i)
{
    if (judge_targets(text, design, gains) && i-- == 0)
        return true;
    for (size_t r = 0; r < design->nresults; r++)
        if (stands(design, r) && compare(text, design, gains, r) && i-- == 0)
            return true;
    return false;
}

char *verdict_text(const struct design *design, const struct gains *gains)
{
    char sentence[VERDICT_TEXT], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; out && verdict_sentence(sentence, design, gains, i); i++)
        fprintf(out, "%s\n", sentence);
    if (out && fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
