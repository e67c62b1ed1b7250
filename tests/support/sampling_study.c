#include "tests/support/sampling_study.h"

#include "io/dataset/dataset.h"
#include "kernels/layer/mask.h"
#include "kernels/measure/far.h"
#include "kernels/measure/sample.h"
#include "tests/support/isa_under_test.h"
#include "tests/support/model_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 4, SWEEP_BYTES = 32 << 20, SEGMENTS = 16 };

const struct study_subject study_vgg = {"fashion_vgg16.safetensors",
                                        {{"conv1_2", "conv5_3"}, {"conv3_3", "conv5_3"}, {"conv4_2", "conv5_1"}}};

/* From a branch down to a branch of another block, to a parallel skip's convolution, and to the stem. */
const struct study_subject study_resnet = {
    "fashion_resnet18.onnx",
    {{"conv1", "layer4.0.conv2"}, {"layer2.0.conv1", "layer4.0.conv2"}, {"layer3.0.downsample.0", "layer3.1.conv2"}}};

static const float mean = 0.2860f, deviation = 0.3530f; /* of jobs/demo/demo.ini */

/* One pair's sums over the images. All arrays except the last are [rows][columns]. */
struct sums {
    struct far_pair pair;
    size_t rows, columns;
    struct far_work work;
    struct far_flow flow;
    double *exact, *estimate, *claimed, *variance;
    double *chances;          /* [rows] */
    double weighted, squares; /* sums of n |J|^2 and |J|^2, n the channels with relevance of an image */
};

struct study {
    struct loaded_model model;
    struct measure_plan plan;
    struct measure_workspace work;
    struct sample_work sample;
    struct sample_options options;
    struct sums pairs[STUDY_PAIRS];
    struct dataset_listing *listing;
    struct dataset *dataset;
    float *forms, *inputs;
    struct measure_result results[GROUP];
    size_t start; /* image of slot 0 */
    size_t upper; /* being sampled */
    void *memory;
};

static void require(bool good, const char *message)
{
    if (!good) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
}

static void *zeros(size_t n, size_t size)
{
    void *p = aligned_alloc(ARENA_ALIGNMENT, (n * size / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    require(p, "no memory");
    return memset(p, 0, n * size);
}

/* ---- setting up
 * --------------------------------------------------------------------------------------------------- */

static void place(struct study *s, struct arena *arena)
{
    size_t highest = 0;

    measure_workspace_place(&s->work, &s->plan, arena);
    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        far_place(&s->pairs[i].work, &s->plan, s->pairs[i].pair, SWEEP_BYTES, arena);
        highest = s->pairs[i].pair.upper > highest ? s->pairs[i].pair.upper : highest;
    }
    sample_place(&s->sample, &s->plan, highest, SWEEP_BYTES, arena);
}

static void pair_init(struct sums *p, const struct network *net, const char *const ends[2])
{
    p->pair = (struct far_pair){network_find(net, ends[0]), network_find(net, ends[1]), 0};
    p->rows = network_shape(net, p->pair.upper).channels;
    p->columns = network_shape(net, p->pair.lower).channels;
    double **arrays[] = {&p->exact, &p->estimate, &p->claimed, &p->variance};
    for (size_t i = 0; i < 4; i++)
        *arrays[i] = zeros(p->rows * p->columns, sizeof(double));
    p->chances = zeros(p->rows, sizeof(double));
    p->flow = (struct far_flow){zeros(p->rows * p->columns, sizeof(float)), zeros(p->rows, sizeof(double)),
                                zeros(p->rows, sizeof(double)), zeros(p->columns, sizeof(double)),
                                zeros(p->rows, sizeof(bool))};
}

static void plan(struct study *s, const struct study_subject *subject)
{
    const struct network *net = &s->model.net;
    struct measure_options options = {
        .given = GIVEN_INPUT, .variation_limit = 1000, .images = true, .group = GROUP, .ops = isa_under_test()};
    float low = (0 - mean) / deviation, high = (1 - mean) / deviation;
    struct arena arena = arena_over(NULL, 0);

    require(rule_composite(options.rules, "epsilon_gamma_box", net), "no such composite");
    measure_plan_init(&s->plan, net, &options, s->model.weights);
    s->forms = zeros(measure_forms_floats(&s->plan), sizeof *s->forms);
    measure_forms_compute(&s->plan, s->forms, (struct link_bounds){&low, &high});
    measure_forms_bind(&s->plan, s->forms);
    for (size_t i = 0; i < STUDY_PAIRS; i++)
        pair_init(&s->pairs[i], net, subject->pairs[i]);
    place(s, &arena);
    s->memory = zeros(arena.peak, 1);
    arena = arena_over(s->memory, arena.peak);
    place(s, &arena);
}

static void study_init(struct study *s, const struct study_subject *subject, double sweeps, uint64_t seed)
{
    struct dataset_options data = {.path = JOBS "/demo/t10k-images-idx3-ubyte.gz", .format = "idx"};
    char path[512];
    struct error err = {0};

    *s = (struct study){.options = {seed, sweeps}};
    snprintf(path, sizeof path, JOBS "/demo/%s", subject->model);
    model_file_read(&s->model, path);
    plan(s, subject);
    require(dataset_scan(&s->listing, &data, &err) == OK, err.message);
    require(dataset_open(&s->dataset, s->listing, &err) == OK, err.message);
    s->inputs = zeros(GROUP * shape_neurons(network_shape(&s->model.net, 0)), sizeof *s->inputs);
    size_t channels = s->plan.channel[s->model.net.nlinks + 1];
    for (size_t g = 0; g < GROUP; g++)
        s->results[g] = (struct measure_result){.relevance = zeros(channels, sizeof(double)),
                                                .relevance_position = zeros(channels, sizeof(uint32_t)),
                                                .activation = zeros(channels, sizeof(float)),
                                                .activation_position = zeros(channels, sizeof(uint32_t)),
                                                .activation_mean = zeros(channels, sizeof(double))};
}

static void study_free(struct study *s)
{
    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        struct sums *p = &s->pairs[i];
        void *owned[] = {p->exact,      p->estimate,  p->claimed,       p->variance,    p->chances,
                         p->flow.joint, p->flow.lost, p->flow.left_out, p->flow.around, p->flow.present};
        for (size_t j = 0; j < sizeof owned / sizeof owned[0]; j++)
            free(owned[j]);
    }
    for (size_t g = 0; g < GROUP; g++) {
        free(s->results[g].relevance);
        free(s->results[g].relevance_position);
        free(s->results[g].activation);
        free(s->results[g].activation_position);
        free(s->results[g].activation_mean);
    }
    dataset_close(s->dataset);
    free(s->listing);
    free(s->inputs);
    free(s->forms);
    free(s->memory);
    model_file_free(&s->model);
}

