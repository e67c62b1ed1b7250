#include "pipeline/results/classes.h"

#include "pipeline/results/flow_matrix.h"
#include "pipeline/stats/weak.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 640 };

/* ---- the table --------------------------------------------------------------------------------------------------- */

enum status classes_read(struct classes *out, const struct store_reader *reader, const char *path, struct error *err)
{
    char *given = NULL;
    enum status rc = OK;

    *out = (struct classes){.count = STORE_ANY};
    if (!store_has(reader, "classes/count")) {
        out->count = 0;
        return error_set(err, FAIL_CONFIG, "%s has no numbers by class; run with store.classes = all, or a list", path);
    }
    if (store_has_attribute(reader, "", "given"))
        TRY(store_get_text(&given, reader, "", "given", err));
    out->conditioned = !given || strcmp(given, "none") != 0;
    TRY(store_read_text(&out->names, reader, "class", &out->count, err));
    TRY(store_read_int(&out->images, reader, "classes/count", 1, &out->count, err));
    TRY(store_read_real(&out->given, reader, "classes/given_mass", 1, &out->count, err));
    TRY(store_read_real(&out->given_error, reader, "classes/given_std_error", 1, &out->count, err));
done:
    free(given);
    return rc;
}

void classes_free(struct classes *classes)
{
    free(classes->names);
    free(classes->images);
    free(classes->given);
    free(classes->given_error);
    *classes = (struct classes){.count = 0};
}

/* A number in decimal digits, of a class; false otherwise. */
static bool read_number(size_t *class, const struct classes *classes, const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    *class = (size_t)number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number < classes->count;
}

static enum status unknown_class(const struct classes *classes, const char *text, struct error *err)
{
    char hint[SUGGEST_HINT];
    struct suggest nearest;

    suggest_init(&nearest, text);
    for (size_t i = 0; i < classes->count; i++)
        suggest_offer(&nearest, classes->names[i]);
    suggest_hint(hint, sizeof hint, &nearest);
    return error_set(err, FAIL_CONFIG, "there is no class \"%s\"; classes are numbered 0 to %zu, or go by name%s", text,
                     classes->count - 1, hint);
}

/* The classes of a name of n bytes, at most two; returns how many. */
static size_t find_name(size_t found[2], const struct classes *classes, const char *name, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < classes->count && count < 2; i++)
        if (strlen(classes->names[i]) == n && memcmp(classes->names[i], name, n) == 0)
            found[count++] = i;
    return count;
}

enum status classes_find(size_t *class, const struct classes *classes, const char *text, struct error *err)
{
    size_t length = strlen(text), number = 0, found[2] = {0, 0};
    bool quoted = length > 2 && text[0] == '"' && text[length - 1] == '"', marked = text[0] == '#';
    bool numbered = !quoted && read_number(&number, classes, text + marked);
    size_t n = find_name(found, classes, text + quoted, length - 2 * quoted);

    if (numbered && !marked && n > 0 && (n > 1 || found[0] != number))
        return error_set(err, FAIL_CONFIG,
                         "class \"%s\" is the number of \"%s\" and the name of class %zu: write '#%s' or '\"%s\"'",
                         text, classes->names[number], found[0] == number ? found[1] : found[0], text, text);
    if (!numbered && n > 1)
        return error_set(err, FAIL_CONFIG, "several classes are called \"%.*s\": write '#%zu' or '#%zu'",
                         (int)(length - 2 * quoted), text + quoted, found[0], found[1]);
    *class = numbered ? number : found[0];
    return numbered || n > 0 ? OK : unknown_class(classes, text, err);
}

bool classes_weak(const struct classes *classes, size_t class)
{
    return classes->images[class] > 0 && weak_mean(classes->given[class], classes->given_error[class]);
}

/* ---- differences ------------------------------------------------------------------------------------------------- */

/* Means and errors of two classes, [width] each. */
struct two_rows {
    double *mean[2], *error[2];
};

static void two_rows_free(struct two_rows *rows)
{
    for (size_t i = 0; i < 2; i++) {
        free(rows->mean[i]);
        free(rows->error[i]);
    }
}

/* Rows of a layer's group, or matrices of a flow (NULL: of a layer). */
static enum status read_two_rows(struct two_rows *rows, const struct store_reader *reader, const char *group,
                                 const struct flow_matrix *flow, const size_t at[2], size_t width, struct error *err)
{
    static const char *const names[] = {"class_mean", "class_std_error"};
    char path[PATH];
    enum status rc = OK;

    *rows = (struct two_rows){.mean = {NULL, NULL}};
    for (size_t i = 0; i < 4; i++) {
        double **row = i % 2 ? &rows->error[i / 2] : &rows->mean[i / 2];
        *row = calloc(width, sizeof(double));
        if (!*row)
            TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu numbers of %s", 4 * width, group));
        snprintf(path, sizeof path, "%s/%s", group, names[i % 2]);
        TRY(flow ? flow_matrix_class(*row, flow, names[i % 2], at[i / 2], err)
                 : store_read_rows(*row, reader, path, at[i / 2], 1, width, err));
    }
done:
    return rc;
}

static int by_difference(const void *left, const void *right)
{
    const struct classes_difference *a = left, *b = right;
    double x = fabs(a->difference), y = fabs(b->difference);

    if (isnan(x) != isnan(y))
        return isnan(x) ? 1 : -1;
    if (x != y && !isnan(x))
        return x > y ? -1 : 1;
    if (a->upper != b->upper)
        return a->upper < b->upper ? -1 : 1;
    return a->channel < b->channel ? -1 : a->channel > b->channel;
}

