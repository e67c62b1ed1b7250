/* Sampled flows of three far pairs over the demo's images, beside their exact flows: how large the errors are, and how large
 * they are said to be. */
#ifndef NRMFLOW_TESTS_SUPPORT_SAMPLING_STUDY_H
#define NRMFLOW_TESTS_SUPPORT_SAMPLING_STUDY_H

#include <stddef.h>
#include <stdint.h>

enum { STUDY_PAIRS = 3, STUDY_POINTS = 3, STUDY_NAME = 32, STUDY_CHANCES = 30 };

/* Errors after some of the images: estimate - exact mean, J^2 (1 - pi) / pi summed over images their true variance. */
struct study_point {
    size_t images;
    size_t entries;  /* in rows with at least STUDY_CHANCES draws of pi < 1, whose deviation is not zero; of these: */
    double spread;   /* root mean square of error / true deviation */
    double claimed;  /* sum of error^2 / sum of sampling_error^2 */
    double error;    /* root mean square of the error of all entries */
    double expected; /* root mean square of their true deviation */
};

struct study_pair {
    char name[STUDY_NAME];
    struct study_point points[STUDY_POINTS]; /* after a sixteenth, a quarter and all of the images */
    /* Sweeps an image that uniform sampling needs for the same variance: among all channels, and, at least, among those
     * that have relevance in the image. */
    double uniform, uniform_relevant;
};

/* Draw `sweeps` channels an image and upper layer from the first `images` of the demo, under its default configuration, and
 * print a line for every point. Ends the program if the demo cannot be read. */
void sampling_study(struct study_pair pairs[STUDY_PAIRS], size_t images, double sweeps, uint64_t seed);

#endif
