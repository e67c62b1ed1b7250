#include "pipeline/analysis/export_virelay.h"

#include "io/export/virelay.h"
#include "kernels/base/number.h"
#include "pipeline/analysis/export_internal.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/results/layers.h"
#include "pipeline/run/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tolerance of an image's pixel relevance against the store's ledger, relative to the total variation. If computed on
 * different machines, both are within 1e-5 of the true value (docs/explanation/winograd.md). */
#define LEDGER_TOLERANCE 1e-4

/* The state of an export. */
struct work {
    const struct export_options *options;
    const struct node *node;
    struct export_source source;
    struct probe probe;
    struct shape shape;     /* of the input */
    size_t neurons, floats; /* of the input; of one image's row: relevance, input, logits */
    float *rows;            /* [block][floats] of this rank's block; NaN at the start of an image without relevance */
    float *attribution;     /* [3][H][W] */
    uint8_t *pixels;        /* [3][H][W] */
    double *ledger;         /* [images][2] mass and total variation of the input in the store; rank 0 */
    struct virelay *files;  /* rank 0 */
    struct error *err;
};

/* ---- the store --------------------------------------------------------------------------------------------------- */

static bool has_rows(const struct export_source *s, const char *layer)
{
    char path[EXPORT_PATH];

    snprintf(path, sizeof path, "layers/%s/relevance", layer);
    return store_has(s->reader, path);
}

/* The default layer: the last cut before the head if it has rows in the store, else the highest cut that has. */
static enum status choose_layer(struct export_source *s, struct error *err)
{
    struct layers layers;
    enum status rc = OK;

    TRY(layers_read(&layers, s->reader, s->path, err));
    size_t best = layers_default(&layers), k = best;
    while (k > 0 && (layers.items[k].pool || !layers.items[k].cut || !has_rows(s, layers.items[k].name)))
        k--;
    if (k == 0)
        TRY(error_set(err, FAIL_CONFIG,
                      "%s: has no relevance of single images to analyse; run again with "
                      "store.per_image = %s, or name another layer with --layer",
                      s->path, layers.count ? layers.items[best].name : ""));
    snprintf(s->chosen, sizeof s->chosen, "%s", layers.items[k].name);
    s->layers[s->nlayers++] = s->chosen;
done:
    layers_free(&layers);
    return rc;
}

/* Embeddings need two channels. */
static enum status check_channels(const struct export_source *s, const char *layer, struct error *err)
{
    size_t ndim, dims[STORE_MAX_DIMS];
    char path[EXPORT_PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "layers/%s/relevance", layer);
    TRY(store_shape(&ndim, dims, s->reader, path, err));
    if (ndim != 2 || dims[1] < 2)
        TRY(error_set(err, FAIL_CONFIG, "%s: layer %s has one channel, and nothing to embed", s->path, layer));
done:
    return rc;
}

/* Whether any class has enough images; checked before the images are computed. */
static enum status check_classes(const struct export_source *s, struct error *err)
{
    const int64_t *classes = s->origin.config.store.class_by == CONFIG_BY_LABEL ? s->label : s->target;
    size_t *counts = calloc(s->classes, sizeof *counts), most = 0;

    if (!counts)
        return error_set(err, FAIL_RESOURCE, "no memory to count the images of %zu classes", s->classes);
    for (size_t i = 0; i < s->images; i++) {
        if (s->status[i] != STORE_IMAGE_OK || classes[i] < 0 || classes[i] >= (int64_t)s->classes)
            continue;
        most = larger(most, ++counts[classes[i]]);
    }
    free(counts);
    return most >= EXPORT_LEAST_IMAGES
               ? OK
               : error_set(err, FAIL_CONFIG, "%s: no class has %d images or more, which an analysis needs", s->path,
                           (int)EXPORT_LEAST_IMAGES);
}

