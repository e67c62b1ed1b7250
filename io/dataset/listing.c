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

const unsigned char *dataset_listing_sha256(const struct dataset_listing *listing)
{
    return listing->sha256;
}
