#include "pipeline/results/flow_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = FLOW_MATRIX_GROUP + 64 };

static void path_of(char path[PATH], const struct flow_matrix *flow, const char *name)
{
    snprintf(path, PATH, "%s/%s%s", flow->group, flow->diagonal ? "diagonal_" : "", name);
}

/* ---- form -------------------------------------------------------------------------------------------------------- */

/* Channels of the lower layer, or as many as the flow needs if the store has no statistics of it. */
static enum status count_lower(struct flow_matrix *flow, const char *pair, struct error *err)
{
    char path[PATH];
    size_t ndim, dims[STORE_MAX_DIMS];

    for (size_t u = 0; u < flow->upper; u++)
        if (flow->diagonal[u] >= (int64_t)flow->lower && flow->diagonal[u] < FLOW_MATRIX_MOST)
            flow->lower = (size_t)flow->diagonal[u] + 1;
    snprintf(path, sizeof path, "layers/%.*s/mean", (int)strcspn(pair, "-"), pair);
    if (!store_has(flow->reader, path))
        return OK;
    enum status rc = store_shape(&ndim, dims, flow->reader, path, err);
    if (rc == OK && ndim == 1 && dims[0] > flow->lower && dims[0] <= FLOW_MATRIX_MOST)
        flow->lower = dims[0];
    return rc;
}

/* The dataset that tells the form, and its axes before those of channels. */
static size_t find_dataset(char path[PATH], bool *diagonal, const struct flow_matrix *flow)
{
    static const struct {
        const char *name;
        size_t axes;
    } datasets[] = {{"diagonal_lower", 0}, {"mean", 0}, {"class_mean", 1}};

    size_t i = 0;

    for (; i < sizeof datasets / sizeof datasets[0]; i++) {
        snprintf(path, PATH, "%s/%s", flow->group, datasets[i].name);
        if (store_has(flow->reader, path))
            break;
    }
    i = i < sizeof datasets / sizeof datasets[0] ? i : 1; /* the message about a missing dataset is about the mean */
    snprintf(path, PATH, "%s/%s", flow->group, datasets[i].name);
    *diagonal = i == 0;
    return datasets[i].axes;
}

enum status flow_matrix_open(struct flow_matrix *flow, const struct store_reader *reader, const char *pair,
                             struct error *err)
{
    char path[PATH];
    size_t ndim, dims[STORE_MAX_DIMS];
    bool diagonal;
    enum status rc = OK;

    *flow = (struct flow_matrix){.reader = reader, .lower = 1};
    snprintf(flow->group, sizeof flow->group, "flows/%s", pair);
    size_t before = find_dataset(path, &diagonal, flow);
    TRY(store_shape(&ndim, dims, reader, path, err));
    if (ndim != before + (diagonal ? 1 : 2) || dims[before] == 0 || dims[ndim - 1] == 0 ||
        dims[before] > FLOW_MATRIX_MOST || dims[ndim - 1] > FLOW_MATRIX_MOST)
        TRY(error_set(err, FAIL_FORMAT, "/%s has not the shape of a flow", path));
    flow->upper = dims[before];
    if (!diagonal) {
        flow->lower = dims[before + 1];
        goto done;
    }
    TRY(store_read_int(&flow->diagonal, reader, path, 1, &flow->upper, err));
    TRY(count_lower(flow, pair, err));
done:
    return rc;
}

void flow_matrix_free(struct flow_matrix *flow)
{
    free(flow->diagonal);
    *flow = (struct flow_matrix){.reader = NULL};
}

bool flow_matrix_has(const struct flow_matrix *flow, const char *name)
{
    char path[PATH];

    path_of(path, flow, name);
    return store_has(flow->reader, path);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* The first n numbers of `out` are those of the upper channels first .. first + n - 1; from the last on each goes to
 * its place, which is never before it. */
static void spread(double *out, const struct flow_matrix *flow, size_t first, size_t n)
{
    for (size_t u = n; u-- > 0;) {
        double value = out[u], *row = out + u * flow->lower;
        int64_t at = flow->diagonal[first + u];
        memset(row, 0, flow->lower * sizeof *row);
        if (at >= 0 && (size_t)at < flow->lower)
            row[at] = value;
    }
}

enum status flow_matrix_rows(double *out, const struct flow_matrix *flow, const char *name, size_t first, size_t n,
                             struct error *err)
{
    char path[PATH];

    path_of(path, flow, name);
    enum status rc = store_read_rows(out, flow->reader, path, first, n, flow->diagonal ? 1 : flow->lower, err);
    if (rc == OK && flow->diagonal)
        spread(out, flow, first, n);
    return rc;
}

enum status flow_matrix_class(double *out, const struct flow_matrix *flow, const char *name, size_t row,
                              struct error *err)
{
    char path[PATH];

    path_of(path, flow, name);
    enum status rc =
        store_read_rows(out, flow->reader, path, row, 1, flow->upper * (flow->diagonal ? 1 : flow->lower), err);
    if (rc == OK && flow->diagonal)
        spread(out, flow, 0, flow->upper);
    return rc;
}
