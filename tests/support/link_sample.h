/* Random links of odd shapes, ready for the float kernels and for the double reference. */
#ifndef NRMFLOW_TESTS_SUPPORT_LINK_SAMPLE_H
#define NRMFLOW_TESTS_SUPPORT_LINK_SAMPLE_H

#include "kernels/layer/link.h"
#include "kernels/layer/reference.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINK_SAMPLE_IMAGES = 2, LINK_SAMPLE_EDGES = 3, LINK_SAMPLE_CHANNELS = 144 /* at most */ };

/* Where relevance arrives: anywhere, or only at neurons that are alive, so that the link may leave out what cannot act
 * elsewhere and choose faster maps. */
enum arrival { EVERYWHERE, ALIVE, ARRIVALS };

/* A link before its numbers are known. */
struct link_sample_shape {
    struct link link;
    bool signed_input, same_input;                             /* all edges read the same variable */
    bool planar[LINK_SAMPLE_EDGES], planar_upper, planar_gate; /* else bordered, or flat: link_sample_for_all */
    bool flat_lower, flat_upper;                               /* those that are not planar */
    struct edge_channels channels[LINK_SAMPLE_EDGES];
    size_t lower_channels[LINK_SAMPLE_EDGES]; /* of LINK_CHANNELS */
    struct shape gate;
};

/* Shape i, NULL after the last. */
const struct link_sample_shape *link_sample_shape(size_t i);

/* A random link, ready for both kinds of kernels. Float arrays, in the planar order, hold
 * LINK_SAMPLE_IMAGES images; doubles, and the reference, are made by link_sample_reference. */
struct link_sample {
    struct link link;
    struct link_plan plan;
    struct link_scratch scratch;
    struct link_input inputs[LINK_SAMPLE_EDGES];
    enum arrival arrival;
    size_t edge;                                   /* of the operations below: link_sample_select sets it */
    size_t upper, lower[LINK_SAMPLE_EDGES], gates; /* neurons of one image */
    float *a[LINK_SAMPLE_EDGES], *v[LINK_SAMPLE_EDGES], *gate;
    float *model, *forms, *activation, *c, *r;
    float low[LINK_SAMPLE_CHANNELS], high[LINK_SAMPLE_CHANNELS];
    double *a_double[LINK_SAMPLE_EDGES], *v_double[LINK_SAMPLE_EDGES], *z_double, *r_double, *gate_double;
    double low_double[LINK_SAMPLE_CHANNELS], high_double[LINK_SAMPLE_CHANNELS];
    struct reference_input reference_inputs[LINK_SAMPLE_EDGES];
    struct reference_link reference;
};

/* Aligned memory; the caller frees. */
float *link_sample_floats(size_t n);

/* Copies of all images to and from a layout; laid_out: the caller frees; take_planar frees `values`. */
float *link_sample_laid_out(const float *planar, struct layout layout);
void link_sample_take_planar(float *planar, float *values, struct layout layout);

/* The operations that follow are of this edge, for both kinds of kernels. */
void link_sample_select(struct link_sample *s, size_t edge);

/* Make `reference` of the last image, from the sample's arrays as they are; the sample is freed with it. */
void link_sample_reference(struct link_sample *s);

/* The operations of link.h on planar arrays of all images; to_bias and absorbed may be NULL. */
void link_sample_forward(struct link_sample *s);
void link_sample_backward(float *r_lower, double *to_bias, double *absorbed, struct link_sample *s, const float *r);
void link_sample_lift(float *v_upper, struct link_sample *s);

/* Of one image; with its weights on lower neurons if `weighted`. */
void link_sample_flow(float *joint, struct link_sample *s, bool weighted, size_t image);

/* Call `check` for every link, rule, bias mode, arrival and backend that fits them, and links of other windows than 3x3
 * with stride 1 between bordered variables and flat ones. `name` seeds the random numbers. */
void link_sample_for_all(const char *name, void (*check)(struct link_sample *s, const char *what));

#endif
