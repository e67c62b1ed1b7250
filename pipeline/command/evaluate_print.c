#include "pipeline/command/evaluate_print.h"

#include "pipeline/evaluate/verdict.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/table.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* Results of one test, for a table. */
struct view {
    const struct evaluation *evaluation;
    size_t first;
    const size_t *rows; /* numbers of results */
};

enum { PLACE, ORDER, VALUE, DIFFERENCE, UNSURE, UNSURE_DIFFERENCE, SURE, SURE_DIFFERENCE, COLUMNS };

static void put_mean(char out[TABLE_CELL], struct gains_mean mean, bool sign)
{
    *out = '\0';
    if (!isnan(mean.mean))
        snprintf(out, TABLE_CELL, sign ? "%+.3f +- %.3f" : "%.3f +- %.3f", mean.mean, mean.error);
}

static void write_cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct view *view = data;
    const struct design_result *result = &view->evaluation->design.results[view->rows[row]];
    const struct gains_result *gains = &view->evaluation->gains.results[view->rows[row]];
    size_t value = verdict_value(result);

    if (column == PLACE)
        snprintf(out, TABLE_CELL, "%s", result->place);
    else if (column == ORDER)
        snprintf(out, TABLE_CELL, "%s", order_table[result->order].name);
    else if (column % 2 == 0)
        put_mean(out, gains->value[(column - VALUE) / 2][value], false);
    else
        put_mean(out, gains->difference[(column - VALUE) / 2][value], true);
}

static void print_test(const struct evaluation *evaluation, enum test test, bool colours)
{
    const struct design *design = &evaluation->design;
    size_t *rows = calloc(design->nresults + 1, sizeof *rows), n = 0;
    const struct table_column columns[COLUMNS] = {
        [PLACE] = {"layer", true},
        [ORDER] = {"order", true},
        [VALUE] = {verdict_value_name(test), false},
        [DIFFERENCE] = {"to relevance", false},
        [UNSURE] = {"less confident", false},
        [UNSURE_DIFFERENCE] = {"to relevance", false},
        [SURE] = {"more confident", false},
        [SURE_DIFFERENCE] = {"to relevance", false},
    };

    for (size_t r = design->first[test]; rows && r < design->first[test + 1]; r++)
        if (design->results[r].kind != DESIGN_DAMAGES)
            rows[n++] = r;
    struct view view = {evaluation, design->first[test], rows};
    if (n > 0)
        printf("\n%s: %s?", test_table[test].name, test_table[test].help);
    table_print(stdout, &(struct table){columns, COLUMNS, n, &view, write_cell, NULL}, colours);
    free(rows);
}

/* Of targets one line for every variable that is not only a pool's, and a column for every order. */
struct targets {
    const struct evaluation *evaluation;
    const size_t *rows; /* number of each place's first result */
};

static void write_target(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct targets *targets = data;
    size_t r = targets->rows[row];

    if (column == 0)
        snprintf(out, TABLE_CELL, "%s", targets->evaluation->design.results[r].place);
    else
        put_mean(out, targets->evaluation->gains.results[r + column - 1].value[GAINS_ALL][0], false);
}

static void print_targets(const struct evaluation *evaluation, bool colours)
{
    const struct design *design = &evaluation->design;
    const struct network *net = &evaluation->run.model.net;
    size_t first = design->first[TEST_TARGETS], end = design->first[TEST_TARGETS + 1], n = 0, orders = 0;
    size_t *rows = calloc(design->nresults + 1, sizeof *rows);
    struct table_column columns[1 + ORDERS] = {{"variable", true}};

    while (first + orders < end && design->results[first + orders].variable == design->results[first].variable) {
        columns[1 + orders] = (struct table_column){order_table[design->results[first + orders].order].name, false};
        orders++;
    }
    for (size_t r = first; rows && r < end; r += orders) {
        size_t k = design->results[r].variable;
        if (k == 0 || net->links[k - 1].kind != LINK_POOL)
            rows[n++] = r;
    }
    struct targets targets = {evaluation, rows};
    if (n > 0)
        printf("\n%s: %s? (%s)", test_table[TEST_TARGETS].name, test_table[TEST_TARGETS].help,
               verdict_value_name(TEST_TARGETS));
    table_print(stdout, &(struct table){columns, 1 + orders, n, &targets, write_target, NULL}, colours);
    free(rows);
}

