#include "tests/support/small_run.h"

#include "io/image/write.h"
#include "kernels/base/arena.h"
#include "kernels/base/network_vgg.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 32, NARROW = 32, MAX_SETS = 16 };

/* ---- images ---------------------------------------------------------------------------------------------------- */

static void write_image(const char *folder, size_t index, struct random *random)
{
    char path[2 * TEMPORARY_PATH];
    struct image image;
    struct error err = {0};

    snprintf(path, sizeof path, "%s/img%02zu.png", folder, index);
    if (index == SMALL_DAMAGED) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs("no image", file) >= 0 && fclose(file) == 0);
        return;
    }
    image_init(&image);
    assert_int_equal(image_reshape(&image, SIDE, SIDE, 3, &err), OK);
    for (size_t i = 0; i < (size_t)3 * SIDE * SIDE; i++)
        image.pixels[i] = (unsigned char)random_below(random, 256);
    assert_int_equal(image_write_png(&image, path, &err), OK);
    image_free(&image);
}

static void write_dataset(const char *folder, struct random *random)
{
    char path[2 * TEMPORARY_PATH];

    snprintf(path, sizeof path, "%s/list.txt", folder);
    FILE *list = fopen(path, "w");
    assert_non_null(list);
    for (size_t i = 0; i < SMALL_IMAGES; i++) {
        write_image(folder, i, random);
        fprintf(list, "img%02zu.png %d\n", i, i == SMALL_UNLABELLED ? -1 : (int)(i % SMALL_CLASSES));
    }
    assert_int_equal(fclose(list), 0);
}

/* ---- model ----------------------------------------------------------------------------------------------------- */

/* Weights of variance 2 / inputs keep the size of activations. */
static void fill_weights(float *weights, const struct network *net, struct random *random)
{
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *l = &net->links[k];
        size_t inputs = l->kind == LINK_CONVOLUTION ? 9 * l->lower.channels : shape_neurons(l->lower);
        for (size_t i = 0; l->kind != LINK_POOL && i < inputs * l->upper.channels; i++)
            weights[l->weight + i] = (float)(sqrt(6 / (double)inputs) * random_uniform(random));
    }
}

static void make_model(struct small_run *run, struct random *random)
{
    static const float low[] = {0, 0, 0}, high[] = {1, 1, 1};
    struct model *model = &run->plan.model;
    struct network net;
    struct error err = {0};
    size_t floats = network_vgg_standard(&net, "vgg11", SIDE, NARROW, SMALL_CLASSES);

    assert_true(floats > 0);
    if (model_outline(model, &net, &run->config, &err) != OK)
        fail_msg("%s", err.message);
    model->preprocessing =
        (struct preprocessing){.channels = 3, .height = SIDE, .width = SIDE, .divisor = 255, .std = {1, 1, 1}};
    run->weights = calloc(floats, sizeof *run->weights);
    assert_non_null(run->weights);
    fill_weights(run->weights, &model->net, random);
    struct measure_options options = model->plan.options;
    options.ops = isa_under_test();
    options.group = BLOCK_GROUP;
    measure_plan_init(&model->plan, &model->net, &options, run->weights);
    size_t nbytes = measure_forms_floats(&model->plan) * sizeof *run->forms;
    run->forms = aligned_alloc(ARENA_ALIGNMENT, (nbytes / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);
    assert_non_null(run->forms);
    measure_forms_compute(&model->plan, run->forms, (struct link_bounds){low, high});
    measure_forms_bind(&model->plan, run->forms);
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

void small_run_init(struct small_run *run, const char *const *sets)
{
    struct random random = random_seed("small run");
    struct dataset_listing *listing;
    struct error err = {0};
    size_t nsets = 0;

    *run = (struct small_run){.messages = tmpfile()};
    assert_non_null(run->messages);
    log_init(&run->log, run->messages, LOG_INFO, 0, "here");
    temporary_folder(run->folder);
    write_dataset(run->folder, &random);
    while (sets[nsets])
        nsets++;
    snprintf(run->text, sizeof run->text,
             "[data]\npath = %s/list.txt\n[model]\nweights = none\n[measure]\nflows = none\n[run]\nblock = %d\n",
             run->folder, SMALL_BLOCK);
    if (config_parse(&run->config, run->text, "small", sets, nsets, &err) != OK ||
        dataset_scan(&listing, &(struct dataset_options){.path = run->config.data.path.file, .format = "list"}, &err) !=
            OK)
        fail_msg("%s", err.message);
    run->plan.config = &run->config;
    run->plan.listing = (struct node_block){.memory = listing, .nbytes = dataset_listing_bytes(listing)};
    make_model(run, &random);
}

void small_run_plan(struct small_run *run)
{
    struct error err = {0};

    if (run_plan_images(&run->plan, &run->log, &err) != OK || run_plan_sums(&run->plan, &err) != OK)
        fail_msg("%s", err.message);
}

void small_run_free(struct small_run *run)
{
    free(run->plan.listing.memory);
    run->plan.listing = (struct node_block){0};
    run_plan_free(&run->plan);
    free(run->weights);
    free(run->forms);
    config_free(&run->config);
    fclose(run->messages);
    temporary_remove(run->folder);
}
