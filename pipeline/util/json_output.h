/* JSON output of commands. */
#ifndef NRMFLOW_PIPELINE_UTIL_JSON_OUTPUT_H
#define NRMFLOW_PIPELINE_UTIL_JSON_OUTPUT_H

#include <jansson.h>

/* null for NaN and infinity, which JSON does not have. */
json_t *json_output_real(double value);

/* null for NULL and for text that is not UTF-8. */
json_t *json_output_text(const char *text);

/* The last part of a path, without its folders. */
json_t *json_output_file_name(const char *path);

/* A table as one list for each column: add empty lists to `object` under `names`; append a row, whose cells the lists
 * take over. */
void json_output_columns(json_t *lists[], json_t *object, const char *const names[], size_t n);
void json_output_row(json_t *const lists[], json_t *const cells[], size_t n);

/* Print an object on standard output, numbers with 17 digits, and release it. */
void json_output_print(json_t *object);

#endif
