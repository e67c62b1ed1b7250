/* The cases that the float64 oracle (tests/reference/nrm_ref.py) has results for: a network, a configuration, an
 * image. */
#ifndef NRMFLOW_TESTS_SUPPORT_ORACLE_CASE_H
#define NRMFLOW_TESTS_SUPPORT_ORACLE_CASE_H

#include "kernels/measure/measure.h"
#include "tests/support/model_file.h"

#include <hdf5.h>

enum { ORACLE_NAME = 96 };

/* A network, and where the oracle's results for it are: groups <prefix><case>/<image>. */
struct oracle_suite {
    const char *name, *weights, *results, *prefix;
    bool imagenet_preprocessing; /* in float32, as the oracle did */
    hid_t file;
    struct loaded_model model;
};

struct oracle_case {
    struct oracle_suite *suite;
    char group[ORACLE_NAME]; /* path of the case in the file */
    size_t image;
    bool in_double;
};

/* Whether the file has an object; all its values, as the caller's to free. */
bool oracle_has(hid_t file, const char *path);
double *oracle_dataset(hid_t file, const char *path, size_t *n);
double *oracle_attribute(hid_t file, const char *object, const char *name, size_t *n);

/* What the oracle computed: network, configuration, target, bounds of the input and the image, [C][H][W], to free. */
const struct network *oracle_network(const struct oracle_case *t);
struct measure_options oracle_options(const struct oracle_case *t, enum measure_given given);
struct measure_target oracle_target(const struct oracle_case *t);
void oracle_bounds(const struct oracle_case *t, double low[3], double high[3]);
float *oracle_image(const struct oracle_case *t);

#endif
