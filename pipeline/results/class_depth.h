/* How far down a comparison of classes says something: below, the relevance of a layer hardly depends on the class, by
 * an evaluation's test `targets`, or by a rule of thumb for the composite (pipeline/config/composite.h). Not
 * collective. */
#ifndef NRMFLOW_PIPELINE_RESULTS_CLASS_DEPTH_H
#define NRMFLOW_PIPELINE_RESULTS_CLASS_DEPTH_H

#include "io/base/error.h"
#include "io/store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct class_depth {
    char composite[STORE_NAME];
    char from[STORE_NAME]; /* the lowest layer with weights in which it says something; "": in all */
    bool measured;         /* by an evaluation */
    bool contrast;         /* a contrast of two classes is explained */
    char **below;          /* [nbelow] the layers in which it says little, from the input up; owned */
    size_t nbelow;
};

/* From this |cosine| on, the mean over the images, two classes have nearly the same relevance but for a factor; fewer
 * images say nothing. */
#define CLASS_DEPTH_ALIKE 0.8

enum { CLASS_DEPTH_LEAST = 5 };

/* Read it of a store, by the rule of thumb. Caller frees with class_depth_free, also after a failure. Errors: as
 * layers_read and store_get_text. */
enum status class_depth_read(struct class_depth *out, const struct store_reader *reader, const char *path,
                             struct error *err);

/* The same by an evaluation.
 *
 *   evaluation  in  path
 * Errors: FAIL_CONFIG if it does not have the test, or too few images, or if the store explains a contrast; as
 * origin_compare_evaluation, layers_read and store_read_real. */
enum status class_depth_measure(struct class_depth *out, const struct store_reader *reader, const char *path,
                                const char *evaluation, struct error *err);

/* Whether a file is an evaluation with the test, of images enough. */
bool class_depth_measurable(const char *evaluation);

/* All zero is fine. */
void class_depth_free(struct class_depth *depth);

/* Whether a comparison says little in a layer, or in a flow "conv1_1-conv1_2", by its upper layer. */
bool class_depth_is_below(const struct class_depth *depth, const char *name, bool flow);

enum { CLASS_DEPTH_TEXT = 640 };

/* One sentence: below which layer, why, and what to do; "" if it says something in all.
 *
 *   classes  in  the two that are compared, for the advice: "7-9" */
void class_depth_text(char text[CLASS_DEPTH_TEXT], const struct class_depth *depth, const char *classes);

#endif