/* ---- an image
 * ----------------------------------------------------------------------------------------------------- */

static void add_row(void *context, size_t lower, size_t channel, double pi, const double *row)
{
    struct study *s = context;

    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        struct sums *p = &s->pairs[i];
        if (p->pair.upper != s->upper || p->pair.lower != lower)
            continue;
        p->chances[channel] += pi < 1;
        for (size_t c = 0; c < p->columns; c++) {
            p->estimate[channel * p->columns + c] += row[c] / pi;
            p->claimed[channel * p->columns + c] += row[c] * row[c] * (1 - pi) / (pi * pi);
        }
    }
}

static void add_exact(struct study *s, struct sums *p, const struct measure_image *image)
{
    double squares = 0;
    size_t relevant = 0;

    far_compute(&p->flow, &p->work, image);
    for (size_t j = 0; j < p->rows; j++) {
        double pi = s->sample.pi[j];
        relevant += pi > 0;
        for (size_t i = j * p->columns; i < (j + 1) * p->columns; i++) {
            double x = (double)p->flow.joint[i];
            p->exact[i] += x;
            p->variance[i] += pi > 0 ? x * x * (1 - pi) / pi : 0;
            squares += x * x;
        }
    }
    p->weighted += (double)relevant * squares;
    p->squares += squares;
}

static void take_image(void *context, size_t slot, const struct measure_image *image)
{
    struct study *s = context;

    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        if (s->pairs[i].pair.upper != s->upper) { /* pairs of one upper layer follow each other */
            bool wanted[NETWORK_MAX_VARIABLES] = {false};
            s->upper = s->pairs[i].pair.upper;
            for (size_t j = 0; j < STUDY_PAIRS; j++)
                wanted[s->pairs[j].pair.lower] |= s->pairs[j].pair.upper == s->upper;
            sample_layer(&s->sample, image, s->start + slot, s->upper, wanted, s->options,
                         (struct sample_sink){s, add_row});
        }
        add_exact(s, &s->pairs[i], image);
    }
    s->upper = 0;
}

