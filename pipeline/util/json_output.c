#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

json_t *json_output_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_output_text(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_null();
}

json_t *json_output_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return json_output_text(slash ? slash + 1 : path);
}

void json_output_columns(json_t *lists[], json_t *object, const char *const names[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_object_set_new(object, names[i], lists[i] = json_array());
}

void json_output_row(json_t *const lists[], json_t *const cells[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_array_append_new(lists[i], cells[i]);
}

void json_output_print(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(object);
}
