#include "pipeline/util/version.h"

#include "pipeline/command/commands.h"
#include "pipeline/util/json_output.h"

#include <stdio.h>

static const struct {
    const char *label, *key;
    const char *(*value)(void);
} values[] = {
    {"build type", "build_type", version_build_type},
    {"compiler", "compiler", version_compiler},
    {"sanitizers", "sanitizers", version_sanitizers},
    {"instruction set", "isa", version_instructions},
};

enum { NVALUES = sizeof values / sizeof values[0] };

static void print_text(void)
{
    char version[VERSION_TEXT];
    const char *library;

    printf("nrmflow %s\n", version_string());
    for (size_t i = 0; i < NVALUES; i++)
        printf("%-18s%s\n", values[i].label, values[i].value());
    for (size_t i = 0; (library = version_library(version, i)) != NULL; i++)
        printf("%-18s%s\n", library, version);
}

static void print_json(void)
{
    json_t *object = json_object(), *libraries = json_object();
    char version[VERSION_TEXT];
    const char *library;

    json_object_set_new(object, "version", json_string(version_string()));
    for (size_t i = 0; i < NVALUES; i++)
        json_object_set_new(object, values[i].key, json_string(values[i].value()));
    for (size_t i = 0; (library = version_library(version, i)) != NULL; i++)
        json_object_set_new(libraries, library, json_string(version));
    json_object_set_new(object, "libraries", libraries);
    json_output_print(object);
}

struct arguments {
    bool json;
};

static const struct option_row rows[] = {
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Shows the versions of the program and of the libraries that it runs with, how it was built, and the "
    "instruction set that it uses on this processor.";

static int run(const void *arguments)
{
    const struct arguments *a = arguments;

    if (a->json)
        print_json();
    else
        print_text();
    return command_finish(COMMAND_OK);
}

const struct command command_version = {
    .summary = "show the versions of the program and its libraries, and how it was built",
    .table = {.command = "--version", .operands = {""}, .help = help, OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .run = run,
};
