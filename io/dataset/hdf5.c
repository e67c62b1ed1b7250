/* HDF5 runs in a sandboxed process (io/base/sandbox.h), which answers one request after the other. */
#include "io/dataset/builder.h"
#include "io/dataset/hdf5_sandboxed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CANDIDATES = 1000 };

struct dataset_hdf5 {
    struct sandbox *sandbox;
    char path[DATASET_PATH], name[DATASET_PATH]; /* of the file, and of the array in it */
    size_t image_bytes;
    const struct dataset_listing *listing; /* borrowed; NULL while scanning */
};

enum status dataset_hdf5_split(char *file, char *name, const char *path, struct error *err)
{
    const char *colon = NULL;

    if (access(path, F_OK) != 0)
        for (const char *at = strstr(path, ":/"); at; at = strstr(at + 1, ":/"))
            colon = at;
    size_t length = colon ? (size_t)(colon - path) : strlen(path);
    if (length >= DATASET_PATH || strlen(path) >= DATASET_PATH)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", path);
    snprintf(file, DATASET_PATH, "%.*s", (int)length, path);
    snprintf(name, DATASET_PATH, "%s", colon ? colon + 2 : "");
    return OK;
}

/* Open the array `name`, or for "" the first one that may hold images, and set count and shape of `builder`. */
static enum status open_array(struct dataset_hdf5 *f, struct dataset_builder *builder, const char *name,
                              struct error *err)
{
    struct dataset_hdf5_sandboxed state = {.file = H5I_INVALID_HID};
    const struct sandbox_request request = {.path = f->path, .op = DATASET_HDF5_OPEN, .texts = {f->path, name}};
    struct sandbox_reply reply = {0};
    char where[2 * DATASET_PATH + 4];
    enum status rc;

    dataset_h5array_init(&state.pixels);
    sandbox_end(f->sandbox);
    f->sandbox = NULL;
    TRY(sandbox_start(&f->sandbox, dataset_hdf5_sandboxed_answer, &state, err));
    TRY(sandbox_call(&reply, f->sandbox, &request, err));
    snprintf(f->name, sizeof f->name, "%s", (const char *)reply.bytes);
    snprintf(where, sizeof where, "%s: /%s", f->path, f->name);
    if (reply.numbers[0] > H5_MAX_DIMS)
        TRY(error_set(err, FAIL_FORMAT, "%s is damaged", where));
    TRY(dataset_builder_array(builder, &reply.numbers[1], reply.numbers[0], where, err));
    f->image_bytes = (size_t)(builder->shape.height * builder->shape.width * builder->shape.channels);
done:
    free(reply.bytes);
    return rc;
}

/* ---- scanning -------------------------------------------------------------------------------------------------- */

/* Where labels are: in a file, as the dataset `name`, or "" for the usual one. */
struct labels {
    char file[DATASET_PATH], name[DATASET_PATH];
    bool apart; /* in another file than the images */
};

/* data.labels is FILE or FILE:/DATASET if there is such a file, else a dataset beside the images. */
static enum status find_labels(struct labels *out, const struct dataset_hdf5 *f, const struct dataset_options *o,
                               struct error *err)
{
    const char *path = o->labels_file ? o->labels_file : o->labels;
    struct stat info;
    enum status rc = OK;

    *out = (struct labels){.apart = false};
    if (o->labels) {
        TRY(dataset_hdf5_split(out->file, out->name, path, err));
        out->apart = stat(out->file, &info) == 0 && S_ISREG(info.st_mode);
    }
    if (!out->apart) {
        snprintf(out->file, sizeof out->file, "%s", f->path);
        snprintf(out->name, sizeof out->name, "%s", o->labels ? o->labels + strspn(o->labels, "/") : "");
    }
done:
    return rc;
}

static enum status read_labels(struct dataset_builder *builder, struct dataset_hdf5 *f, const struct labels *labels,
                               struct error *err)
{
    struct dataset_hdf5_sandboxed state = {.file = H5I_INVALID_HID};
    const struct sandbox_request request = {.path = labels->file,
                                            .op = DATASET_HDF5_LABELS,
                                            .numbers = {builder->count, labels->apart},
                                            .texts = {labels->file, labels->name}};
    struct sandbox *own = NULL;
    struct sandbox_reply reply = {0};
    char where[2 * DATASET_PATH + 4];
    enum status rc = OK;