static enum status choose_layers(struct export_source *s, const struct export_options *options, struct error *err)
{
    s->layers = calloc(options->layers.count + 1, sizeof *s->layers);
    if (!s->layers)
        return error_set(err, FAIL_RESOURCE, "no memory for the names of layers");
    for (size_t i = 0; i < options->layers.count; i++) {
        const char *layer = options->layers.items[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(layer, options->layers.items[k]) == 0)
                return error_set(err, FAIL_CONFIG, "--layer %s is given twice", layer);
        if (strlen(layer) >= sizeof s->chosen || !has_rows(s, layer))
            return error_set(err, FAIL_CONFIG,
                             "%s: has no relevance of single images of layer %.60s; run again with store.per_image = "
                             "%.60s",
                             s->path, layer, layer);
        s->layers[s->nlayers++] = layer;
    }
    return s->nlayers ? OK : choose_layer(s, err);
}

static enum status read_source(struct export_source *s, const struct export_options *options, struct error *err)
{
    int64_t complete = 0;
    enum status rc = OK;

    s->path = options->store;
    s->images = s->classes = STORE_ANY;
    TRY(origin_open(&s->reader, s->path, err));
    TRY(origin_read(&s->origin, s->reader, s->path, err));
    TRY(store_get_int(&complete, s->reader, "", "complete", err));
    if (complete != 1)
        TRY(error_set(err, FAIL_CONFIG, "%s: is unfinished; start the run again to finish it", s->path));
    TRY(store_read_int(&s->status, s->reader, "images/status", 1, &s->images, err));
    TRY(store_read_int(&s->label, s->reader, "images/label", 1, &s->images, err));
    TRY(store_read_int(&s->target, s->reader, "images/target", 1, &s->images, err));
    TRY(store_read_text(&s->names, s->reader, "class", &s->classes, err));
    if (s->images == 0 || s->classes == 0 || s->classes >= UINT16_MAX)
        TRY(error_set(err, FAIL_LIMIT, "%s: cannot export %zu images of %zu classes", s->path, s->images, s->classes));
    TRY(choose_layers(s, options, err));
    for (size_t i = 0; i < s->nlayers; i++)
        TRY(check_channels(s, s->layers[i], err));
    TRY(check_classes(s, err));
done:
    return rc;
}

static void free_source(struct export_source *s)
{
    free(s->status);
    free(s->label);
    free(s->target);
    free(s->names);
    free(s->layers);
    origin_free(&s->origin);
    store_close(s->reader);
}

/* ---- preparation ------------------------------------------------------------------------------------------------- */

/* Begin a probe of the store's images without condition. The query makes the measure keep an image's arrays. */
static enum status begin_probe(struct work *w, struct log *log)
{
    const struct export_source *s = &w->source;
    int64_t first = 0;
    struct probe_options probe = {.source = w->options->source, .query = "input"};
    enum status rc = OK;

    TRY(agree(w->node->world, store_get_int(&first, s->reader, "", "first_image", w->err), w->err));
    probe.images = (struct range){(size_t)first, (size_t)first + s->images};
    TRY(probe_begin(&w->probe, &probe, w->node, log, w->err));
done:
    return rc;
}

static enum status compare(const struct work *w)
{
    const struct export_source *s = &w->source;
    const struct model *model = probe_model(&w->probe);
    enum status rc = OK;

    TRY(origin_compare(&s->origin, &w->probe.config, model->sha256, false, w->err));
    TRY(origin_compare_dataset(&s->origin, w->probe.plan.dataset_sha256, w->err));
    if (w->probe.count != s->images)
        TRY(error_set(w->err, FAIL_MISMATCH, "%s was made from other images than those of the configuration", s->path));
    if (network_shape(&model->net, model->net.nlinks).channels != s->classes ||
        (w->shape.channels != 1 && w->shape.channels != VIRELAY_COLOURS))
        TRY(error_set(w->err, FAIL_FORMAT, "%s: classes or colours are not those of the network", s->path));
done:
    return rc;
}

static void forget_rows(struct work *w)
{
    for (size_t i = 0; i < w->probe.config.run.block; i++)
        w->rows[i * w->floats] = NAN;
}

/* The input's columns of the store's ledger. */
static enum status read_ledger(struct work *w)
{
    static const char *const paths[] = {"images/mass", "images/variation"};
    size_t dims[] = {w->source.images, probe_model(&w->probe)->net.nlinks + 1};
    double *column = NULL;
    enum status rc = OK;

