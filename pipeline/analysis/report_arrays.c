#include "pipeline/analysis/report_arrays.h"

#include "kernels/base/number.h"
#include "pipeline/results/flow_matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = STORE_NAME + 16, PATH = GROUP + 64, MATRIX_BITS = 11, ERROR_BITS = 7, MAX_CLASS_ENTRIES = 4000000 };

/* ---- entries --------------------------------------------------------------------------------------------------- */

/* Some of the channels along an axis, in ascending order. */
struct kept {
    size_t of, count; /* `count` of `of` channels are kept */
    size_t *items;    /* [count] owned */
};

static json_t *json_sizes(const size_t *sizes, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)sizes[i]));
    return list;
}

static json_t *add_entry(const struct report_arrays *arrays, const char *name, const char *type, size_t offset,
                         const size_t *dims, size_t ndim)
{
    json_t *entry = json_object();

    json_object_set_new(entry, "offset", json_integer((json_int_t)offset));
    json_object_set_new(entry, "type", json_string(type));
    json_object_set_new(entry, "shape", json_sizes(dims, ndim));
    json_object_set_new(arrays->json, name, entry);
    return entry;
}

static void name_kept(json_t *entry, const char *axis, const struct kept *kept)
{
    if (kept->count < kept->of)
        json_object_set_new(entry, axis, json_sizes(kept->items, kept->count));
}

enum status report_arrays_bytes(const struct report_arrays *arrays, const char *name, const unsigned char *bytes,
                                size_t count, struct error *err)
{
    size_t offset;
    enum status rc = html_page_add_bytes(&offset, arrays->page, bytes, count, err);

    if (rc == OK)
        add_entry(arrays, name, "u8", offset, &count, 1);
    return rc;
}

enum status report_arrays_real(const struct report_arrays *arrays, const char *name, const double *values, size_t ndim,
                               const size_t *dims, struct error *err)
{
    size_t offset, count = 1;

    for (size_t d = 0; d < ndim; d++)
        count *= dims[d];
    enum status rc = html_page_add_real(&offset, arrays->page, values, count, PAGE_ALL_BITS, err);

    if (rc == OK)
        add_entry(arrays, name, "f32", offset, dims, ndim);
    return rc;
}

/* ---- the largest ones ------------------------------------------------------------------------------------------ */

struct weighed {
    double weight;
    size_t channel;
};

static int heavier_first(const void *a, const void *b)
{
    const struct weighed *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->channel < y->channel ? -1 : x->channel > y->channel;
}

