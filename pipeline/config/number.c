#include "pipeline/config/number.h"

#include "pipeline/util/token.h"

#include <string.h>

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "whole numbers are written as size_t");

static enum status check_bounds(double value, const struct config_key *key, const char *text, struct error *err)
{
    if ((key->low == 0 && key->high == 0) || (value >= key->low && value <= key->high))
        return OK;
    return error_set(err, FAIL_CONFIG, "%s is not between %.17g and %.17g", text, key->low, key->high);
}

enum status config_number_parse_whole(void *field, const struct config_key *key, const char *text, struct error *err)
{
    size_t value;
    const char *at = text;

    if (!token_whole(&at, &value) || *at)
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a whole number", text);
    enum status rc = check_bounds((double)value, key, text, err);
    if (rc == OK)
        *(size_t *)field = value;
    return rc;
}

void config_number_print_whole(FILE *out, const void *field, const struct config_key *key)
{
    (void)key;
    fprintf(out, "%zu", *(const size_t *)field);
}

enum status config_number_parse_optional(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_size size = {.set = *text != '\0'};
    enum status rc = size.set ? config_number_parse_whole(&size.value, key, text, err) : OK;

    *(struct config_size *)field = size;
    return rc;
}

void config_number_print_optional(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_size *size = field;

    if (size->set)
        config_number_print_whole(out, &size->value, key);
}

/* A number with one of the unit letters, each worth factors[i]; no letter is worth one. `more` may follow the
 * letter. */
static bool parse_scaled(const char **at, double *value, const char *units, const double *factors, const char *more)
{
    if (!token_real(at, value))
        return false;
    *at += strspn(*at, " \t");
    const char *unit = **at ? strchr(units, **at) : NULL;
    if (unit) {
        *value *= factors[unit - units];
        ++*at;
        *at += strncmp(*at, more, strlen(more)) == 0 ? strlen(more) : 0;
    }
    return **at == '\0';
}

enum status config_number_parse_bytes(void *field, const struct config_key *key, const char *text, struct error *err)
{
    static const double factors[] = {0x1p10, 0x1p20, 0x1p30, 0x1p40};
    struct config_size size = {.set = *text != '\0'};
    const char *at = text;
    double value;
    enum status rc = OK;

    if (size.set && !parse_scaled(&at, &value, "KMGT", factors, "iB"))
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a size such as 900M, 1.5G or 2GiB", text);
    if (size.set)
        rc = check_bounds(value, key, text, err);
    if (size.set && rc == OK)
        size.value = (size_t)value;
    *(struct config_size *)field = size;
    return rc;
}

static enum status store_real(void *field, double value, const struct config_key *key, const char *text,
                              struct error *err)
{
    enum status rc = check_bounds(value, key, text, err);

    *(double *)field = value;
    return rc;
}

enum status config_number_parse_real(void *field, const struct config_key *key, const char *text, struct error *err)
{
    const char *at = text;
    double value;

    if (!token_real(&at, &value) || *at)
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a number", text);
    return store_real(field, value, key, text, err);
}

enum status config_number_parse_any_real(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_real real = {.set = *text != '\0'};
    enum status rc = real.set ? config_number_parse_real(&real.value, key, text, err) : OK;

    *(struct config_real *)field = real;
    return rc;
}

void config_number_print_any_real(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_real *real = field;

    if (real->set)
        config_number_print_real(out, &real->value, key);
}

enum status config_number_parse_share(void *field, const struct config_key *key, const char *text, struct error *err)
{
    static const double percent[] = {0.01};
    const char *at = text;
    double value;

    if (!parse_scaled(&at, &value, "%", percent, ""))
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a fraction such as 0.01 or 1 %%", text);
    return store_real(field, value, key, text, err);
}

enum status config_number_parse_seconds(void *field, const struct config_key *key, const char *text, struct error *err)
{
    static const double factors[] = {1, 60, 3600, 86400};
    const char *at = text;
    double value;

    if (!parse_scaled(&at, &value, "smhd", factors, ""))
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a time such as 90, 90s, 10m or 1.5h", text);
    return store_real(field, value, key, text, err);
}

void config_number_print_real(FILE *out, const void *field, const struct config_key *key)
{
    (void)key;
    token_print_real(out, *(const double *)field);
}

enum status config_number_parse_reals(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_reals reals = {0};
    char item[TOKEN];
    const char *at = text;
    enum token token;

    while ((token = token_item(item, &at, text)) == TOKEN_WORD) {
        if (reals.count == CONFIG_MAX_REALS)
            return error_set(err, FAIL_CONFIG, "more than %d numbers", CONFIG_MAX_REALS);
        enum status rc = config_number_parse_real(&reals.values[reals.count++], key, item, err);
        if (rc != OK)
            return rc;
    }
    if (token == TOKEN_BAD)
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a comma-separated list of numbers", text);
    *(struct config_reals *)field = reals;
    return OK;
}

void config_number_print_reals(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_reals *reals = field;

    for (size_t i = 0; i < reals->count; i++) {
        fputs(i ? ", " : "", out);
        config_number_print_real(out, &reals->values[i], key);
    }
}

enum status config_number_parse_range(void *field, const struct config_key *key, const char *text, struct error *err)
{
    (void)key;
    return range_parse(field, text, err);
}

void config_number_print_range(FILE *out, const void *field, const struct config_key *key)
{
    const struct range *range = field;

    (void)key;
    if (range->first == 0 && range->end == SIZE_MAX)
        return;
    fprintf(out, "%zu:", range->first);
    if (range->end != SIZE_MAX)
        fprintf(out, "%zu", range->end);
}

enum status config_number_parse_shard(void *field, const struct config_key *key, const char *text, struct error *err)
{
    struct config_shard shard;
    const char *at = text;

    (void)key;
    if (!token_whole(&at, &shard.index) || !token_mark(&at, '/') || !token_whole(&at, &shard.count) || *at)
        return error_set(err, FAIL_CONFIG, "\"%s\" is not a shard such as 1/4", text);
    if (shard.index < 1 || shard.index > shard.count)
        return error_set(err, FAIL_CONFIG, "there is no shard %s; they are numbered 1/%zu to %zu/%zu", text,
                         shard.count, shard.count, shard.count);
    *(struct config_shard *)field = shard;
    return OK;
}

void config_number_print_shard(FILE *out, const void *field, const struct config_key *key)
{
    const struct config_shard *shard = field;

    (void)key;
    fprintf(out, "%zu/%zu", shard->index, shard->count);
}
