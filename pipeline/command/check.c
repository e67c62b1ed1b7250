#include "pipeline/results/check.h"

#include "pipeline/command/commands.h"
#include "pipeline/evaluate/verdict_check.h"
#include "pipeline/stats/weak.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/table.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

/* ---- the table of fields --------------------------------------------------------------------------------------- */

/* In Markdown: bars are escaped, axes are separated by a comma and a space. */
static void print_cell(const char *text, bool list)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
        if (list && *text == ',')
            putchar(' ');
    }
}

static void print_table(void)
{
    size_t nfields;
    const struct store_field *fields = store_fields(&nfields);

    puts("| dataset | type | axes | meaning |\n|---|---|---|---|");
    for (size_t i = 0; i < nfields; i++) {
        printf("| `%s` | %s | ", fields[i].path, store_type_name(fields[i].type));
        print_cell(fields[i].axes[0] ? fields[i].axes : "scalar", true);
        fputs(" | ", stdout);
        print_cell(fields[i].description, false);
        puts(" |");
    }
}

static json_t *json_axes(const char *axes)
{
    json_t *list = json_array();

    for (size_t length; *axes; axes += length + (axes[length] == ',')) {
        length = strcspn(axes, ",");
        json_array_append_new(list, json_stringn(axes, length));
    }
    return list;
}

static json_t *json_table(void)
{
    size_t nfields;
    const struct store_field *fields = store_fields(&nfields);
    json_t *list = json_array();

    for (size_t i = 0; i < nfields; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:s,s:s,s:b}", "path", fields[i].path, "type",
                                              store_type_name(fields[i].type), "axes", json_axes(fields[i].axes),
                                              "description", fields[i].description, "units", fields[i].units,
                                              "optional", store_field_optional(&fields[i])));
    return json_pack("{s:i,s:o}", "format_version", STORE_FORMAT_VERSION, "datasets", list);
}

/* ---- a store --------------------------------------------------------------------------------------------------- */

static bool sound(const struct check_result *result)
{
    return result->problems.count == 0;
}

static void print_result(const struct check_result *result, const char *path)
{
    const struct store_problems *problems = &result->problems;

    for (size_t i = 0; i < problems->count; i++) {
        printf("%s: ", problems->items[i].place);
        table_text(stdout, problems->items[i].what);
        putchar('\n');
    }
    if (problems->left_out)
        printf("and %zu more\n", problems->left_out);
    if (!result->numbers)
        puts("The numbers were not checked, because datasets are missing or have another shape.");
    if (sound(result) && result->results)
        printf("%s: a sound evaluation%s: %zu datasets; %zu images, %zu results\n", path,
               result->complete ? "" : ", not finished", problems->datasets, result->images, result->results);
    else if (sound(result))
        printf("%s: a sound store%s: %zu datasets; %zu images, %zu layers, %zu flows, %zu queries\n", path,
               result->complete ? "" : " of an incomplete run", problems->datasets, result->images, result->layers,
               result->flows, result->queries);
}

/* A sound store whose numbers say nothing. */
static void print_weak(const struct check_result *result)
{
    char text[WEAK_TEXT];

    if (!result->weak.is_weak)
        return;
    weak_text(text, result->weak.mean, result->weak.std_error);
    printf("warning: weak_condition: %s\n", text);
}

static json_t *json_result(const struct check_result *result, const char *path)
{
    const struct store_problems *problems = &result->problems;
    json_t *list = json_array();

    for (size_t i = 0; i < problems->count; i++)
        json_array_append_new(list, json_pack("{s:o,s:o}", "place", json_output_text(problems->items[i].place), "what",
                                              json_output_text(problems->items[i].what)));
    return json_pack("{s:o,s:b,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "store", json_output_text(path), "sound",
                     sound(result), "complete", result->complete, "numbers_checked", result->numbers, "weak_condition",
                     (int)result->weak.is_weak, "datasets", (json_int_t)problems->datasets, "images",
                     (json_int_t)result->images, "layers", (json_int_t)result->layers, "flows",
                     (json_int_t)result->flows, "queries", (json_int_t)result->queries, "more_problems",
                     (json_int_t)problems->left_out, "problems", list);
}

/* ---- command --------------------------------------------------------------------------------------------------- */

static int show_table(bool json)
{
    if (json)
        json_output_print(json_table());
    else
        print_table();
    return command_finish(COMMAND_OK);
}

static int show_result(const char *path, bool json)
{
    struct check_result result;
    struct error err = {0};
    int status = COMMAND_OK;

    if (check_store(&result, path, &err) != OK ||
        (result.results > 0 && verdict_check(&result.problems, path, &err) != OK))
        status = command_fail(&err);
    else if (json)
        json_output_print(json_result(&result, path));
    else {
        print_result(&result, path);
        print_weak(&result);
    }
    if (status == COMMAND_OK && !sound(&result))
        status = COMMAND_FAILED;
    check_free(&result);
    return command_finish(status);
}

struct arguments {
    const char *path;
    bool json, table;
};

static const struct option_row rows[] = {
    {"table", 0, OPTION_FLAG, FIELD(table), .help = "list the datasets of the store format as Markdown instead"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object: sound, problems; with --table: datasets"},
};

static const char help[] =
    "Checks a store and lists the problems: datasets that are missing, or whose type, shape, unit or scale differs "
    "from the table of the format, and numbers that contradict each other: open ledgers, flows that do not sum to "
    "the relevance of their layers, counts and means that do not match the rows. Fails if there is a problem.";

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;

    if (a->table && a->path)
        return error_set(err, FAIL_CONFIG, "--table takes no store: it lists the datasets of the store format");
    if (!a->table && !a->path)
        return error_set(err, FAIL_CONFIG, "missing argument: nrmflow check STORE");
    return OK;
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;

    return a->table ? show_table(a->json) : show_result(a->path, a->json);
}

const struct command command_check = {
    .summary = "check a store for mistakes",
    .table = {.command = "check",
              .operands = {"STORE", 0, 1, OPTION_TEXT, {FIELD(path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