/* Differences of rows whose elements are [.][columns]. */
static enum status compare(struct classes_differences *out, const struct store_reader *reader, const char *group,
                           const struct flow_matrix *flow, const size_t at[2], size_t width, struct error *err)
{
    size_t columns = flow ? flow->lower : width;
    struct two_rows rows;
    enum status rc = OK;

    TRY(read_two_rows(&rows, reader, group, flow, at, width, err));
    out->items = calloc(width, sizeof *out->items);
    if (!out->items)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu differences", width));
    for (size_t i = 0; i < width; i++) {
        if (flow && flow->diagonal && flow->diagonal[i / columns] != (int64_t)(i % columns))
            continue;
        double a = rows.mean[0][i], b = rows.mean[1][i], a_error = rows.error[0][i], b_error = rows.error[1][i];
        out->items[out->count++] = (struct classes_difference){
            i / columns, i % columns, a, a_error, b, b_error, a - b, sqrt(a_error * a_error + b_error * b_error)};
    }
    qsort(out->items, out->count, sizeof *out->items, by_difference);
done:
    two_rows_free(&rows);
    return rc;
}

/* Whether there is such a group; if not, the nearest name is suggested. */
static enum status check_group(const struct store_reader *reader, const char *parent, const char *name,
                               struct error *err)
{
    struct store_names names = {0};
    char path[PATH], hint[SUGGEST_HINT];
    struct suggest nearest;
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/%s", parent, name);
    if (!strchr(name, '/') && store_has(reader, path))
        return OK;
    TRY(store_list(&names, reader, parent, err));
    suggest_init(&nearest, name);
    for (size_t i = 0; i < names.count; i++)
        suggest_offer(&nearest, names.names[i]);
    suggest_hint(hint, sizeof hint, &nearest);
    TRY(error_set(err, FAIL_CONFIG, "the store has no %s/%s%s", parent, name, hint));
done:
    store_names_free(&names);
    return rc;
}

static enum status no_classes(const char *parent, const char *name, const char *key, struct error *err)
{
    return error_set(err, FAIL_CONFIG, "%s/%s has no numbers by class; run with %s = all, or a list", parent, name,
                     key);
}

enum status classes_compare_layer(struct classes_differences *out, const struct store_reader *reader, const char *layer,
                                  size_t a, size_t b, struct error *err)
{
    size_t ndim, dims[STORE_MAX_DIMS];
    char group[PATH / 2], path[PATH];
    enum status rc = OK;

    *out = (struct classes_differences){.count = 0};
    TRY(check_group(reader, "layers", layer, err));
    snprintf(group, sizeof group, "layers/%s", layer);
    snprintf(path, sizeof path, "%s/class_std_error", group);
    if (!store_has(reader, path))
        TRY(no_classes("layers", layer, "store.classes", err));
    TRY(store_shape(&ndim, dims, reader, path, err));
    if (ndim != 2 || dims[1] == 0)
        TRY(error_set(err, FAIL_FORMAT, "/%s has %zu axes instead of 2", path, ndim));
    TRY(compare(out, reader, group, NULL, (size_t[]){a, b}, dims[1], err));
done:
    return rc;
}

enum status classes_flow_row(size_t *row, const struct store_reader *reader, size_t class, struct error *err)
{
    char list[128] = "";
    size_t count = STORE_ANY, used = 0;
    int64_t *numbers = NULL;
    enum status rc = OK;

    if (!store_has(reader, "flow_class"))
        TRY(error_set(err, FAIL_CONFIG, "the store has no flows by class; run with store.class_flows = %zu", class));
    TRY(store_read_int(&numbers, reader, "flow_class", 1, &count, err));
    for (*row = 0; *row < count; ++*row)
        if (numbers[*row] == (int64_t) class)
            goto done;
    for (size_t i = 0; i < count && used + 24 < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%lld", i ? ", " : "", (long long)numbers[i]);
    rc = error_set(err, FAIL_CONFIG, "the store has flows of the classes %s%s, not of %zu; run with store.class_flows",
                   list, used + 24 < sizeof list ? "" : ", ...", class);
done:
    free(numbers);
    return rc;
}

enum status classes_compare_flow(struct classes_differences *out, const struct store_reader *reader, const char *pair,
                                 size_t a, size_t b, struct error *err)
{
    struct flow_matrix flow = {.reader = NULL};
    char path[PATH], diagonal[PATH];
    size_t at[2];
    enum status rc = OK;

    *out = (struct classes_differences){.count = 0};
    TRY(check_group(reader, "flows", pair, err));
    snprintf(path, sizeof path, "flows/%s/class_std_error", pair);
    snprintf(diagonal, sizeof diagonal, "flows/%s/diagonal_class_std_error", pair);
    if (!store_has(reader, path) && !store_has(reader, diagonal))
        TRY(no_classes("flows", pair, "store.class_flows", err));
    TRY(flow_matrix_open(&flow, reader, pair, err));
    TRY(classes_flow_row(&at[0], reader, a, err));
    TRY(classes_flow_row(&at[1], reader, b, err));
    if (flow.upper > SIZE_MAX / sizeof(struct classes_difference) / flow.lower)
        TRY(error_set(err, FAIL_LIMIT, "/%s is too large", flow.group));
    TRY(compare(out, reader, flow.group, &flow, at, flow.upper * flow.lower, err));
done:
    flow_matrix_free(&flow);
    return rc;
}
