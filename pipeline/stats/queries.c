#include "pipeline/stats/queries.h"

#include "pipeline/stats/moments.h"
#include "pipeline/stats/weak.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- plan ------------------------------------------------------------------------------------------------------ */

/* A name is that of a group of the store, and part of a column's name in part files. */
static enum status check_name(const struct config *config, const char *name, struct error *err)
{
    char key[256];
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    snprintf(key, sizeof key, "measure.query.%s", name);
    if (name[length] || length > QUERIES_NAME)
        return config_fail(config, err, key, "a query's name has up to %d letters, digits, \"_\" and \"-\"",
                           (int)QUERIES_NAME);
    return OK;
}

static enum status plan_query(struct query *query, const struct network *net, struct error *err)
{
    struct sets sets = {0};
    enum status rc = OK;

    TRY(sets_parse(&sets, query->text, net, err));
    TRY(sets_plan_init(&query->value, &sets, &sets.value, SETS_NO_MAP, err));
    TRY(sets_plan_init(&query->given, &sets, &sets.given, SETS_NO_MAP, err));
done:
    sets_free(&sets);
    return rc;
}

/* A failure names the key, if the query has one. */
static enum status fail(const struct config *config, const char *name, const struct error *why, struct error *err)
{
    char key[QUERIES_NAME + 32];

    if (why->status != FAIL_CONFIG || !*name)
        return error_set(err, why->status, "%s", why->message);
    snprintf(key, sizeof key, "measure.query.%s", name);
    return config_fail(config, err, key, "%s", why->message);
}

enum status queries_init(struct queries *out, const struct config *config, const struct network *net, struct error *err)
{
    const struct config_pairs *pairs = &config->measure.queries;
    enum status rc = OK;

    *out = (struct queries){.extent = {.lowest = SIZE_MAX, .states = 1}};
    if (pairs->count > QUERIES_MAX)
        TRY(error_set(err, FAIL_CONFIG, "%s: more than %d queries; split the run", config->name, (int)QUERIES_MAX));
    for (size_t i = 0; i < pairs->count; i++) {
        struct query *query = &out->items[i];
        struct error why = {0};
        *query = (struct query){.name = pairs->items[i].name, .text = pairs->items[i].text};
        TRY(check_name(config, query->name, err));
        out->count++;
        if (plan_query(query, net, &why) != OK)
            TRY(fail(config, query->name, &why, err));
        out->extent = decision_extent_both(out->extent, decision_extent(&query->value.decision));
        out->extent = decision_extent_both(out->extent, decision_extent(&query->given.decision));
    }
done:
    return rc;
}

void queries_free(struct queries *queries)
{
    for (size_t i = 0; i < queries->count; i++) {
        sets_plan_free(&queries->items[i].value);
        sets_plan_free(&queries->items[i].given);
    }
    queries->count = 0;
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

void queries_place(struct queries_work *work, const struct queries *queries, const struct measure_plan *plan,
                   struct arena *arena)
{
    decision_place(&work->decision, plan, queries->extent, arena);
    work->numbers = arena_doubles(arena, plan->options.group * queries->count * 2);
}

void queries_compute(struct queries_work *work, const struct queries *queries, size_t slot,
                     const struct measure_image *image)
{
    double *numbers = work->numbers + slot * queries->count * 2;

    for (size_t i = 0; i < queries->count; i++) {
        const struct sets_plan *plans[] = {&queries->items[i].value, &queries->items[i].given};
        for (size_t j = 0; j < 2; j++)
            numbers[2 * i + j] = plans[j]->everything ? 1 : decision_value(&plans[j]->decision, image, &work->decision);
    }
}

const double *queries_numbers(const struct queries_work *work, const struct queries *queries, size_t slot)
{
    return work->numbers + slot * queries->count * 2;
}

/* ---- over the images ------------------------------------------------------------------------------------------- */

double queries_ratio(double value, double given)
{
    return fabs(given) < QUERIES_SMALLEST ? NAN : value / given;
}

struct queries_mean queries_mean(const double *value, const double *given, size_t n)
{
    long double count = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(value[i]) || !isfinite(given[i]))
            continue;
        count++;
        x += value[i];
        y += given[i];
        xx += (long double)value[i] * value[i];
        xy += (long double)value[i] * given[i];
        yy += (long double)given[i] * given[i];
    }
    struct moments_given condition = {(double)count, (double)y, (double)yy};
    struct moments_ratio ratio = moments_ratio(condition, (double)x, (double)xx, (double)xy);
    struct moments_ratio given_mean = moments_ratio((struct moments_given){condition.n, condition.n, condition.n},
                                                    condition.y, condition.yy, condition.y);
    return (struct queries_mean){.images = (size_t)count,
                                 .mean = ratio.mean,
                                 .std_error = ratio.std_error,
                                 .given_mean = given_mean.mean,
                                 .given_std_error = given_mean.std_error,
                                 .weak = weak_mean(given_mean.mean, given_mean.std_error)};
}

enum status queries_finish(struct store *store, struct queries_weak *weak, const struct query *query,
                           const double *value, const double *given, size_t n, struct error *err)
{
    struct queries_mean mean = queries_mean(value, given, n);
    const char *name = query->name;
    char group[QUERIES_NAME + 16], path[QUERIES_NAME + 32];
    enum status rc = OK;

    snprintf(group, sizeof group, "queries/%s", name);
    snprintf(path, sizeof path, "%s/mean", group);
    TRY(store_write(store, path, &mean.mean, 0, NULL, err));
    snprintf(path, sizeof path, "%s/std_error", group);
    TRY(store_write(store, path, &mean.std_error, 0, NULL, err));
    TRY(store_set_text(store, group, "expression", query->text, err));
    TRY(store_set_real(store, group, "given_mean", mean.given_mean, err));
    TRY(store_set_real(store, group, "given_std_error", mean.given_std_error, err));
    if (mean.weak) {
        TRY(store_set_int(store, group, "weak_condition", 1, err));
        snprintf(weak->first, sizeof weak->first, "%s", weak->count ? weak->first : name);
        weak->count++;
    }
done:
    return rc;
}