    w->ledger = calloc(2 * dims[0], sizeof *w->ledger);
    if (!w->ledger)
        return error_set(w->err, FAIL_RESOURCE, "no memory for the ledger of %zu images", dims[0]);
    for (size_t t = 0; t < 2; t++) {
        free(column);
        TRY(store_read_real(&column, w->source.reader, paths[t], 2, dims, w->err));
        for (size_t i = 0; i < dims[0]; i++)
            w->ledger[2 * i + t] = column[i * dims[1]];
    }
done:
    free(column);
    return rc;
}

static enum status prepare(struct work *w)
{
    const struct network *net = &probe_model(&w->probe)->net;
    size_t plane;
    enum status rc = OK;

    w->shape = network_shape(net, 0);
    w->neurons = shape_neurons(w->shape);
    plane = w->shape.height * w->shape.width;
    w->floats = 2 * w->neurons + network_shape(net, net->nlinks).channels;
    TRY(compare(w));
    w->rows = calloc(w->probe.config.run.block * w->floats, sizeof *w->rows);
    w->attribution = calloc(VIRELAY_COLOURS * plane, sizeof *w->attribution);
    w->pixels = calloc(VIRELAY_COLOURS * plane, sizeof *w->pixels);
    if (!w->rows || !w->attribution || !w->pixels)
        TRY(error_set(w->err, FAIL_RESOURCE, "no memory for a block of images; a smaller run.block needs less"));
    forget_rows(w);
done:
    return rc;
}

static enum status begin_files(struct work *w)
{
    struct virelay_size size = {w->source.images, w->shape.height, w->shape.width, w->source.classes};
    enum status rc = OK;

    TRY(read_ledger(w));
    TRY(virelay_make_folder(w->options->folder, w->err));
    TRY(virelay_create(&w->files, w->options->folder, size, w->err));
done:
    return rc;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static void take_image(void *context, size_t index, const struct measure_result *result,
                       const struct measure_image *image)
{
    struct work *w = context;
    const struct network *net = &probe_model(&w->probe)->net;
    float *row = w->rows + index % w->probe.config.run.block * w->floats;

    (void)result;
    layout_to_planar(row, image->r[0], network_layout(net, 0));
    layout_to_planar(row + w->neurons, image->a[0], network_layout(net, 0));
    layout_to_planar(row + 2 * w->neurons, image->a[net->nlinks], network_layout(net, net->nlinks));
}

/* Bytes before normalization, and relevance, both in the order red, green, blue. Grey is repeated, its
 * relevance divided by three, so that the sum over colours stays the same. */
static void set_colours(struct work *w, const float *row)
{
    const struct preprocessing *p = &probe_model(&w->probe)->preprocessing;
    size_t plane = w->shape.height * w->shape.width;
    float share = w->shape.channels == 1 ? 1.0F / VIRELAY_COLOURS : 1;

    for (size_t colour = 0; colour < VIRELAY_COLOURS; colour++) {
        size_t c = w->shape.channels == 1 ? 0 : p->reversed ? VIRELAY_COLOURS - 1 - colour : colour;
        for (size_t i = 0; i < plane; i++) {
            double x = (double)row[w->neurons + c * plane + i];
            double byte = round((x * (double)p->std[c] + (double)p->mean[c]) * (double)p->divisor);
            w->attribution[colour * plane + i] = share * row[c * plane + i];
            w->pixels[colour * plane + i] = (uint8_t)fmin(fmax(byte, 0), 255);
        }
    }
}

/* Write the row of an image. Rank 0. */
static enum status take_row(struct work *w, size_t image, const float *row)
{
    const struct export_source *s = &w->source;
    double sum = 0, mass = w->ledger[2 * image], variation = w->ledger[2 * image + 1];

    if (s->status[image] != STORE_IMAGE_OK)
        return OK;
    if (isnan(row[0]))
        return error_set(w->err, FAIL_MISMATCH, "image %zu is ok in %s, but not now; have its files changed?",
                         w->probe.first + image, s->path);
    for (size_t i = 0; i < w->neurons; i++)
        sum += (double)row[i];
    if (!(fabs(sum - mass) <= LEDGER_TOLERANCE * fmax(1, variation)))
        return error_set(w->err, FAIL_MISMATCH,
                         "the pixels of image %zu have the relevance %.6g, but %.6g in %s; have its files changed?",
                         w->probe.first + image, sum, mass, s->path);
    set_colours(w, row);
    return virelay_write_sample(w->files, image, w->pixels, w->attribution, row + 2 * w->neurons, w->err);
}

/* Bring the rows of one rank's block to rank 0, which goes on receiving after a failure. Ranks 0 and `rank`. */
static enum status hand_over(struct work *w, int rank, size_t block)
{
    struct shard_images images = run_plan_block(&w->probe.plan, block);
    size_t size = w->probe.config.run.block;
    enum status rc = OK;

