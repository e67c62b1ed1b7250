/* What the float32 kernels, and the reference kernels in double, make of a case of the oracle. */
#ifndef NRMFLOW_TESTS_SUPPORT_ORACLE_OUTCOME_H
#define NRMFLOW_TESTS_SUPPORT_ORACLE_OUTCOME_H

#include "tests/support/oracle_case.h"

/* One image's results in double, whichever kernels computed them. */
struct oracle_outcome {
    double *neurons[NETWORK_MAX_VARIABLES]; /* relevance, plain or under the condition */
    double *joint[NETWORK_MAX_LINKS], *to_bias[NETWORK_MAX_LINKS], *absorbed[NETWORK_MAX_LINKS];
    double mass[NETWORK_MAX_VARIABLES], bias[NETWORK_MAX_VARIABLES], lost[NETWORK_MAX_VARIABLES];
    double variation[NETWORK_MAX_VARIABLES]; /* sum |R| of the neurons */
    double given_mass;
};

void oracle_outcome_init(struct oracle_outcome *o, const struct network *net);
void oracle_outcome_free(struct oracle_outcome *o, const struct network *net);

/* Is shown the image while its arrays are there: for sweeps. */
typedef void oracle_outcome_look(const struct oracle_case *t, const struct measure_plan *plan,
                                 const struct measure_image *image);

/* The tuned kernels, with or without the condition `input`. */
void oracle_outcome_float(struct oracle_outcome *o, const struct oracle_case *t, enum measure_given given,
                          oracle_outcome_look *look);

/* The reference kernels; both outcomes in one sweep. */
void oracle_outcome_double(struct oracle_outcome *plain, struct oracle_outcome *given, const struct oracle_case *t);

#endif
