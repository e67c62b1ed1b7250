/* Sampled flows of three far pairs over the demo's images, beside their exact flows: how large the errors are, and
 * how large they are said to be. */
#ifndef NRMFLOW_TESTS_SUPPORT_SAMPLING_STUDY_H
#define NRMFLOW_TESTS_SUPPORT_SAMPLING_STUDY_H

#include <stddef.h>
#include <stdint.h>

enum { STUDY_PAIRS = 3, STUDY_POINTS = 3, STUDY_NAME = 48, STUDY_CHANCES = 30 };

/* How far from the expected one, as a factor up or down, an error may be. The root mean square of n independent normal
 * errors has a relative standard deviation of 1 / sqrt(2 n). Entries of one row share their draws, so n is below their
 * number; 50 is assumed, and two standard deviations allowed: exp(2 / sqrt(100)) for the root mean square, the square
 * of that for the mean square, and exp(2 sqrt(2) / sqrt(100)) for the ratio of two root mean squares. Seeds are
 * fixed: a test passes always or never. */
static const double STUDY_RMS = 1.22, STUDY_SQUARE = 1.49, STUDY_RATIO = 1.33;

/* The true deviation of the mean shrinks as the root of the images, up to what the images' variances differ. */
static const double STUDY_IMAGES = 1.1;

/* A study that compared fewer entries shows little; uniform sampling needs so many times the sweeps at least. */
enum { STUDY_ENTRIES = 100, STUDY_UNIFORM = 2 };

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

/* A network of the demo, and three pairs of it, lower layer first; pairs of one upper layer follow each other. */
struct study_subject {
    const char *model; /* in jobs/demo */
    const char *pairs[STUDY_PAIRS][2];
};

extern const struct study_subject study_vgg, study_resnet;

/* Draw `sweeps` channels an image and upper layer from the first `images` of the demo, under its default
 * configuration, and print a line for every point. Ends the program if the demo cannot be read. */
void sampling_study(struct study_pair pairs[STUDY_PAIRS], const struct study_subject *subject, size_t images,
                    double sweeps, uint64_t seed);

#endif
