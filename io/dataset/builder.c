#include "io/dataset/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

enum { ALIGNMENT = 8 };

void dataset_builder_init(struct dataset_builder *builder, enum dataset_kind kind)
{
    *builder = (struct dataset_builder){.kind = kind, .last = -1};
}

void dataset_builder_free(struct dataset_builder *builder)
{
    for (size_t s = 0; s < DATASET_SECTIONS; s++)
        dataset_buffer_free(&builder->sections[s]);
}

enum status dataset_builder_root(struct dataset_builder *builder, const char *folder, struct error *err)
{
    char *absolute = realpath(folder, NULL);
    enum status rc;

    if (!absolute)
        return error_system(err, "%s: cannot be found", folder);
    rc = dataset_buffer_append(&builder->sections[DATASET_ROOT], absolute, strlen(absolute) + 1, err);
    free(absolute);
    return rc;
}

enum status dataset_builder_file(struct dataset_builder *builder, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char folder[DATASET_PATH] = ".";
    enum status rc;

    if (slash && (size_t)(slash - path) + 2 > sizeof folder)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", path);
    if (slash)
        snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
    TRY(dataset_builder_root(builder, folder, err));
    rc = dataset_builder_source(builder, slash ? slash + 1 : path, err);
done:
    return rc;
}

static enum status add_string(struct dataset_builder *builder, enum dataset_section section, const char *text,
                              struct error *err)
{
    struct dataset_buffer *strings = &builder->sections[DATASET_STRINGS];
    uint64_t at = strings->size;
    enum status rc;

    TRY(dataset_buffer_append(strings, text, strlen(text) + 1, err));
    rc = dataset_buffer_append(&builder->sections[section], &at, sizeof at, err);
done:
    return rc;
}

enum status dataset_builder_source(struct dataset_builder *builder, const char *name, struct error *err)
{
    return add_string(builder, DATASET_SOURCES, name, err);
}

enum status dataset_builder_class(struct dataset_builder *builder, const char *name, struct error *err)
{
    if (builder->sections[DATASET_CLASSES].size / sizeof(uint64_t) >= DATASET_MAX_CLASSES)
        return error_set(err, FAIL_LIMIT, "%s: there are more than %d classes", name, DATASET_MAX_CLASSES);
    return add_string(builder, DATASET_CLASSES, name, err);
}

static enum status add_label(struct dataset_builder *builder, int label, struct error *err)
{
    int32_t value = label;

    if (label > builder->last)
        builder->last = label;
    return dataset_buffer_append(&builder->sections[DATASET_LABELS], &value, sizeof value, err);
}

enum status dataset_builder_image(struct dataset_builder *builder, const char *name, int label, struct error *err)
{
    enum status rc;

    if (builder->count >= DATASET_MAX_IMAGES)
        return error_set(err, FAIL_LIMIT, "%s: there are more than %d images", name, DATASET_MAX_IMAGES);
    builder->count++;
    TRY(add_string(builder, DATASET_NAMES, name, err));
    rc = add_label(builder, label, err);
done:
    return rc;
}

void dataset_builder_pass(struct dataset_builder *builder, enum dataset_pass_kind kind, const char *example)
{
    struct dataset_pass *pass = &builder->passed[kind];

    if (pass->count++ == 0)
        snprintf(pass->example, sizeof pass->example, "%s", example);
}

void dataset_builder_describe_passed(char *out, size_t size, const struct dataset_builder *builder)
{
    size_t used = 0;
    bool minor;

    out[0] = '\0';
    for (size_t i = 0; i < DATASET_PASSED_KINDS && used < size; i++)
        if (builder->passed[i].count)
            used += (size_t)snprintf(out + used, size - used, "%s%zu %s (%s)",
                                     used ? ", " : "; passed over: ", (size_t)builder->passed[i].count,
                                     dataset_listing_pass_name((enum dataset_pass_kind)i, &minor),
                                     builder->passed[i].example);
}

enum status dataset_builder_check_label(long long label, const char *where, struct error *err)
{
    if (label < -1 || label >= DATASET_MAX_CLASSES)
        return error_set(err, FAIL_FORMAT, "%s: %lld is not a label; labels are -1 or from 0 to %d", where, label,
                         DATASET_MAX_CLASSES - 1);
    return OK;
}

static bool is_colour_count(size_t n)
{
    return n == 1 || n == 3;
}

enum status dataset_builder_array(struct dataset_builder *builder, const size_t *dims, size_t ndim, const char *where,
                                  struct error *err)
{
    struct dataset_shape *s = &builder->shape;

