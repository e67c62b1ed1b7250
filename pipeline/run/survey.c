#include "pipeline/run/survey.h"

#include "io/dataset/survey.h"
#include "kernels/base/number.h"
#include "pipeline/mpi/agree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- surveying ------------------------------------------------------------------------------------------------- */

/* A rank's part. */
struct part {
    const struct preprocessing *preprocessing;
    size_t first;
    int64_t *bytes, *time;
    size_t most;
};

/* Rows of the image after the horizontal pass of its resizing. */
static size_t resize_bytes(const struct dataset_surveyed *image, const struct preprocessing *p)
{
    if (p->resize == 0 || image->width == 0)
        return 0;
    size_t shorter = smaller(image->width, image->height), longer = larger(image->width, image->height);
    size_t width = image->width > image->height ? p->resize * longer / shorter : p->resize;
    return smaller(width, IMAGE_MAX_SIDE) * image->height * p->channels;
}

/* The buffer of encoded images grows by doubling. */
static void take(void *context, size_t index, const struct dataset_surveyed *image)
{
    struct part *part = context;
    size_t needed = image->decode_bytes + 2 * image->encoded_bytes + resize_bytes(image, part->preprocessing);

    part->bytes[index - part->first] = image->nbytes;
    part->time[index - part->first] = image->time;
    if (image->width > 0)
        part->most = larger(part->most, needed);
}

/* First image of a rank's part. */
static size_t part_begin(struct shard_images images, int rank, int nranks)
{
    return images.first + (images.end - images.first) * (size_t)rank / (size_t)nranks;
}

/* Put the parts of all ranks together on rank 0. */
static void gather(int64_t *whole, const int64_t *mine, struct shard_images images, const struct node *node,
                   int *counts)
{
    int *places = counts + node->nranks;

    for (int i = 0; i < node->nranks; i++) {
        places[i] = (int)(part_begin(images, i, node->nranks) - images.first);
        counts[i] = (int)(part_begin(images, i + 1, node->nranks) - part_begin(images, i, node->nranks));
    }
    MPI_Gatherv(mine, counts[node->rank], MPI_INT64_T, whole, counts, places, MPI_INT64_T, 0, node->world);
}

enum status survey_images(struct survey *out, const struct dataset_listing *listing, struct shard_images images,
                          const struct preprocessing *p, const struct node *node, struct error *err)
{
    size_t first = part_begin(images, node->rank, node->nranks), end = part_begin(images, node->rank + 1, node->nranks);
    struct part part = {.preprocessing = p, .first = first};
    int *counts = calloc(2 * (size_t)node->nranks, sizeof *counts);
    unsigned long long most;
    enum status rc = OK;

    *out = (struct survey){.count = images.end - images.first};
    part.bytes = calloc(end - first + 1, sizeof *part.bytes);
    part.time = calloc(end - first + 1, sizeof *part.time);
    if (node->rank == 0) {
        out->bytes = calloc(out->count, sizeof *out->bytes);
        out->time = calloc(out->count, sizeof *out->time);
    }
    if (!counts || !part.bytes || !part.time || (node->rank == 0 && (!out->bytes || !out->time)))
        rc = error_set(err, FAIL_SYSTEM, "no memory for the sizes of %zu image files", out->count);
    TRY(agree(node->world, rc, err));
    dataset_survey(listing, first, end, take, &part);
    gather(out->bytes, part.bytes, images, node, counts);
    gather(out->time, part.time, images, node, counts);
    most = part.most;
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_UNSIGNED_LONG_LONG, MPI_MAX, node->world);
    out->image_bytes = (size_t)most;
done:
    free(counts);
    free(part.bytes);
    free(part.time);
    return rc;
}

void survey_free(struct survey *survey)
{
    free(survey->bytes);
    free(survey->time);
    *survey = (struct survey){0};
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

enum status survey_save(struct store *store, const struct survey *survey, struct error *err)
{
    enum status rc = OK;

    if (!survey->bytes)
        return OK;
    TRY(store_write(store, "state/file_bytes", survey->bytes, 1, &survey->count, err));
    TRY(store_write(store, "state/file_time", survey->time, 1, &survey->count, err));
done:
    return rc;
}

static void describe(char *out, size_t n, int64_t now, int64_t then)
{
    if (now < 0 || then < 0)
        snprintf(out, n, "%s now", now < 0 ? "it cannot be opened" : "it could not be opened then, but can be");
    else if (now != then)
        snprintf(out, n, "it has %" PRId64 " bytes instead of %" PRId64, now, then);
    else
        snprintf(out, n, "it was written to since");
}

enum status survey_compare(const struct survey *survey, const char *path, const struct dataset_listing *listing,
                           struct shard_images images, struct error *err)
{
    struct store_reader *store = NULL;
    int64_t *bytes = NULL, *time = NULL;
    size_t count = survey->count;
    char name[512], what[96];
    enum status rc = OK;

    TRY(store_open_read(&store, path, err));
    if (!store_has(store, "state/file_bytes") || !store_has(store, "state/file_time"))
        goto done;
    TRY(store_read_int(&bytes, store, "state/file_bytes", 1, &count, err));
    TRY(store_read_int(&time, store, "state/file_time", 1, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == survey->bytes[i] && time[i] == survey->time[i])
            continue;
        dataset_listing_name(name, sizeof name, listing, images.first + i);
        describe(what, sizeof what, survey->bytes[i], bytes[i]);
        TRY(error_set(
            err, FAIL_MISMATCH,
            "%s: the images have changed since this run began; the first is %s: %s. Its store would mix both: "
            "bring the images back, or begin again with --restart; if they are the same, copied or touched, "
            "continue with --same-images",
            path, name, what));
    }
done:
    free(bytes);
    free(time);
    store_close(store);
    return rc;
}