static void measure_images(struct study *s, size_t first, size_t end)
{
    const struct preprocessing preprocessing = {
        .pad = 2, .channels = 1, .height = 32, .width = 32, .divisor = 255, .mean = {mean}, .std = {deviation}};
    struct measure_target targets[GROUP] = {{TARGET_PREDICTED, 0, 0}};
    size_t floats = shape_neurons(network_shape(&s->model.net, 0));
    struct image_scratch scratch;
    struct image image;
    struct error err = {0};

    image_init(&image);
    image_scratch_init(&scratch);
    for (s->start = first; s->start < end; s->start += GROUP) {
        const float *inputs[GROUP];
        for (size_t g = 0; g < GROUP; g++) {
            require(dataset_read(&image, s->dataset, s->start + g, 1, &err) == OK, err.message);
            require(image_preprocess(s->inputs + g * floats, &scratch, &image, &preprocessing, &err) == OK,
                    err.message);
            inputs[g] = s->inputs + g * floats;
        }
        measure_group(s->results, &s->plan, inputs, targets, (struct measure_sink){s, NULL, NULL, take_image},
                      &s->work);
    }
    image_free(&image);
    image_scratch_free(&scratch);
}

/* ---- results
 * ------------------------------------------------------------------------------------------------------ */

static void describe(struct study_point *point, const struct sums *p, size_t images)
{
    double all = 0, chosen = 0, claimed = 0, spread = 0, variance = 0, n = (double)images;

    *point = (struct study_point){.images = images};
    for (size_t i = 0; i < p->rows * p->columns; i++) {
        double square = (p->estimate[i] - p->exact[i]) * (p->estimate[i] - p->exact[i]);
        all += square;
        variance += p->variance[i];
        if (p->chances[i / p->columns] < STUDY_CHANCES || !(p->variance[i] > 0))
            continue;
        point->entries++;
        chosen += square;
        spread += square / p->variance[i];
        claimed += p->claimed[i];
    }
    double entries = (double)(p->rows * p->columns);
    point->spread = sqrt(spread / (double)point->entries);
    point->claimed = chosen / claimed;
    point->error = sqrt(all / entries) / n;
    point->expected = sqrt(variance / entries) / n;
}

/* With probability S / n for each of n channels the variance is sum |J|^2 (n / S - 1); if n is that of an image and
 * below S, at least that. */
static double uniform_sweeps(const struct sums *p, double weighted)
{
    double variance = 0;

    for (size_t i = 0; i < p->rows * p->columns; i++)
        variance += p->variance[i];
    return weighted / (variance + p->squares);
}

static void print_point(const struct study_pair *pair, const struct study_point *p)
{
    printf("%s images=%zu entries=%zu rms(error/deviation)=%.3f error^2/sampling_error^2=%.3f rms_error=%.3g "
           "expected=%.3g\n",
           pair->name, p->images, p->entries, p->spread, p->claimed, p->error, p->expected);
}

void sampling_study(struct study_pair pairs[STUDY_PAIRS], const struct study_subject *subject, size_t images,
                    double sweeps, uint64_t seed)
{
    static const size_t ends[STUDY_POINTS] = {1, 4, 16}; /* sixteenths */
    size_t before = 0;
    static struct study s;

    require(images % GROUP == 0, "whole groups of images");
    study_init(&s, subject, sweeps, seed);
    for (size_t point = 0; point < STUDY_POINTS; point++) {
        size_t end = images * ends[point] / SEGMENTS / GROUP * GROUP;
        measure_images(&s, before, end);
        before = end;
        for (size_t i = 0; i < STUDY_PAIRS; i++)
            describe(&pairs[i].points[point], &s.pairs[i], end);
    }
    for (size_t i = 0; i < STUDY_PAIRS; i++) {
        snprintf(pairs[i].name, STUDY_NAME, "%s-%s", subject->pairs[i][0], subject->pairs[i][1]);
        pairs[i].uniform = uniform_sweeps(&s.pairs[i], (double)s.pairs[i].rows * s.pairs[i].squares);
        pairs[i].uniform_relevant = uniform_sweeps(&s.pairs[i], s.pairs[i].weighted);
        for (size_t point = 0; point < STUDY_POINTS; point++)
            print_point(&pairs[i], &pairs[i].points[point]);
        printf("%s sweeps=%g uniform sampling needs %.3g for the same error, among channels with relevance %.3g\n",
               pairs[i].name, sweeps, pairs[i].uniform, pairs[i].uniform_relevant);
    }
    study_free(&s);
}
