/* Tiny VGG11 networks with random widths, weights, rules and options, and the measure of one group of images by the
 * kernels and by the double reference, for property tests. */
#ifndef NRMFLOW_TESTS_SUPPORT_RANDOM_VGG_H
#define NRMFLOW_TESTS_SUPPORT_RANDOM_VGG_H

#include "kernels/measure/measure.h"
#include "tests/support/guarded.h"

enum { VGG_GROUP = 4, VGG_WIDTH = 5, VGG_TEXT = 512 };

/* A network and what to compute of it. Everything is owned; end with random_vgg_free. */
struct random_vgg {
    struct network net;
    struct measure_options options;
    struct measure_plan plan;
    struct measure_workspace work;
    float *model, *forms;
    void *memory;
    float *masks[NETWORK_MAX_VARIABLES];   /* of the condition, if its sets are given */
    float low[VGG_WIDTH], high[VGG_WIDTH]; /* bounds of the input's channels */
    float *inputs[VGG_GROUP];
    struct measure_target targets[VGG_GROUP];
    char text[VGG_TEXT]; /* of the options, for messages */
};

/* What is computed of one image. Arrays of neurons, and of flows by link; zeros where nothing was handed out. */
struct vgg_outcome {
    struct measure_result result;
    float *neurons[NETWORK_MAX_VARIABLES];
    float *joint[NETWORK_MAX_LINKS];
    double *to_bias[NETWORK_MAX_LINKS], *absorbed[NETWORK_MAX_LINKS];
    size_t nflows; /* calls of the flow sink */
};

/* The same from the reference; z are the values before the ReLU. */
struct vgg_reference {
    double *z[NETWORK_MAX_VARIABLES], *a[NETWORK_MAX_VARIABLES], *r[NETWORK_MAX_VARIABLES];
    double *m[NETWORK_MAX_VARIABLES], *h[NETWORK_MAX_VARIABLES]; /* as in measure.h; r and 1 without a condition */
    double *joint[NETWORK_MAX_LINKS], *to_bias[NETWORK_MAX_LINKS], *absorbed[NETWORK_MAX_LINKS];
    double bias[NETWORK_MAX_VARIABLES], lost[NETWORK_MAX_VARIABLES], variation[NETWORK_MAX_VARIABLES];
};

/* A random network with random rules, bias and pool mode, condition, images and targets; every flow is on. */
void random_vgg_init(struct random_vgg *vgg, struct random *random);
void random_vgg_free(struct random_vgg *vgg);

/* Plan again after a change of the options. */
void random_vgg_plan(struct random_vgg *vgg);

/* Measure the images whose `present` is true. Outcomes are for vgg_outcomes_free. */
void random_vgg_measure(struct vgg_outcome outcomes[VGG_GROUP], struct random_vgg *vgg, const bool present[VGG_GROUP]);
void vgg_outcomes_free(struct vgg_outcome outcomes[VGG_GROUP], const struct random_vgg *vgg);

/* The measure of one image's `target` class or contrast (not TARGET_PREDICTED). */
void vgg_reference_init(struct vgg_reference *reference, const struct random_vgg *vgg, const float *input,
                        struct measure_target target);
void vgg_reference_free(struct vgg_reference *reference, const struct random_vgg *vgg);

#endif
