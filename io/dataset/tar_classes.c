/* Class folders within tar files: tar cf val.tar val, of a folder as torchvision's ImageFolder has it. */
#include "io/dataset/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The class folder of an image. */
struct place {
    const char *folder; /* borrowed from the strings, without a NUL at its end */
    size_t length, image;
};

static const char *image_name(const struct dataset_builder *builder, size_t i)
{
    const uint64_t *names = (const uint64_t *)(const void *)builder->sections[DATASET_NAMES].bytes;

    return (const char *)builder->sections[DATASET_STRINGS].bytes + names[i];
}

/* Length of the folders that all images have in common, as "val/". */
static size_t common_folders(const struct dataset_builder *builder)
{
    const char *first = image_name(builder, 0);
    size_t n = strlen(first);

    for (size_t i = 0; i < builder->count; i++)
        while (n > 0 && (first[n - 1] != '/' || strncmp(first, image_name(builder, i), n) != 0))
            n--;
    return n;
}

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = memcmp(x->folder, y->folder, x->length < y->length ? x->length : y->length);

    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Number the folders in the order of their names. `places` [count] becomes one place of each class. */
static size_t number_folders(int32_t *labels, struct place *places, size_t count)
{
    size_t classes = 0;

    qsort(places, count, sizeof *places, compare);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare(&places[classes - 1], &places[i]) != 0)
            places[classes++] = places[i];
        labels[places[i].image] = (int32_t)classes - 1;
    }
    return classes;
}

static enum status add_classes(struct dataset_builder *builder, const struct place *places, size_t skip, size_t classes,
                               const struct dataset_options *o, struct error *err)
{
    bool splits = !o->format;
    enum status rc = OK;

    for (size_t k = 0; k < classes; k++) { /* adding a string may move the others, so names are found anew */
        char name[DATASET_PATH];
        snprintf(name, sizeof name, "%.*s", (int)places[k].length, image_name(builder, places[k].image) + skip);
        splits = splits && dataset_folder_is_split(name);
        TRY(dataset_builder_class(builder, name, err));
    }
    if (splits)
        TRY(error_set(
            err, FAIL_FORMAT,
            "%s: the folders in it, such as %.*s, are called like parts of a data set: write one of them to a "
            "tar file of its own, or set data.format = tar to take them for classes",
            o->path, (int)places[0].length, image_name(builder, places[0].image) + skip));
    builder->last = (int)classes - 1;
    builder->by_folder = true;
done:
    return rc;
}

enum status dataset_tar_classes(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    size_t inside = 0, skip = builder->count ? common_folders(builder) : 0;

    if (builder->last >= 0 || builder->count == 0)
        return OK;
    struct place *places = calloc(builder->count, sizeof *places);
    if (!places)
        return error_set(err, FAIL_RESOURCE, "no memory for the folders of %zu images", builder->count);
    for (size_t i = 0; i < builder->count; i++) {
        const char *folder = image_name(builder, i) + skip, *slash = strchr(folder, '/');
        if (slash)
            places[inside++] = (struct place){folder, (size_t)(slash - folder), i};
    }
    enum status rc = OK;
    if (inside == builder->count) {
        size_t classes =
            number_folders((int32_t *)(void *)builder->sections[DATASET_LABELS].bytes, places, builder->count);
        rc = add_classes(builder, places, skip, classes, o, err);
    } else {
        for (size_t i = 0; i < inside; i++)
            dataset_builder_pass(builder, DATASET_PASS_TAR_FOLDERS, image_name(builder, places[i].image));
    }
    free(places);
    return rc;
}
