#include "pipeline/results/classes.h"

#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 640 };

/* ---- the table --------------------------------------------------------------------------------------------------- */

enum status classes_read(struct classes *out, const struct store_reader *reader, const char *path, struct error *err)
{
    enum status rc = OK;

    *out = (struct classes){.count = STORE_ANY};
    if (!store_has(reader, "classes/count")) {
        out->count = 0;
        return error_set(err, FAIL_CONFIG, "%s has no numbers by class; run with store.classes = all, or a list", path);
    }
    TRY(store_read_text(&out->names, reader, "classes/name", &out->count, err));
    TRY(store_read_int(&out->images, reader, "classes/count", 1, &out->count, err));
    TRY(store_read_real(&out->given, reader, "classes/given_mass", 1, &out->count, err));
    TRY(store_read_real(&out->given_error, reader, "classes/given_std_error", 1, &out->count, err));
done:
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

enum status classes_find(size_t *class, const struct classes *classes, const char *text, struct error *err)
{
    char *end, hint[SUGGEST_HINT];
    unsigned long long number = strtoull(text, &end, 10);
    struct suggest nearest;

    if (*text >= '0' && *text <= '9' && *end == '\0' && number < classes->count) {
        *class = (size_t)number;
        return OK;
    }
    suggest_init(&nearest, text);
    for (size_t i = 0; i < classes->count; i++) {
        suggest_offer(&nearest, classes->names[i]);
        if (strcmp(classes->names[i], text) == 0) {
            *class = i;
            return OK;
        }
    }
    suggest_hint(hint, sizeof hint, &nearest);
    return error_set(err, FAIL_CONFIG, "there is no class \"%s\"; classes are numbered 0 to %zu, or go by name%s", text,
                     classes->count - 1, hint);
}

bool classes_weak(const struct classes *classes, size_t class)
{
    return fabs(classes->given[class]) < 3 * classes->given_error[class];
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

static enum status read_two_rows(struct two_rows *rows, const struct store_reader *reader, const char *group,
                                 const size_t at[2], size_t width, struct error *err)
{
    char path[PATH];
    enum status rc = OK;

    *rows = (struct two_rows){.mean = {NULL, NULL}};
    for (size_t i = 0; i < 2; i++) {
        rows->mean[i] = calloc(width, sizeof(double));
        rows->error[i] = calloc(width, sizeof(double));
        if (!rows->mean[i] || !rows->error[i])
            TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu numbers of %s", 4 * width, group));
        snprintf(path, sizeof path, "%s/class_mean", group);
        TRY(store_read_rows(rows->mean[i], reader, path, at[i], 1, width, err));
        snprintf(path, sizeof path, "%s/class_std_error", group);
        TRY(store_read_rows(rows->error[i], reader, path, at[i], 1, width, err));
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
                           const size_t at[2], size_t width, size_t columns, struct error *err)
{
    struct two_rows rows;
    enum status rc = OK;

    TRY(read_two_rows(&rows, reader, group, at, width, err));
    out->items = calloc(width, sizeof *out->items);
    if (!out->items)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu differences", width));
    out->count = width;
    for (size_t i = 0; i < width; i++) {
        double a = rows.mean[0][i], b = rows.mean[1][i], a_error = rows.error[0][i], b_error = rows.error[1][i];
        out->items[i] = (struct classes_difference){
            i / columns, i % columns, a, a_error, b, b_error, a - b, sqrt(a_error * a_error + b_error * b_error)};
    }
    qsort(out->items, out->count, sizeof *out->items, by_difference);
done:
    two_rows_free(&rows);
    return rc;
}

/* Shape of a group's class_mean; an unknown group is an error that suggests the nearest name. */
static enum status shape_of(size_t dims[STORE_MAX_DIMS], size_t expected, const struct store_reader *reader,
                            const char *parent, const char *name, const char *key, struct error *err)
{
    struct store_names names = {0};
    char path[PATH], hint[SUGGEST_HINT];
    struct suggest nearest;
    size_t ndim;
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/%s", parent, name);
    if (strchr(name, '/') || !store_has(reader, path)) {
        TRY(store_list(&names, reader, parent, err));
        suggest_init(&nearest, name);
        for (size_t i = 0; i < names.count; i++)
            suggest_offer(&nearest, names.names[i]);
        suggest_hint(hint, sizeof hint, &nearest);
        TRY(error_set(err, FAIL_CONFIG, "the store has no %s/%s%s", parent, name, hint));
    }
    snprintf(path, sizeof path, "%s/%s/class_std_error", parent, name);
    if (!store_has(reader, path))
        TRY(error_set(err, FAIL_CONFIG, "%s/%s has no numbers by class; run with %s = all, or a list", parent, name,
                      key));
    TRY(store_shape(&ndim, dims, reader, path, err));
    if (ndim != expected || dims[1] == 0 || dims[ndim - 1] == 0)
        TRY(error_set(err, FAIL_FORMAT, "/%s has %zu axes instead of %zu", path, ndim, expected));
done:
    store_names_free(&names);
    return rc;
}

enum status classes_compare_layer(struct classes_differences *out, const struct store_reader *reader, const char *layer,
                                  size_t a, size_t b, struct error *err)
{
    size_t dims[STORE_MAX_DIMS];
    char group[PATH];
    enum status rc = OK;

    *out = (struct classes_differences){.count = 0};
    TRY(shape_of(dims, 2, reader, "layers", layer, "store.classes", err));
    snprintf(group, sizeof group, "layers/%s", layer);
    TRY(compare(out, reader, group, (size_t[]){a, b}, dims[1], dims[1], err));
done:
    return rc;
}

enum status classes_flow_row(size_t *row, const struct store_reader *reader, size_t class, struct error *err)
{
    char list[128] = "";
    size_t count = STORE_ANY, used = 0;
    int64_t *numbers = NULL;
    enum status rc = OK;

    if (!store_has(reader, "classes/flow_class"))
        TRY(error_set(err, FAIL_CONFIG, "the store has no flows by class; run with store.class_flows = %zu", class));
    TRY(store_read_int(&numbers, reader, "classes/flow_class", 1, &count, err));
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
    size_t dims[STORE_MAX_DIMS], at[2];
    char group[PATH];
    enum status rc = OK;

    *out = (struct classes_differences){.count = 0};
    TRY(shape_of(dims, 3, reader, "flows", pair, "store.class_flows", err));
    TRY(classes_flow_row(&at[0], reader, a, err));
    TRY(classes_flow_row(&at[1], reader, b, err));
    snprintf(group, sizeof group, "flows/%s", pair);
    if (dims[1] > SIZE_MAX / sizeof(struct classes_difference) / dims[2])
        TRY(error_set(err, FAIL_LIMIT, "/%s is too large", group));
    TRY(compare(out, reader, group, at, dims[1] * dims[2], dims[2], err));
done:
    return rc;
}
