/* Types of configuration values: parsing, printing in canonical form, and freeing. */
#ifndef NRMFLOW_PIPELINE_CONFIG_VALUE_H
#define NRMFLOW_PIPELINE_CONFIG_VALUE_H

#include "pipeline/config/config.h"

#include <stdio.h>

enum config_type {
    CONFIG_TYPE_PATH,       /* struct config_path */
    CONFIG_TYPE_NAME,       /* char *: one of the allowed words */
    CONFIG_TYPE_EXPRESSION, /* char *: none, input, or a set expression, checked against the network later */
    CONFIG_TYPE_CHOICE,     /* an enum: value of the allowed word */
    CONFIG_TYPE_FLOWS,      /* struct config_flows: the first allowed word is 0, the others are bits 0, 1, ... */
    CONFIG_TYPE_WHOLE,      /* size_t or uint64_t */
    CONFIG_TYPE_OPTIONAL,   /* struct config_size */
    CONFIG_TYPE_BYTES,      /* struct config_size */
    CONFIG_TYPE_REAL,       /* double */
    CONFIG_TYPE_ANY_REAL,   /* struct config_real */
    CONFIG_TYPE_SHARE,      /* double, 0 to 1 */
    CONFIG_TYPE_SECONDS,    /* double */
    CONFIG_TYPE_REALS,      /* struct config_reals */
    CONFIG_TYPE_RANGE,      /* struct range */
    CONFIG_TYPE_SHARD,      /* struct config_shard */
    CONFIG_TYPE_TARGET,     /* struct config_target */
    CONFIG_TYPE_WORDS,      /* struct config_words */
    CONFIG_TYPE_CLASSES,    /* struct config_classes */
    CONFIG_TYPE_PAIRS       /* struct config_pairs: the key's name, a dot, and a name that the user chooses */
};

struct config_key {
    const char *section, *name;
    enum config_type type;
    size_t offset;        /* of the field in struct config */
    const char *fallback; /* default as text */
    const char *help;     /* one line */
    const char *allowed;  /* words separated by '|' */
    const int *values;    /* of a choice's words; NULL: 0, 1, ... */
    double low, high;     /* of numbers; unused if both are 0 */
    const char *note;     /* appended to the message about a bad value */
    const char *unclear;  /* a value that can be read in two ways; NULL: none */
    const char *question; /* the message about it: both ways, and what to write */
    bool required;
    bool may_differ; /* without changing the numbers of a store */
};

/* How paths are made ready to open. */
struct config_base {
    const char *folder; /* where relative ones start; "" for the working folder */
    bool expanded;      /* `~` and variables of the environment are replaced */
};

/* Set a field from text without surrounding spaces; its old value is released. `base` is for paths. Not for pairs.
 * Errors: FAIL_CONFIG with the mistake and the valid values, FAIL_SYSTEM. */
enum status config_value_parse(void *field, const struct config_key *key, const char *text,
                               const struct config_base *base, struct error *err);

/* Print a field in its canonical form. Not for pairs. */
void config_value_print(FILE *out, const void *field, const struct config_key *key);

/* Free what a field owns. All zero is fine. */
void config_value_release(void *field, const struct config_key *key);

/* The form of this key's values, for the help: "N", "A:B", "auto|folder|list". */
const char *config_value_form(const struct config_key *key);

#endif
