/* Data sets: an error, or images with labels that the listing's classes hold. */
#include "io/dataset/dataset.h"
#include "io/dataset/survey.h"
#include "io/image/probe.h"
#include "tests/fuzz/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMAGES = 4 };

/* Look at every byte, so that a sanitizer sees those that are not there. */
static void look(const struct image *image)
{
    size_t nbytes = image->width * image->height * image->channels;
    unsigned sum = 0;

    for (size_t i = 0; i < nbytes; i++)
        sum += image->pixels[i];
    if (nbytes == 0 || sum > 255 * nbytes)
        fuzz_fail("an image without pixels");
}

void fuzz_image(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct image image;
    struct image_probe probe;

    (void)path;
    if (!image_probe(&probe, bytes, nbytes) && probe.decode_bytes > 0)
        fuzz_fail("a size that is not known");
    image_init(&image);
    for (size_t channels = 1; channels <= 3; channels += 2) {
        struct error err = {0};
        enum status rc = image_decode(&image, bytes, nbytes, channels, &err);

        fuzz_check(rc, &err);
        if (rc == OK)
            look(&image);
    }
    image_free(&image);
}

static void read_images(const struct dataset_listing *listing)
{
    size_t count = dataset_listing_count(listing);
    struct error err = {0};
    struct dataset *dataset = NULL;
    struct image image;
    enum status rc = dataset_open(&dataset, listing, &err);

    fuzz_check(rc, &err);
    image_init(&image);
    for (size_t i = 0; rc == OK && i < count && i < MAX_IMAGES; i++) {
        struct error why = {0};
        enum status read = dataset_read(&image, dataset, i, 3, &why);

        fuzz_check(read, &why);
        if (read == OK)
            look(&image);
    }
    image_free(&image);
    dataset_close(dataset);
}

static void look_at(void *context, size_t index, const struct dataset_surveyed *image)
{
    (void)context;
    if (image->width > IMAGE_MAX_SIDE || (image->width > 0 && image->decode_bytes < image->width * image->height))
        fuzz_fail("an image of impossible size");
    if (index > DATASET_MAX_IMAGES)
        fuzz_fail("an image that is not in the listing");
}

static void scan(const char *path, const char *format, bool read)
{
    struct dataset_options options = {.path = path, .format = format};
    struct dataset_listing *listing = NULL;
    struct error err = {0};
    enum status rc = dataset_scan(&listing, &options, &err);

    fuzz_check(rc, &err);
    if (rc != OK)
        return;
    size_t count = dataset_listing_count(listing), classes = dataset_listing_classes(listing);
    for (size_t i = 0; i < count; i++) {
        char name[256];
        int label = dataset_listing_label(listing, i);

        if (label < -1 || (label >= 0 && (size_t)label >= classes))
            fuzz_fail("a label that is no class");
        dataset_listing_name(name, sizeof name, listing, i);
    }
    if (read) {
        dataset_survey(listing, 0, count < MAX_IMAGES ? count : MAX_IMAGES, look_at, NULL);
        read_images(listing);
    }
    free(listing);
}

/* Its paths may name any file of this machine, so that they are not opened. */
void fuzz_list(const char *path, const unsigned char *bytes, size_t nbytes)
{
    (void)bytes, (void)nbytes;
    scan(path, "list", false);
}

void fuzz_idx(const char *path, const unsigned char *bytes, size_t nbytes)
{
    (void)bytes, (void)nbytes;
    scan(path, "idx", true);
}

void fuzz_tar(const char *path, const unsigned char *bytes, size_t nbytes)
{
    (void)bytes, (void)nbytes;
    scan(path, "tar", true);
}

void fuzz_hdf5(const char *path, const unsigned char *bytes, size_t nbytes)
{
    (void)bytes, (void)nbytes;
    scan(path, "hdf5", true);
}
