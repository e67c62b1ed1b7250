#include "pipeline/evaluate/answers_print.h"

#include "pipeline/util/json_output.h"
#include "pipeline/util/table.h"

#include <math.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

typedef struct answers_mean choose(const struct answers_summary *summary);

static struct answers_mean probability(const struct answers_summary *summary)
{
    return summary->outcome[CURVE_P];
}

static struct answers_mean margin(const struct answers_summary *summary)
{
    return summary->outcome[CURVE_MARGIN];
}

/* What a printed table shows. */
struct view {
    const struct answers_table *table;
    choose *choose;
    bool excess; /* of the first order, which is left out */
};

static void cell(char out[TABLE_CELL], const void *data, size_t row, size_t column)
{
    const struct view *view = data;

    if (column == 0) {
        snprintf(out, TABLE_CELL, "%.3g %%", 100 * view->table->shares[row]);
        return;
    }
    const struct answers_line *line = &view->table->lines[column - (view->excess ? 0 : 1)];
    struct answers_mean mean = view->choose(view->excess ? &line->excess[row] : &line->at[row]);
    snprintf(out, TABLE_CELL, view->excess ? "%+.4f +- %.4f" : "%.4f +- %.4f", mean.value, mean.error);
}

/* Differences beyond three errors stand out. */
static enum paint paint(const void *data, size_t row, size_t column)
{
    const struct view *view = data;

    if (column == 0 || !view->excess)
        return PAINT_PLAIN;
    struct answers_mean mean = view->choose(&view->table->lines[column].excess[row]);
    return fabs(mean.value) <= 3 * mean.error ? PAINT_DIM : PAINT_PLAIN;
}

static void print_view(FILE *out, const char *title, struct view view)
{
    struct table_column columns[TABLE_MAX_COLUMNS] = {{view.table->share_title, true}};
    size_t left_out = view.excess ? 1 : 0, n = view.table->nlines - left_out;

    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        columns[i + 1].title = view.table->lines[i + left_out].name;
    fprintf(out, "\n%s", title);
    table_print(out,
                &(struct table){.columns = columns,
                                .ncolumns = n + 1,
                                .nrows = view.table->nshares,
                                .data = &view,
                                .cell = cell,
                                .paint = paint},
                paint_wanted(out));
}

void answers_print(FILE *out, const struct answers_table *table)
{
    bool labels = !isnan(table->whole.accuracy.value);
    const char *what = labels ? "accuracy" : "agreement with the whole network";
    char title[160], verdict[ANSWERS_VERDICT];

    fprintf(out, "the whole network: %s %.4f +- %.4f, p %.4f, margin %.4g, of %zu images\n", what,
            answers_right(&table->whole).value, answers_right(&table->whole).error, probability(&table->whole).value,
            margin(&table->whole).value, table->whole.images);
    print_view(out, what, (struct view){table, answers_right, false});
    print_view(out, "p of the class that the whole network predicts", (struct view){table, probability, false});
    print_view(out, "margin of this class over the next", (struct view){table, margin, false});
    snprintf(title, sizeof title, "%s: by %s less by the other, within images", what, table->lines[0].name);
    print_view(out, title, (struct view){table, answers_right, true});
    for (size_t i = 0; answers_verdict(verdict, table, i); i++)
        fprintf(out, "%s%s\n", i ? "" : "\n", verdict);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static struct answers_mean accuracy(const struct answers_summary *summary)
{
    return summary->accuracy;
}

static struct answers_mean agreement(const struct answers_summary *summary)
{
    return summary->agreement;
}

static struct answers_mean logit(const struct answers_summary *summary)
{
    return summary->outcome[CURVE_LOGIT];
}

static const struct {
    const char *name;
    choose *choose;
} values[] = {
    {"accuracy", accuracy}, {"agreement", agreement}, {"p", probability}, {"logit", logit}, {"margin", margin}};

enum { VALUES = sizeof values / sizeof values[0] };

/* Means and errors of n summaries as lists. */
static void add_lists(json_t *object, const struct answers_summary *summaries, size_t n)
{
    for (size_t v = 0; v < VALUES; v++) {
        json_t *means = json_array(), *errors = json_array();
        char name[64];
        for (size_t i = 0; i < n; i++) {
            struct answers_mean mean = values[v].choose(&summaries[i]);
            json_array_append_new(means, json_output_real(mean.value));
            json_array_append_new(errors, json_output_real(mean.error));
        }
        snprintf(name, sizeof name, "%s_error", values[v].name);
        json_object_set_new(object, values[v].name, means);
        json_object_set_new(object, name, errors);
    }
}

static json_t *line_object(const struct answers_line *line, size_t n)
{
    json_t *object = json_object(), *excess = json_object();

    json_object_set_new(object, "order", json_output_text(line->name));
    add_lists(object, line->at, n);
    add_lists(excess, line->excess, n);
    json_object_set_new(object, "first_less_this", excess);
    return object;
}

void answers_json(json_t *object, const struct answers_table *table)
{
    json_t *shares = json_array(), *orders = json_array(), *whole = json_object(), *verdicts = json_array();
    char verdict[ANSWERS_VERDICT];

    for (size_t i = 0; i < table->nshares; i++)
        json_array_append_new(shares, json_real(table->shares[i]));
    for (size_t i = 0; i < table->nlines; i++)
        json_array_append_new(orders, line_object(&table->lines[i], table->nshares));
    add_lists(whole, &table->whole, 1);
    json_object_set_new(object, "images", json_integer((json_int_t)table->whole.images));
    json_object_set_new(object, "shares", shares);
    json_object_set_new(object, "whole", whole);
    json_object_set_new(object, "orders", orders);
    for (size_t i = 0; answers_verdict(verdict, table, i); i++)
        json_array_append_new(verdicts, json_output_text(verdict));
    json_object_set_new(object, "verdicts", verdicts);
}
