#include "pipeline/evaluate/verdict_check.h"

#include "pipeline/evaluate/verdict.h"
#include "pipeline/results/check_evaluation.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that is read back into what its verdicts were made of. */
struct rebuilding {
    struct check check;
    bool *member; /* [GAINS_PARTS][images] */
    struct design design;
    struct gains gains;
};

static enum status make_room(struct rebuilding *b)
{
    struct design *design = &b->design;

    if (design->nresults < design->capacity)
        return OK;
    size_t capacity = 2 * design->capacity + 64;
    struct design_result *results = realloc(design->results, capacity * sizeof *results);
    design->results = results ? results : design->results;
    struct gains_result *gains = realloc(b->gains.results, capacity * sizeof *gains);
    b->gains.results = gains ? gains : b->gains.results;
    if (!results || !gains)
        return error_set(b->check.err, FAIL_SYSTEM, "no memory for %zu results", capacity);
    design->capacity = capacity;
    return OK;
}

/* Means [parts][values] of the file; `images`: those of a part that have value i, and that the baseline has as well. */
static enum status read_means(struct gains_mean out[GAINS_PARTS][DESIGN_VALUES], struct rebuilding *b,
                              const char *group, const char *stem, const char *kinds[2], const double *values,
                              const double *baseline)
{
    size_t dims[] = {GAINS_PARTS, DESIGN_VALUES}, n = b->check.images;
    double *read[2] = {NULL, NULL};
    char name[64];
    enum status rc = OK;

    for (size_t kind = 0; kind < 2; kind++) {
        snprintf(name, sizeof name, "%s_%s", stem, kinds[kind]);
        TRY(check_read(&read[kind], &b->check, group, name, 2, dims));
    }
    for (size_t at = 0; at < (size_t)GAINS_PARTS * DESIGN_VALUES; at++) {
        size_t part = at / DESIGN_VALUES, i = at % DESIGN_VALUES;
        out[part][i] = (struct gains_mean){read[0][at], read[1][at], 0};
        for (size_t image = 0; image < n; image++)
            out[part][i].images += b->member[part * n + image] && !isnan(values[image * DESIGN_VALUES + i]) &&
                                   !(baseline && isnan(baseline[image * DESIGN_VALUES + i]));
    }
done:
    free(read[0]);
    free(read[1]);
    return rc;
}

static enum status read_figures(struct rebuilding *b, struct gains_result *gains, const char *group, const char *stem)
{
    static const char *means[] = {"mean", "error"}, *differences[] = {"difference", "difference_error"};
    struct design_result *result = &b->design.results[b->design.nresults];
    size_t dims[] = {b->check.images, DESIGN_VALUES};
    double *values = NULL, *baseline = NULL;
    char name[64], other[CHECK_PATH];
    enum status rc = OK;

    TRY(check_read(&values, &b->check, group, stem, 2, dims));
    TRY(read_means(gains->value, b, group, stem, means, values, NULL));
    snprintf(name, sizeof name, "%s_difference", stem);
    result->baseline = SIZE_MAX;
    if (!check_has(&b->check, group, name))
        goto done;
    result->baseline = 0; /* there is one */
    check_evaluation_baseline(other, group);
    TRY(check_read(&baseline, &b->check, other, stem, 2, dims));
    TRY(read_means(gains->difference, b, group, stem, differences, values, baseline));
done:
    free(values);
    free(baseline);
    return rc;
}

/* A group of the file, if it is a result. */
static enum status add_result(struct rebuilding *b, enum test test, const char *place, const char *order)
{
    char group[CHECK_PATH];
    size_t o = 0;
    enum status rc = OK;