    dataset_h5array_init(&state.pixels);
    if (labels->apart)
        TRY(sandbox_start(&own, dataset_hdf5_sandboxed_answer, &state, err));
    TRY(sandbox_call(&reply, own ? own : f->sandbox, &request, err));
    if (reply.numbers[0] == 0) {
        bool good = reply.nbytes > 0 && ((const char *)reply.bytes)[reply.nbytes - 1] == '\0';
        for (size_t i = 0; good && i < reply.numbers[1] && i < MAX_CANDIDATES; i++)
            dataset_builder_pass(builder, DATASET_PASS_ARRAYS, reply.bytes);
        goto done;
    }
    snprintf(where, sizeof where, "%s: /%s", labels->file, labels->name[0] ? labels->name : "label");
    if (reply.nbytes != builder->count * sizeof(long long))
        TRY(error_set(err, FAIL_FORMAT, "%s is damaged", where));
    rc = dataset_builder_labels(builder, reply.bytes, builder->count, where, err);
done:
    free(reply.bytes);
    sandbox_end(own);
    return rc;
}

enum status dataset_hdf5_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    struct dataset_hdf5 *f = calloc(1, sizeof *f);
    char name[DATASET_PATH] = "";
    struct labels labels;
    enum status rc = OK;

    if (!f)
        TRY(error_set(err, FAIL_RESOURCE, "no memory to open an HDF5 file"));
    TRY(dataset_hdf5_split(f->path, name, o->path, err));
    TRY(dataset_builder_file(builder, f->path, err));
    TRY(open_array(f, builder, name, err));
    TRY(dataset_builder_source(builder, f->name, err));
    TRY(find_labels(&labels, f, o, err));
    rc = read_labels(builder, f, &labels, err);
done:
    dataset_hdf5_close(f);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Repeat the checks of the scan, since the file may have been replaced in the meantime. */
static enum status open_again(struct dataset_hdf5 *f, struct error *err)
{
    const struct dataset_listing *listing = f->listing;
    const char *root = dataset_listing_section(listing, DATASET_ROOT);
    struct dataset_builder seen;
    enum status rc;

    dataset_builder_init(&seen, DATASET_HDF5);
    TRY(dataset_buffer_join(f->path, root, dataset_listing_string(listing, DATASET_SOURCES, 0), err));
    TRY(open_array(f, &seen, dataset_listing_string(listing, DATASET_SOURCES, 1), err));
    if (seen.count != listing->count || memcmp(&seen.shape, &listing->shape, sizeof seen.shape) != 0)
        rc = error_set(err, FAIL_MISMATCH, "%s: /%s has changed since the data set was scanned", f->path, f->name);
done:
    return rc;
}

enum status dataset_hdf5_open(struct dataset_hdf5 **out, const struct dataset_listing *listing, struct error *err)
{
    struct dataset_hdf5 *f = *out = calloc(1, sizeof *f);
    enum status rc;

    if (!f)
        return error_set(err, FAIL_SYSTEM, "no memory to open an HDF5 file");
    f->listing = listing;
    rc = open_again(f, err);
    if (rc != OK) {
        dataset_hdf5_close(f);
        *out = NULL;
    }
    return rc;
}

/* After a crash the file is opened again: only the image that crashes the library may fail, or the result would depend
 * on which process reads which images. */
enum status dataset_hdf5_read(unsigned char *out, struct dataset_hdf5 *file, size_t index, struct error *err)
{
    enum status rc;

    const struct sandbox_request request = {.path = file->path, .op = DATASET_HDF5_READ, .numbers = {index}};

    if (!file->sandbox || sandbox_has_ended(file->sandbox))
        TRY(open_again(file, err));
    rc = sandbox_call_into(out, file->image_bytes, file->sandbox, &request, err);
done:
    return rc;
}

void dataset_hdf5_close(struct dataset_hdf5 *file)
{
    if (file)
        sandbox_end(file->sandbox);
    free(file);
}