    for (size_t index = images.first; index < images.end; index++) {
        float *row = w->rows + index % size * w->floats;
        if (rank != 0 && w->node->rank == 0)
            MPI_Recv(row, (int)w->floats, MPI_FLOAT, rank, 0, w->node->world, MPI_STATUS_IGNORE);
        else if (rank != 0)
            MPI_Send(row, (int)w->floats, MPI_FLOAT, 0, 0, w->node->world);
        if (w->node->rank == 0 && rc == OK)
            rc = take_row(w, index - w->probe.first, row);
    }
    return rc;
}

static enum status end_round(void *context, size_t lead, struct error *err)
{
    struct work *w = context;
    enum status rc = OK;

    for (int rank = 0; rank < w->node->nranks; rank++)
        if (w->node->rank == 0 || w->node->rank == rank) {
            enum status handed = hand_over(w, rank, lead + (size_t)rank);
            rc = rc == OK ? handed : rc;
        }
    forget_rows(w);
    return agree(w->node->world, rc, err);
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

/* Images without a label get the class behind the last one. */
static enum status write_labels(struct work *w)
{
    const struct export_source *s = &w->source;
    uint16_t *labels = calloc(s->images, sizeof *labels);

    if (!labels)
        return error_set(w->err, FAIL_RESOURCE, "no memory for %zu labels", s->images);
    for (size_t i = 0; i < s->images; i++) {
        bool known = s->label[i] >= 0 && s->label[i] < (int64_t)s->classes;
        labels[i] = (uint16_t)(known ? (size_t)s->label[i] : s->classes);
    }
    enum status rc = virelay_write_labels(w->files, labels, w->err);

    free(labels);
    return rc;
}

/* What rank 0 does when all images are there. */
static enum status finish(struct work *w, struct export_result *out)
{
    const struct export_source *s = &w->source;
    enum status rc = OK;

    out->analyses = calloc(s->nlayers, sizeof *out->analyses);
    if (!out->analyses)
        TRY(error_set(w->err, FAIL_RESOURCE, "no memory for %zu analyses", s->nlayers));
    TRY(write_labels(w));
    rc = virelay_commit(w->files, w->err);
    w->files = NULL;
    TRY(rc);
    for (size_t i = 0; i < s->nlayers; i++) {
        out->nanalyses++;
        TRY(export_analyse(&out->analyses[i], s, s->layers[i], w->options->folder, w->err));
    }
    out->images = s->images;
    for (size_t i = 0; i < s->images; i++)
        out->ok += s->status[i] == STORE_IMAGE_OK;
    TRY(export_write_project(s, out, w->options->folder, w->err));
done:
    return rc;
}

enum status export_virelay(struct export_result *out, const struct export_options *options, const struct node *node,
                           struct log *log, struct error *err)
{
    struct work w = {.options = options, .node = node, .err = err};
    bool root = node->rank == 0;
    enum status rc = OK;

    *out = (struct export_result){.images = 0};
    TRY(agree(node->world, read_source(&w.source, options, err), err));
    TRY(begin_probe(&w, log));
    TRY(agree(node->world, prepare(&w), err));
    TRY(agree(node->world, root ? begin_files(&w) : OK, err));
    TRY(probe_run(&w.probe, (struct block_watcher){&w, take_image}, (struct probe_round){&w, end_round}, err));
    TRY(agree(node->world, root ? finish(&w, out) : OK, err));
done:
    virelay_discard(w.files);
    probe_end(&w.probe);
    free_source(&w.source);
    free(w.rows);
    free(w.attribution);
    free(w.pixels);
    free(w.ledger);
    return rc;
}

void export_free(struct export_result *result)
{
    free(result->analyses);
    *result = (struct export_result){.images = 0};
}