void evaluate_print(const struct evaluation *evaluation, const char *output)
{
    const struct gains *gains = &evaluation->gains;
    const struct design *design = &evaluation->design;
    char text[VERDICT_TEXT];

    printf("%zu images, of which %zu ok; mean p %.3f, less confident half %.3f, more confident half %.3f\n",
           gains->finished, gains->ok, gains->p[GAINS_ALL], gains->p[GAINS_UNSURE], gains->p[GAINS_SURE]);
    print_targets(evaluation, paint_wanted(stdout));
    for (size_t t = TEST_TARGETS + 1; t < TESTS; t++)
        print_test(evaluation, (enum test)t, paint_wanted(stdout));
    putchar('\n');
    for (size_t i = 0; verdict_sentence(text, design, gains, i); i++)
        puts(text);
    printf("%s%s\n", output, evaluation->complete ? "" : ": not finished; the same command continues");
}

void evaluate_print_cost(const struct evaluation *evaluation, const struct evaluate_cost *cost, const char *output)
{
    char *settings = design_text(&evaluation->design);
    double seconds = cost->seconds * ceil((double)cost->images / (double)cost->ranks);

    printf("evaluation        %s\n", settings ? settings : "");
    printf("output            %s\n", output);
    printf("images            %zu on %zu ranks\n", cost->images, cost->ranks);
    printf("an image          %.4g GFLOP, %.3g s on a rank, %.4g GFLOP/s\n", cost->flops * 1e-9, cost->seconds,
           cost->flops * 1e-9 / cost->seconds);
    printf("memory            %zu MiB a rank, beside the model\n", (cost->bytes >> 20) + 1);
    printf("time              %.3g s\n", seconds);
    free(settings);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *json_mean(struct gains_mean value, struct gains_mean difference)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:I}", "mean", json_output_real(value.mean), "error",
                     json_output_real(value.error), "difference", json_output_real(difference.mean), "difference_error",
                     json_output_real(difference.error), "images", (json_int_t)value.images);
}

static json_t *json_result(const struct evaluation *evaluation, size_t r)
{
    static const char *const names[2][DESIGN_VALUES] = {{"p", "logit", "margin"}, {"cosine", "pearson", "spearman"}};
    static const char *const parts[GAINS_PARTS] = {"all", "less_confident", "more_confident"};
    const struct design_result *result = &evaluation->design.results[r];
    const struct gains_result *gains = &evaluation->gains.results[r];
    bool similar = result->kind == DESIGN_SIMILARITY || (result->kind == DESIGN_AVERAGE && result->similar);
    json_t *object =
        json_pack("{s:s,s:o,s:s,s:s}", "test", test_table[result->test].name, "place", json_output_text(result->place),
                  "order", order_table[result->order].name, "what", similar ? "similarity" : "gain");

    for (size_t p = 0; p < GAINS_PARTS; p++) {
        json_t *part = json_object();
        for (size_t i = 0; i < DESIGN_VALUES; i++)
            json_object_set_new(part, names[similar][i], json_mean(gains->value[p][i], gains->difference[p][i]));
        json_object_set_new(object, parts[p], part);
    }
    return object;
}

void evaluate_print_json(const struct evaluation *evaluation, const char *output)
{
    const struct gains *gains = &evaluation->gains;
    const struct design *design = &evaluation->design;
    json_t *results = json_array(), *verdicts = json_array();
    char text[VERDICT_TEXT];

    for (size_t r = 0; r < design->nresults; r++)
        if (design->results[r].kind != DESIGN_DAMAGES)
            json_array_append_new(results, json_result(evaluation, r));
    for (size_t i = 0; verdict_sentence(text, design, gains, i); i++)
        json_array_append_new(verdicts, json_output_text(text));
    json_output_print(json_pack("{s:o,s:b,s:I,s:I,s:{s:o,s:o,s:o},s:o,s:o}", "file", json_output_text(output),
                                "complete", evaluation->complete, "images", (json_int_t)gains->finished, "ok",
                                (json_int_t)gains->ok, "p", "all", json_output_real(gains->p[GAINS_ALL]),
                                "less_confident", json_output_real(gains->p[GAINS_UNSURE]), "more_confident",
                                json_output_real(gains->p[GAINS_SURE]), "results", results, "verdicts", verdicts));
}

void evaluate_print_cost_json(const struct evaluation *evaluation, const struct evaluate_cost *cost, const char *output)
{
    char *settings = design_text(&evaluation->design);
    double seconds = cost->seconds * ceil((double)cost->images / (double)cost->ranks);

    json_output_print(json_pack("{s:o,s:o,s:I,s:I,s:f,s:f,s:I,s:f}", "settings", json_output_text(settings), "output",
                                json_output_text(output), "images", (json_int_t)cost->images, "ranks",
                                (json_int_t)cost->ranks, "flops_per_image", cost->flops, "seconds_per_image",
                                cost->seconds, "rank_bytes", (json_int_t)cost->bytes, "seconds", seconds));
    free(settings);
}
