/* Help on the configuration. */
#ifndef NRMFLOW_CONFIG_HELP_H
#define NRMFLOW_CONFIG_HELP_H

#include <stdio.h>

/* Print all keys with the form of their values, what they mean and their defaults. */
void config_help(FILE *out);

#endif
