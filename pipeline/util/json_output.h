/* JSON as commands print it. */
#ifndef NRMFLOW_PIPELINE_UTIL_JSON_OUTPUT_H
#define NRMFLOW_PIPELINE_UTIL_JSON_OUTPUT_H

#include <jansson.h>

/* null for NaN and infinity, which JSON does not have. */
json_t *json_output_real(double value);

/* null for NULL and for text that is not UTF-8. */
json_t *json_output_text(const char *text);

/* Begin lists of `object` under `names`, the columns of a table; and append a row to them, which keeps its cells. */
void json_output_columns(json_t *lists[], json_t *object, const char *const names[], size_t n);
void json_output_row(json_t *const lists[], json_t *const cells[], size_t n);

/* Print an object on standard output, with all digits, and drop it. */
void json_output_print(json_t *object);

#endif
