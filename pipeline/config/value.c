#include "pipeline/config/value.h"

#include "pipeline/config/list.h"
#include "pipeline/config/number.h"
#include "pipeline/config/path.h"
#include "pipeline/config/word.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- all types ------------------------------------------------------------------------------------------------- */

struct type {
    size_t nbytes;
    enum status (*parse)(void *field, const struct config_key *key, const char *text, struct error *err);
    void (*print)(FILE *out, const void *field, const struct config_key *key);
    void (*release)(void *field); /* NULL: owns nothing */
    const char *form;             /* NULL: the allowed words */
};

/* The parser of paths has one more argument. */
static const struct type types[] = {
    [CONFIG_TYPE_PATH] = {sizeof(struct config_path), NULL, config_path_print, config_path_release, "PATH"},
    [CONFIG_TYPE_NAME] = {sizeof(char *), config_word_parse_name, config_word_print_name, config_word_release_name,
                          NULL},
    [CONFIG_TYPE_EXPRESSION] = {sizeof(char *), config_word_parse_expression, config_word_print_name,
                                config_word_release_name, "none | input | SET and SET ..."},
    [CONFIG_TYPE_CHOICE] = {sizeof(int), config_word_parse_choice, config_word_print_choice, NULL, NULL},
    [CONFIG_TYPE_FLOWS] = {sizeof(struct config_flows), config_word_parse_flows, config_word_print_flows,
                           config_word_release_flows,
                           "none | adjacent | dense | all | LOWER-UPPER | LOWER-UPPER:K, ..."},
    [CONFIG_TYPE_TARGET] = {sizeof(struct config_target), config_word_parse_target, config_word_print_target, NULL,
                            "predicted | label | class:N | contrast:A-B"},
    [CONFIG_TYPE_WHOLE] = {sizeof(size_t), config_number_parse_whole, config_number_print_whole, NULL, "N"},
    [CONFIG_TYPE_OPTIONAL] = {sizeof(struct config_size), config_number_parse_optional, config_number_print_optional,
                              NULL, "N"},
    [CONFIG_TYPE_BYTES] = {sizeof(struct config_size), config_number_parse_bytes, config_number_print_optional, NULL,
                           "BYTES, 900M, 2GiB"},
    [CONFIG_TYPE_REAL] = {sizeof(double), config_number_parse_real, config_number_print_real, NULL, "X"},
    [CONFIG_TYPE_ANY_REAL] = {sizeof(struct config_real), config_number_parse_any_real, config_number_print_any_real,
                              NULL, "X"},
    [CONFIG_TYPE_SHARE] = {sizeof(double), config_number_parse_share, config_number_print_real, NULL, "X or P %"},
    [CONFIG_TYPE_SECONDS] = {sizeof(double), config_number_parse_seconds, config_number_print_real, NULL,
                             "SECONDS, 10m, 1.5h"},
    [CONFIG_TYPE_REALS] = {sizeof(struct config_reals), config_number_parse_reals, config_number_print_reals, NULL,
                           "X, Y, ..."},
    [CONFIG_TYPE_RANGE] = {sizeof(struct range), config_number_parse_range, config_number_print_range, NULL, "A:B"},
    [CONFIG_TYPE_SHARD] = {sizeof(struct config_shard), config_number_parse_shard, config_number_print_shard, NULL,
                           "K/N"},
    [CONFIG_TYPE_WORDS] = {sizeof(struct config_words), config_list_parse_words, config_list_print_words,
                           config_list_release_words, "none | all | LAYER, ..."},
    [CONFIG_TYPE_CLASSES] = {sizeof(struct config_classes), config_list_parse_classes, config_list_print_classes,
                             config_list_release_classes, "none | all | N, ..."},
    [CONFIG_TYPE_PAIRS] = {sizeof(struct config_pairs), NULL, NULL, NULL, "TEXT"},
};

enum status config_value_parse(void *field, const struct config_key *key, const char *text,
                               const struct config_base *base, struct error *err)
{
    union {
        struct config_path path;
        struct config_reals reals;
        struct config_target target;
        struct config_words words;
        struct config_flows flows;
        struct config_classes classes;
    } value = {0};
    const struct type *type = &types[key->type];

    assert(type->nbytes <= sizeof value && key->type != CONFIG_TYPE_PAIRS);
    enum status rc = type->parse ? type->parse(&value, key, text, err) : config_path_parse(&value, text, base, err);
    if (rc == OK) {
        config_value_release(field, key);
        memcpy(field, &value, type->nbytes);
    }
    return rc;
}

void config_value_print(FILE *out, const void *field, const struct config_key *key)
{
    types[key->type].print(out, field, key);
}

void config_value_release(void *field, const struct config_key *key)
{
    if (types[key->type].release)
        types[key->type].release(field);
    memset(field, 0, types[key->type].nbytes);
}

const char *config_value_form(const struct config_key *key)
{
    return types[key->type].form ? types[key->type].form : key->allowed;
}
