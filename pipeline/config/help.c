#include "pipeline/config/help.h"

#include "pipeline/config/table.h"
#include "pipeline/util/wrap.h"

#include <string.h>

void config_help_form(char out[CONFIG_HELP_FORM], const struct config_key *key)
{
    const char *dot = key->type == CONFIG_TYPE_PAIRS ? "." : "", *user = *dot ? key->allowed : "";
    int head = snprintf(out, CONFIG_HELP_FORM, "%s%s%s = ", key->name, dot, user);
    size_t used = (size_t)head;

    for (const char *c = config_value_form(key); *c && used + 4 < CONFIG_HELP_FORM; c++)
        used += (size_t)snprintf(out + used, CONFIG_HELP_FORM - used, *c == '|' && c[1] != ' ' ? " %c " : "%c", *c);
}

void config_help_default(char out[CONFIG_HELP_FORM], const struct config_key *key)
{
    out[0] = '\0';
    if (key->required)
        snprintf(out, CONFIG_HELP_FORM, " (required)");
    else if (key->fallback[0])
        snprintf(out, CONFIG_HELP_FORM, " (default: %s)", key->fallback);
}

void config_help(FILE *out)
{
    const char *section = "";
    const struct config_key *key;
    char form[CONFIG_HELP_FORM], fallback[CONFIG_HELP_FORM], text[2 * CONFIG_HELP_FORM];

    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (strcmp(section, key->section) != 0)
            fprintf(out, "%s[%s]\n", i ? "\n" : "", key->section);
        section = key->section;
        config_help_form(form, key);
        config_help_default(fallback, key);
        snprintf(text, sizeof text, "%s%s", key->help, fallback);
        fputs("  ", out);
        wrap_words(out, form, 2, 6);
        fputs("      ", out);
        wrap_words(out, text, 6, 6);
    }
}