    while (o < ORDERS && strcmp(order_table[o].name, order) != 0)
        o++;
    snprintf(group, sizeof group, "evaluation/%s/%s/%s", test_table[test].name, place, order);
    bool gain = check_has(&b->check, group, "gain"), similarity = check_has(&b->check, group, "similarity");
    if (o == ORDERS || (!gain && !similarity))
        return OK;
    TRY(make_room(b));
    struct design_result *result = &b->design.results[b->design.nresults];
    *result = (struct design_result){.kind = strcmp(place, "all") == 0 ? DESIGN_AVERAGE
                                             : gain                    ? DESIGN_CURVES
                                                                       : DESIGN_SIMILARITY,
                                     .test = test,
                                     .order = (enum order)o};
    snprintf(result->place, sizeof result->place, "%s", place);
    b->gains.results[b->design.nresults] = (struct gains_result){.value = {{{0, 0, 0}}}};
    TRY(read_figures(b, &b->gains.results[b->design.nresults], group, gain ? "gain" : "similarity"));
    b->design.nresults++;
done:
    return rc;
}

/* The results of a test in the order in which they were written, which is that of the design. */
static enum status add_test(struct rebuilding *b, enum test test)
{
    struct store_names places = {0}, orders = {0};
    char group[CHECK_PATH], place[CHECK_PATH];
    enum status rc = OK;

    snprintf(group, sizeof group, "evaluation/%s", test_table[test].name);
    if (!store_has(b->check.reader, group))
        return OK;
    TRY(store_list(&places, b->check.reader, group, b->check.err));
    for (size_t p = 0; p < places.count; p++) {
        snprintf(place, sizeof place, "%.*s/%s", CHECK_PATH - STORE_NAME - 1, group, places.names[p]);
        if (store_field(place))
            continue;
        TRY(store_list(&orders, b->check.reader, place, b->check.err));
        for (size_t o = 0; o < orders.count; o++)
            TRY(add_result(b, test, places.names[p], orders.names[o]));
        store_names_free(&orders);
        orders = (struct store_names){0};
    }
done:
    store_names_free(&orders);
    store_names_free(&places);
    return rc;
}

static enum status compare(struct rebuilding *b)
{
    char *there = NULL, *here = verdict_text(&b->design, &b->gains);
    enum status rc = OK;

    if (!here)
        TRY(error_set(b->check.err, FAIL_SYSTEM, "no memory for the verdicts of an evaluation"));
    TRY(store_get_text(&there, b->check.reader, "evaluation", "verdicts", b->check.err));
    if (strcmp(here, there) != 0)
        store_problem_add(b->check.problems, "evaluation",
                          "the attribute verdicts is not what the figures say, \"%.200s\"", here);
done:
    free(here);
    free(there);
    return rc;
}

static enum status rebuild(struct rebuilding *b)
{
    size_t n = STORE_ANY;
    enum status rc = OK;

    TRY(store_read_int(&b->check.status, b->check.reader, "images/status", 1, &n, b->check.err));
    b->check.images = n;
    TRY(check_evaluation_halves(&b->member, &b->check));
    for (size_t t = 0; t < TESTS; t++) {
        b->design.first[t] = b->design.nresults;
        TRY(add_test(b, (enum test)t));
    }
    b->design.first[TESTS] = b->design.nresults;
done:
    return rc;
}

enum status verdict_check(struct store_problems *problems, const char *path, struct error *err)
{
    struct store_reader *reader = NULL;
    struct rebuilding *b = calloc(1, sizeof *b);
    enum status rc = b ? OK : error_set(err, FAIL_SYSTEM, "no memory for the verdicts of an evaluation");

    TRY(rc);
    TRY(store_open_read(&reader, path, err));
    if (!store_has(reader, "evaluation") || !store_has(reader, "half") ||
        !store_has_attribute(reader, "evaluation", "verdicts"))
        goto done;
    b->check = (struct check){.reader = reader, .problems = problems, .err = err};
    TRY(rebuild(b));
    TRY(compare(b));
done:
    if (b) {
        free(b->check.status);
        free(b->member);
        free(b->design.results);
        free(b->gains.results);
    }
    free(b);
    store_close(reader);
    return rc;
}