static int ascending(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The channels of largest weight; kept->items is to be freed, also after a failure. */
static enum status keep_largest(struct kept *kept, const double *weights, size_t count, struct error *err)
{
    struct weighed *sorted = calloc(count + 1, sizeof *sorted);

    *kept = (struct kept){count, smaller(count, REPORT_MOST_CHANNELS), NULL};
    kept->items = calloc(kept->count + 1, sizeof *kept->items);
    if (!sorted || !kept->items) {
        free(sorted);
        return error_system(err, "no memory for the channels of a report");
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct weighed){isnan(weights[i]) ? 0 : fabs(weights[i]), i};
    qsort(sorted, count, sizeof *sorted, heavier_first);
    for (size_t i = 0; i < kept->count; i++)
        kept->items[i] = sorted[i].channel;
    qsort(kept->items, kept->count, sizeof *kept->items, ascending);
    free(sorted);
    return OK;
}

/* Move what is kept to the front of matrix[rows->of][columns->of]. */
static void gather(double *matrix, const struct kept *rows, const struct kept *columns)
{
    for (size_t r = 0, to = 0; r < rows->count; r++)
        for (size_t c = 0; c < columns->count; c++, to++)
            matrix[to] = matrix[rows->items[r] * columns->of + columns->items[c]];
}

/* ---- columns --------------------------------------------------------------------------------------------------- */

/* Add a whole dataset of any shape, if the store has it. */
static enum status add_whole(const struct report_arrays *arrays, const char *group, const char *name, bool integer,
                             struct error *err)
{
    char path[PATH];
    size_t ndim, dims[STORE_MAX_DIMS], offset, count = 1;
    int64_t *integers = NULL;
    double *reals = NULL;
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/%s", group, name);
    if (!store_has(arrays->reader, path))
        return OK;
    TRY(store_shape(&ndim, dims, arrays->reader, path, err));
    for (size_t d = 0; d < ndim; d++)
        count *= dims[d];
    if (integer) {
        TRY(store_read_int(&integers, arrays->reader, path, ndim, dims, err));
        TRY(html_page_add_int(&offset, arrays->page, integers, count, err));
    } else {
        TRY(store_read_real(&reals, arrays->reader, path, ndim, dims, err));
        TRY(html_page_add_real(&offset, arrays->page, reals, count, PAGE_ALL_BITS, err));
    }
    add_entry(arrays, path, integer ? "i32" : "f32", offset, dims, ndim);
done:
    free(integers);
    free(reals);
    return rc;
}

/* ---- matrices -------------------------------------------------------------------------------------------------- */

/* A matrix, or number `plane` of a stack of matrices (SIZE_MAX: no stack). */
struct matrix {
    const char *group, *name;
    size_t plane;
    int bits;
};

/* Add the kept part of a matrix, which is gathered in place. */
static enum status put_matrix(const struct report_arrays *arrays, struct matrix matrix, double *values,
                              const struct kept *rows, const struct kept *columns, struct error *err)
{
    char name[PATH + 24];
    size_t dims[2] = {rows->count, columns->count}, offset;
    enum status rc = OK;

    gather(values, rows, columns);
    TRY(html_page_add_real(&offset, arrays->page, values, dims[0] * dims[1], matrix.bits, err));
    if (matrix.plane != SIZE_MAX)
        snprintf(name, sizeof name, "%s/%s/%zu", matrix.group, matrix.name, matrix.plane);
    else
        snprintf(name, sizeof name, "%s/%s", matrix.group, matrix.name);
    json_t *entry = add_entry(arrays, name, "f32", offset, dims, 2);
    name_kept(entry, "rows", rows);
    name_kept(entry, "columns", columns);
done:
    return rc;
}

static enum status add_matrix(const struct report_arrays *arrays, struct matrix matrix, const struct kept *rows,
                              const struct kept *columns, struct error *err)
{
    char path[PATH];
    double *values = NULL;
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/%s", matrix.group, matrix.name);
    if (!store_has(arrays->reader, path))
        return OK;
    values = calloc(rows->of * columns->of + 1, sizeof *values);
    if (!values)
        TRY(error_system(err, "no memory for %s", path));
    TRY(store_read_rows(values, arrays->reader, path, 0, rows->of, columns->of, err));
    TRY(put_matrix(arrays, matrix, values, rows, columns, err));
done:
    free(values);
    return rc;
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

static enum status add_classes(const struct report_arrays *arrays, const char *group, size_t channels,
                               struct error *err)
{
    char path[PATH];
    size_t dims[2] = {STORE_ANY, channels}, ndim, shape[STORE_MAX_DIMS];
    struct kept rows = {0}, columns = {0};
    double *mean = NULL;
    enum status rc = OK;

    snprintf(path, sizeof path, "%s/class_mean", group);
    if (!store_has(arrays->reader, path))
        return OK;
    TRY(store_shape(&ndim, shape, arrays->reader, path, err));
    dims[0] = shape[0];
    rows = (struct kept){dims[0], dims[0], calloc(dims[0] + 1, sizeof *rows.items)};
    if (!rows.items)
        TRY(error_system(err, "no memory for the classes of %s", group));
    for (size_t i = 0; i < rows.count; i++)
        rows.items[i] = i;
    snprintf(path, sizeof path, "%s/mean", group);
    TRY(store_read_real(&mean, arrays->reader, path, 1, &channels, err));
    TRY(keep_largest(&columns, mean, channels, err));
    TRY(add_matrix(arrays, (struct matrix){group, "class_mean", SIZE_MAX, MATRIX_BITS}, &rows, &columns, err));
    TRY(add_matrix(arrays, (struct matrix){group, "class_std_error", SIZE_MAX, ERROR_BITS}, &rows, &columns, err));
done:
    free(mean);
    free(rows.items);
    free(columns.items);
    return rc;
}

enum status report_arrays_layers(const struct report_arrays *arrays, const struct summary *summary, struct error *err)
{
    static const struct {
        const char *name;
        bool integer;
    } fields[] = {
        {"mean", false},          {"std", false},           {"std_error", false},
        {"mean_positive", false}, {"mean_negative", false}, {"min", false},
        {"max", false},           {"histogram", true},      {"histogram_edges", false},
        {"top_image", true},      {"top_value", false},     {"top_position", true},
        {"active_image", true},   {"active_value", false},  {"active_position", true},
    };

    char group[GROUP];
    enum status rc = OK;

    for (size_t i = 0; i < summary->nlayers; i++) {
        if (summary->layers[i].channels == 0)
            continue;
        snprintf(group, sizeof group, "layers/%s", summary->layers[i].name);
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
            TRY(add_whole(arrays, group, fields[f].name, fields[f].integer, err));
        TRY(add_classes(arrays, group, summary->layers[i].channels, err));
    }
done:
    return rc;
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

/* The channels of both layers that carry most of a flow. */
static enum status keep_flow(struct kept *rows, struct kept *columns, const struct flow_matrix *flow, struct error *err)
{
    size_t upper = flow->upper, lower = flow->lower;
    double *row = calloc(lower + 1, sizeof *row), *rowsum = calloc(upper + 1, sizeof *rowsum);
    double *columnsum = calloc(lower + 1, sizeof *columnsum);
    enum status rc = OK;

    if (!row || !rowsum || !columnsum)
        TRY(error_system(err, "no memory for %s", flow->group));
    for (size_t u = 0; u < upper; u++) {
        TRY(flow_matrix_rows(row, flow, "mean", u, 1, err));
        for (size_t l = 0; l < lower; l++) {
            rowsum[u] += fabs(row[l]);
            columnsum[l] += fabs(row[l]);
        }
    }
    TRY(keep_largest(rows, rowsum, upper, err));
    TRY(keep_largest(columns, columnsum, lower, err));
done:
    free(row);
    free(rowsum);
    free(columnsum);
    return rc;
}

/* The kept part of a flow's matrix, or of that of a class (SIZE_MAX: of none). */
static enum status add_flow_matrix(const struct report_arrays *arrays, const struct flow_matrix *flow,
                                   struct matrix matrix, const struct kept *rows, const struct kept *columns,
                                   struct error *err)
{
    double *values = NULL;
    enum status rc = OK;

    if (!flow_matrix_has(flow, matrix.name))
        return OK;
    values = calloc(flow->upper * flow->lower, sizeof *values);
    if (!values)
        TRY(error_system(err, "no memory for %s", flow->group));
    TRY(matrix.plane == SIZE_MAX ? flow_matrix_rows(values, flow, matrix.name, 0, flow->upper, err)
                                 : flow_matrix_class(values, flow, matrix.name, matrix.plane, err));
    TRY(put_matrix(arrays, matrix, values, rows, columns, err));
done:
    free(values);
    return rc;
}

static enum status add_flow(const struct report_arrays *arrays, const struct summary_flow *about, size_t nclasses,
                            struct error *err)
{
    static const char *const sums[] = {"to_bias", "absorbed", "lost", "left_out"};
    struct kept rows = {0}, columns = {0};
    struct flow_matrix flow;
    enum status rc = OK;

    TRY(flow_matrix_open(&flow, arrays->reader, about->name, err));
    TRY(keep_flow(&rows, &columns, &flow, err));
    TRY(add_flow_matrix(arrays, &flow, (struct matrix){flow.group, "mean", SIZE_MAX, MATRIX_BITS}, &rows, &columns,
                        err));
    TRY(add_flow_matrix(arrays, &flow, (struct matrix){flow.group, "std_error", SIZE_MAX, ERROR_BITS}, &rows, &columns,
                        err));
    for (size_t k = 0; k < nclasses; k++)
        TRY(add_flow_matrix(arrays, &flow, (struct matrix){flow.group, "class_mean", k, MATRIX_BITS}, &rows, &columns,
                            err));
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        TRY(add_whole(arrays, flow.group, sums[i], false, err));
    TRY(add_whole(arrays, flow.group, "draws", true, err));
done:
    flow_matrix_free(&flow);
    free(rows.items);
    free(columns.items);
    return rc;
}

static size_t most(size_t channels)
{
    return smaller(channels, REPORT_MOST_CHANNELS);
}

enum status report_arrays_flows(const struct report_arrays *arrays, const struct summary *summary, size_t *nclasses,
                                struct error *err)
{
    size_t entries = 1;
    enum status rc = OK;

    for (size_t i = 0; i < summary->nflows; i++)
        entries += most(summary->flows[i].upper) * most(summary->flows[i].lower);
    if (*nclasses > MAX_CLASS_ENTRIES / entries)
        *nclasses = MAX_CLASS_ENTRIES / entries;
    for (size_t i = 0; i < summary->nflows; i++)
        TRY(add_flow(arrays, &summary->flows[i], *nclasses, err));
done:
    return rc;
}
