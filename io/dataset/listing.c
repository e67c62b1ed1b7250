#include "io/dataset/builder.h"

#include <assert.h>
#include <stdio.h>

const void *dataset_listing_section(const struct dataset_listing *listing, enum dataset_section section)
{
    return (const unsigned char *)listing + listing->offset[section];
}

const char *dataset_listing_string(const struct dataset_listing *listing, enum dataset_section section, size_t i)
{
    const uint64_t *strings = dataset_listing_section(listing, section);
    const char *text = dataset_listing_section(listing, DATASET_STRINGS);

    assert(i < listing->size[section] / sizeof *strings);
    return text + strings[i];
}

size_t dataset_listing_bytes(const struct dataset_listing *listing)
{
    return listing->nbytes;
}

size_t dataset_listing_count(const struct dataset_listing *listing)
{
    return listing->count;
}

size_t dataset_listing_classes(const struct dataset_listing *listing)
{
    return listing->nclasses;
}

bool dataset_listing_by_folder(const struct dataset_listing *listing)
{
    return listing->by_folder;
}

const char *dataset_listing_class(const struct dataset_listing *listing, size_t k)
{
    return dataset_listing_string(listing, DATASET_CLASSES, k);
}

int dataset_listing_label(const struct dataset_listing *listing, size_t i)
{
    const int32_t *labels = dataset_listing_section(listing, DATASET_LABELS);

    assert(i < listing->count);
    return listing->size[DATASET_LABELS] ? labels[i] : -1;
}

static int print_name(char *out, size_t size, const struct dataset_listing *l, size_t i)
{
    switch ((enum dataset_kind)l->kind) {
    case DATASET_IDX:
        return snprintf(out, size, "%s[%zu]", dataset_listing_string(l, DATASET_SOURCES, 0), i);
    case DATASET_HDF5:
        return snprintf(out, size, "%s:/%s[%zu]", dataset_listing_string(l, DATASET_SOURCES, 0),
                        dataset_listing_string(l, DATASET_SOURCES, 1), i);
    case DATASET_TAR: {
        const struct dataset_member *members = dataset_listing_section(l, DATASET_MEMBERS);
        return snprintf(out, size, "%s:%s", dataset_listing_string(l, DATASET_SOURCES, members[i].source),
                        dataset_listing_string(l, DATASET_NAMES, i));
    }
    default:
        return snprintf(out, size, "%s", dataset_listing_string(l, DATASET_NAMES, i));
    }
}

size_t dataset_listing_name(char *out, size_t size, const struct dataset_listing *listing, size_t i)
{
    int length = print_name(out, size, listing, i);

    assert(i < listing->count && length >= 0);
    return (size_t)length;
}

const char *dataset_listing_pass_name(enum dataset_pass_kind kind, bool *minor)
{
    static const struct {
        const char *name;
        bool minor;
    } kinds[DATASET_PASSED_KINDS] = {
        [DATASET_PASS_BESIDE] = {"images beside the class folders", false},
        [DATASET_PASS_FOLDERS] = {"hidden or system folders", false},
        [DATASET_PASS_FILES] = {"files of another kind", false},
        [DATASET_PASS_HIDDEN_FILES] = {"hidden files", true},
        [DATASET_PASS_LINKS] = {"links to what is not in the tar file", false},
        [DATASET_PASS_IMAGES] = {"further images of a sample, or with two extensions", false},
        [DATASET_PASS_LABELS] = {"labels without an image", false},
        [DATASET_PASS_MEMBERS] = {"other members of tar files", true},
        [DATASET_PASS_TAR_FOLDERS] = {"labels by folder in tar files, since some images are in no folder", false},
        [DATASET_PASS_ARRAYS] = {"arrays that may be labels, which data.labels would name", false},
    };

    *minor = kinds[kind].minor;
    return kinds[kind].name;
}

bool dataset_listing_passed(struct dataset_passed *out, const struct dataset_listing *listing, size_t i)
{
    const struct dataset_pass *passed = dataset_listing_section(listing, DATASET_PASSED);

    assert(i < DATASET_PASSED_KINDS);
    if (listing->size[DATASET_PASSED] == 0 || passed[i].count == 0)
        return false;
    out->what = dataset_listing_pass_name((enum dataset_pass_kind)i, &out->minor);
    out->count = passed[i].count;
    out->example = passed[i].example;
    return true;
}

const unsigned char *dataset_listing_sha256(const struct dataset_listing *listing)
{
    return listing->sha256;
}
