/* Configuration values that are paths: parsing, printing and freeing for the table in config/value.c. */
#ifndef NRMFLOW_PIPELINE_CONFIG_PATH_H
#define NRMFLOW_PIPELINE_CONFIG_PATH_H

#include "pipeline/config/value.h"

/* Make a path ready to open. If the base says so, `~` at its start is the home folder, $NAME and ${NAME} are variables
 * of the environment, and $$ is a dollar. A path that is relative then starts at the base's folder. `field` is
 * overwritten without being read. Errors: FAIL_CONFIG for a variable that is not set, FAIL_SYSTEM without memory. */
enum status config_path_parse(void *field, const char *text, const struct config_base *base, struct error *err);

/* Print it as it was written. */
void config_path_print(FILE *out, const void *field, const struct config_key *key);

void config_path_release(void *field);

#endif
