/* Random links of odd shapes, ready for the float kernels and for the double reference. */
#ifndef NRMFLOW_TESTS_SUPPORT_LINK_SAMPLE_H
#define NRMFLOW_TESTS_SUPPORT_LINK_SAMPLE_H

#include "kernels/layer/link.h"
#include "kernels/layer/reference.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINK_SAMPLE_IMAGES = 2 };

/* Where relevance arrives: anywhere, or only at neurons that are alive, so that the link may leave out what cannot act
 * elsewhere and choose faster maps. */
enum arrival { EVERYWHERE, ALIVE, ARRIVALS };

/* A random link, ready for both kinds of kernels. Float arrays, in the planar order, hold
 * LINK_SAMPLE_IMAGES images; doubles only the last one. */
struct link_sample {
    struct link link;
    struct link_plan plan;
    struct link_scratch scratch;
    enum arrival arrival;
    size_t upper, lower; /* neurons of one image */
    float *model, *forms, *a, *activation, *c, *r, *v;
    float low[32], high[32];
    double *a_double, *z_double, *r_double, *v_double, low_double[32], high_double[32];
    struct reference_link reference;
};

/* Aligned memory; the caller frees. */
float *link_sample_floats(size_t n);

/* Number of weights. */
size_t link_sample_weights(const struct link *l);

/* The operations of link.h on planar arrays of all images; to_bias and absorbed may be NULL. */
void link_sample_forward(struct link_sample *s);
void link_sample_backward(float *r_lower, double *to_bias, double *absorbed, struct link_sample *s, const float *r);
void link_sample_lift(float *v_upper, struct link_sample *s);

/* Of one image; with its weights on lower neurons if `weighted`. */
void link_sample_flow(float *joint, struct link_sample *s, bool weighted, size_t image);

/* Call `check` for every link, rule, bias mode, arrival and backend that fits them. `name` seeds the random numbers. */
void link_sample_for_all(const char *name, void (*check)(struct link_sample *s, const char *what));

#endif
