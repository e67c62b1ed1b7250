#include "config_help.h"

#include "config_table.h"

#include <string.h>

static void print_key(FILE *out, const struct config_key *key)
{
    fprintf(out, "  %s", key->name);
    if (key->type == CONFIG_TYPE_PAIRS)
        fprintf(out, ".%s", key->allowed);
    fputs(" = ", out);
    for (const char *c = config_value_form(key); *c; c++)
        if (*c == '|' && c[1] != ' ')
            fputs(" | ", out);
        else
            fputc(*c, out);
    fprintf(out, "\n      %s", key->help);
    if (key->required)
        fputs(" (required)", out);
    else if (key->fallback[0])
        fprintf(out, " (default: %s)", key->fallback);
    fputs("\n", out);
}

void config_help(FILE *out)
{
    const char *section = "";
    const struct config_key *key;

    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (strcmp(section, key->section) != 0)
            fprintf(out, "%s[%s]\n", i ? "\n" : "", key->section);
        section = key->section;
        print_key(out, key);
    }
}