    if (ndim == 3)
        *s = (struct dataset_shape){dims[1], dims[2], 1, 0};
    else if (ndim == 4 && is_colour_count(dims[1]))
        *s = (struct dataset_shape){dims[2], dims[3], dims[1], 1};
    else if (ndim == 4 && is_colour_count(dims[3]))
        *s = (struct dataset_shape){dims[1], dims[2], dims[3], 0};
    else
        return error_set(err, FAIL_UNSUPPORTED,
                         "%s: the shape of the array is not (N,H,W), (N,C,H,W) or (N,H,W,C) with C = 1 or 3", where);
    if (dims[0] == 0 || s->height == 0 || s->width == 0)
        return error_set(err, FAIL_FORMAT, "%s: the array is empty", where);
    if (dims[0] > DATASET_MAX_IMAGES || s->height > IMAGE_MAX_SIDE || s->width > IMAGE_MAX_SIDE ||
        s->height * s->width > IMAGE_MAX_PIXELS)
        return error_set(err, FAIL_LIMIT, "%s: %zu images of %zu x %zu pixels are too large", where, dims[0],
                         (size_t)s->width, (size_t)s->height);
    builder->count = dims[0];
    return OK;
}

enum status dataset_builder_labels(struct dataset_builder *builder, const long long *labels, size_t count,
                                   const char *where, struct error *err)
{
    enum status rc = OK;

    if (count != builder->count)
        return error_set(err, FAIL_FORMAT, "%s: has %zu labels for %zu images", where, count, builder->count);
    for (size_t i = 0; i < count; i++) {
        TRY(dataset_builder_check_label(labels[i], where, err));
        TRY(add_label(builder, (int)labels[i], err));
    }
done:
    return rc;
}

static enum status number_classes(struct dataset_builder *builder, struct error *err)
{
    enum status rc = OK;

    for (int k = 0; k <= builder->last; k++) {
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        TRY(dataset_builder_class(builder, name, err));
    }
done:
    return rc;
}

static size_t aligned(size_t nbytes)
{
    return (nbytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Hash everything except the root, so that a data set may be moved, and what is not part of it. Offsets are not hashed:
 * they depend on the root's length. */
static enum status hash(struct dataset_listing *l, struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const uint64_t head[] = {l->kind,        l->count,          l->nclasses,    l->shape.height,
                             l->shape.width, l->shape.channels, l->shape.planar};
    bool good =
        context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) && EVP_DigestUpdate(context, head, sizeof head);

    for (size_t s = 0; good && s < DATASET_SECTIONS; s++)
        if (s != DATASET_ROOT && s != DATASET_PASSED)
            good = EVP_DigestUpdate(context, &l->size[s], sizeof l->size[s]) &&
                   EVP_DigestUpdate(context, dataset_listing_section(l, (enum dataset_section)s), l->size[s]);
    good = good && EVP_DigestFinal_ex(context, l->sha256, NULL);
    EVP_MD_CTX_free(context);
    return good ? OK : error_set(err, FAIL_SYSTEM, "OpenSSL's SHA-256 failed");
}

enum status dataset_builder_finish(struct dataset_listing **out, struct dataset_builder *builder, struct error *err)
{
    struct dataset_listing head = {
        .kind = builder->kind, .count = builder->count, .shape = builder->shape, .by_folder = builder->by_folder};
    enum status rc = OK;

    if (builder->sections[DATASET_CLASSES].size == 0)
        TRY(number_classes(builder, err));
    TRY(dataset_buffer_append(&builder->sections[DATASET_PASSED], builder->passed, sizeof builder->passed, err));
    head.nclasses = builder->sections[DATASET_CLASSES].size / sizeof(uint64_t);
    head.nbytes = aligned(sizeof head);
    for (size_t s = 0; s < DATASET_SECTIONS; s++) {
        head.offset[s] = head.nbytes;
        head.size[s] = builder->sections[s].size;
        head.nbytes += aligned(head.size[s]);
    }
    *out = calloc(1, head.nbytes);
    if (!*out)
        return error_set(err, FAIL_SYSTEM, "no memory for a listing of %zu bytes", (size_t)head.nbytes);
    **out = head;
    for (size_t s = 0; s < DATASET_SECTIONS; s++)
        if (head.size[s]) {
            memcpy((unsigned char *)*out + head.offset[s], builder->sections[s].bytes, head.size[s]);
            dataset_buffer_free(&builder->sections[s]);
        }
    rc = hash(*out, err);
done:
    return rc;
}
