#include "pipeline/util/version.h"

#include "pipeline/command/command.h"
#include "pipeline/command/commands.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/option.h"

#include <stdio.h>

static const struct {
    const char *label, *key;
    const char *(*value)(void);
} rows[] = {
    {"build type", "build_type", version_build_type},
    {"compiler", "compiler", version_compiler},
    {"sanitizers", "sanitizers", version_sanitizers},
    {"instruction set", "isa", version_instructions},
};

enum { NROWS = sizeof rows / sizeof rows[0] };

static void print_text(void)
{
    char version[VERSION_TEXT];
    const char *library;

    printf("nrmflow %s\n", version_string());
    for (size_t i = 0; i < NROWS; i++)
        printf("%-18s%s\n", rows[i].label, rows[i].value());
    for (size_t i = 0; (library = version_library(version, i)) != NULL; i++)
        printf("%-18s%s\n", library, version);
}

static void print_json(void)
{
    json_t *object = json_object(), *libraries = json_object();
    char version[VERSION_TEXT];
    const char *library;

    json_object_set_new(object, "version", json_string(version_string()));
    for (size_t i = 0; i < NROWS; i++)
        json_object_set_new(object, rows[i].key, json_string(rows[i].value()));
    for (size_t i = 0; (library = version_library(version, i)) != NULL; i++)
        json_object_set_new(libraries, library, json_string(version));
    json_object_set_new(object, "libraries", libraries);
    json_output_print(object);
}

int command_version(int argc, char **argv)
{
    bool json = false;
    const struct option_row options[] = {
        {"json", 0, OPTION_FLAG, &json, NULL, "print one JSON object"},
    };
    const struct option_table table = {
        "nrmflow --version",
        "",
        0,
        0,
        "Shows the versions of the program and of the libraries that it runs with, how it was built, and the "
        "instruction set that it uses on this processor.",
        options,
        sizeof options / sizeof options[0],
    };
    struct option_list words;
    int status;

    if (!command_start(&status, &words, &table, argc, argv))
        return status;
    if (json)
        print_json();
    else
        print_text();
    return command_finish(COMMAND_OK);
}
