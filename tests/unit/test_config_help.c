/* What users read of the configuration's keys is that of the table and of the kernels. */
#include "kernels/layer/rule.h"
#include "pipeline/config/help.h"
#include "pipeline/config/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void composites_are_those_of_the_kernels(void **state)
{
    const struct config_key *key = config_table_key(config_table_find("measure", "composite"));
    char names[512] = "";

    (void)state;
    for (size_t i = 0; rule_composite_name(i); i++) {
        strcat(names, i ? "|" : "");
        strcat(names, rule_composite_name(i));
    }
    assert_string_equal(key->allowed, names);
}

static void help_names_every_key_with_its_default(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    const struct config_key *key;

    (void)state;
    config_help(out);
    fclose(out);
    const char *at = text;
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        char line[128];
        snprintf(line, sizeof line, "\n  %s", key->name);
        at = strstr(at, line);
        assert_non_null(at);
        if (key->fallback[0]) {
            snprintf(line, sizeof line, "(default: %s)", key->fallback);
            assert_non_null(strstr(at, line));
        }
        at++;
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composites_are_those_of_the_kernels),
        cmocka_unit_test(help_names_every_key_with_its_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
