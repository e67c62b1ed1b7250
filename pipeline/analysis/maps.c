#include "pipeline/analysis/maps.h"

#include "io/base/fault.h"
#include "io/image/write.h"
#include "pipeline/analysis/picture.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/huge_pages.h"
#include "pipeline/run/place.h"
#include "pipeline/run/save.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The state of the work. */
struct work {
    struct maps *out;
    const struct maps_options *options;
    const struct node *node;
    const struct run_plan *run;
    size_t variable, neurons;
    struct sets_plan plan;
    void *memory; /* everything down to `planes` */
    struct decision_workspace decision;
    float *map;     /* as the layer lies in memory */
    float *rows;    /* [block][neurons] planar, of this rank's block; NaN where there is no map */
    float *input;   /* [neurons of the input] planar */
    double *planes; /* [H][W] sum over channels */
    struct image picture;
    struct store *store; /* rank 0 */
    enum status rc;      /* what went wrong while images were computed, */
    struct error why;    /* and why */
    struct error *err;
};

/* ---- preparation ------------------------------------------------------------------------------------------------- */

static enum status find_layer(struct work *w)
{
    const struct network *net = &w->run->model.net;
    struct suggest nearest;
    char hint[SUGGEST_HINT];

    w->variable = network_find(net, w->options->at);
    if (w->variable <= net->nlinks) {
        w->out->shape = network_shape(net, w->variable);
        w->neurons = shape_neurons(w->out->shape);
        return OK;
    }
    suggest_init(&nearest, w->options->at);
    for (size_t k = 0; k <= net->nlinks; k++)
        suggest_offer(&nearest, network_variable(net, k));
    suggest_hint(hint, sizeof hint, &nearest);
    return error_set(w->err, FAIL_CONFIG, "--at %.60s: %s has no layer of this name%s", w->options->at, net->name,
                     hint);
}

static enum status plan_map(struct work *w)
{
    struct sets sets = {0};
    enum status rc = OK;

    TRY(sets_parse(&sets, w->options->probe.query, &w->run->model.net, w->err));
    TRY(sets_plan_init(&w->plan, &sets, &sets.value, w->variable, w->err));
done:
    sets_free(&sets);
    return rc;
}

static void place(struct work *w, struct arena *arena)
{
    const struct network *net = &w->run->model.net;
    struct decision_extent extent = decision_extent(&w->plan.decision);

    extent.maps = true;
    decision_place(&w->decision, &w->run->model.plan, extent, arena);
    w->map = arena_floats(arena, layout_floats(network_layout(net, w->variable)));
    w->rows = arena_floats(arena, w->run->config->run.block * w->neurons);
    w->input = arena_floats(arena, shape_neurons(network_shape(net, 0)));
    w->planes = arena_doubles(arena, w->out->shape.height * w->out->shape.width);
}

static void forget_rows(struct work *w)
{
    for (size_t i = 0; i < w->run->config->run.block * w->neurons; i++)
        w->rows[i] = NAN;
}

static enum status prepare(struct work *w)
{
    struct arena arena = arena_over(NULL, 0);
    enum status rc = OK;

    TRY(find_layer(w));
    TRY(plan_map(w));
    place(w, &arena);
    size_t nbytes = arena.peak;
    w->memory = huge_pages_alloc(nbytes);
    w->out->images = calloc(w->out->probe.count, sizeof *w->out->images);
    if (!w->memory || !w->out->images)
        TRY(error_set(w->err, FAIL_RESOURCE, "no memory for a block of maps, %zu MiB; a smaller run.block needs less",
                      nbytes >> 20));
    arena = arena_over(w->memory, nbytes);
    place(w, &arena);
    forget_rows(w);
done:
    return rc;
}

/* ---- the store: rank 0 ------------------------------------------------------------------------------------------- */

static enum status make_folder(const char *folder, struct error *err)
{
    struct stat about;

    if (!*folder)
        return error_set(err, FAIL_CONFIG, "--output is empty; name the folder to write to");
    if (stat(folder, &about) == 0)
        return OK; /* place_check reports a file that is no folder */
    if (fault_hit(FAULT_FOLDER) || mkdir(folder, 0777) != 0)
        return error_system(err, "%s: the folder cannot be made", folder);
    return OK;
}

static enum status begin_store(struct work *w)
{
    const struct run_plan *run = w->run;
    struct save_inputs what = {.plan = run, .provenance = &run->provenance, .dataset = run->config->data.path.file};
    size_t dims[] = {w->out->probe.count, w->out->shape.channels, w->out->shape.height, w->out->shape.width};
    bool exists;
    enum status rc = OK;

    TRY(make_folder(w->options->folder, w->err));
    TRY(place_check(&exists, w->out->path, run->config, true, w->err));
    TRY(store_create(&w->store, w->out->path, (unsigned)run->config->store.compression, w->err));
    TRY(save_origin(w->store, &what, w->err));
    TRY(save_listing(w->store, run, w->err));
    TRY(store_create_rows(w->store, "queries/" MAPS_QUERY "/map", 4, dims, w->err));
    TRY(store_set_text(w->store, "queries/" MAPS_QUERY, "layer", w->options->at, w->err));
done:
    return rc;
}

/* Columns of the images, from the probe. */
static enum status write_columns(struct work *w, double *value, double *given, float *logit, int32_t *numbers,
                                 uint8_t *status)
{
    const struct probe *probe = &w->out->probe;
    size_t n = probe->count;
    const struct query query = {.name = MAPS_QUERY, .text = w->options->probe.query};
    struct queries_weak weak = {0};
    enum status rc = OK;

    for (size_t i = 0; i < n; i++) {
        const struct probe_image *image = &probe->images[i];
        bool ok = image->status == STORE_IMAGE_OK;
        value[i] = ok ? image->value : NAN;
        given[i] = ok ? image->given : NAN;
        logit[i] = (float)image->logit;
        numbers[i] = image->target;
        numbers[n + i] = image->predicted;
        status[i] = (uint8_t)image->status;
        w->out->images[i].drawn =
            ok && w->out->shape.height * w->out->shape.width > 1 && !isnan(queries_ratio(image->value, image->given));
    }
    TRY(store_write(w->store, "images/target", numbers, 1, &n, w->err));
    TRY(store_write(w->store, "images/predicted", numbers + n, 1, &n, w->err));
    TRY(store_write(w->store, "images/logit", logit, 1, &n, w->err));
    TRY(store_write(w->store, "images/status", status, 1, &n, w->err));
    TRY(store_write(w->store, "queries/" MAPS_QUERY "/value", value, 1, &n, w->err));
    TRY(store_write(w->store, "queries/" MAPS_QUERY "/given", given, 1, &n, w->err));
    TRY(queries_finish(w->store, &weak, &query, value, given, n, w->err));
    w->out->mean = queries_mean(value, given, n);
done:
    return rc;
}

static enum status finish_store(struct work *w)
{
    size_t n = w->out->probe.count;
    double *reals = calloc(2 * n, sizeof *reals);
    float *logit = calloc(n, sizeof *logit);
    int32_t *numbers = calloc(2 * n, sizeof *numbers);
    uint8_t *status = calloc(n, sizeof *status);
    enum status rc = OK;

    if (!reals || !logit || !numbers || !status)
        TRY(error_set(w->err, FAIL_SYSTEM, "no memory for the columns of %zu images", n));
    TRY(write_columns(w, reals, reals + n, logit, numbers, status));
    TRY(store_set_int(w->store, "", "complete", 1, w->err));
    rc = store_commit(w->store, w->err);
    w->store = NULL;
done:
    free(reals);
    free(logit);
    free(numbers);
    free(status);
    return rc;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

/* Sum over channels at every position. Returns the largest magnitude. */
static double add_channels(double *planes, const float *map, struct shape shape)
{
    size_t positions = shape.height * shape.width;
    double largest = 0;

    memset(planes, 0, positions * sizeof *planes);
    for (size_t i = 0; i < shape_neurons(shape); i++)
        planes[i % positions] += (double)map[i];
    for (size_t i = 0; i < positions; i++)
        largest = fmax(largest, fabs(planes[i]));
    return largest;
}

void maps_picture(char *path, size_t n, const char *folder, size_t image)
{
    snprintf(path, n, "%s/%08zu.png", folder, image);
}

/* Draw the map of one image, divided by its condition. Colours are relative, so only the condition's sign matters. */
static enum status draw(struct work *w, size_t index, const float *map, double given, const float *input)
{
    size_t positions = w->out->shape.height * w->out->shape.width, n = strlen(w->options->folder) + 32;
    double full = add_channels(w->planes, map, w->out->shape);
    char *path;
    enum status rc = OK;

    for (size_t i = 0; i < positions; i++)
        w->planes[i] = copysign(1, given) * w->planes[i];
    path = malloc(n);
    if (!path)
        TRY(error_set(&w->why, FAIL_RESOURCE, "no memory for a path"));
    maps_picture(path, n, w->options->folder, index);
    layout_to_planar(w->input, input, network_layout(&w->run->model.net, 0));
    TRY(picture_draw(&w->picture, w->input, &w->run->model.preprocessing,
                     (struct picture_map){w->planes, w->out->shape.height, w->out->shape.width, full}, &w->why));
    TRY(image_write_png(&w->picture, path, &w->why));
done:
    free(path);
    return rc;
}

static void take_image(void *context, size_t index, const struct measure_result *result,
                       const struct measure_image *image)
{
    struct work *w = context;
    size_t slot = index - w->out->probe.work.worker.start;
    const double *numbers = queries_numbers(&w->out->probe.work.worker.queries, &w->run->queries, slot);
    float *row = w->rows + index % w->run->config->run.block * w->neurons;

    (void)result;
    if (w->rc != OK)
        return;
    decision_map(w->map, &w->plan.decision, w->variable, image, &w->decision);
    layout_to_planar(row, w->map, network_layout(&w->run->model.net, w->variable));
    if (w->out->shape.height * w->out->shape.width > 1 && !isnan(queries_ratio(numbers[0], numbers[1])))
        w->rc = draw(w, index, row, numbers[1], image->a[0]);
}

/* Write the row of an image. Rank 0. */
static enum status take_row(struct work *w, size_t index, const float *row)
{
    size_t i = index - w->out->probe.first;
    double sum = 0;

    for (size_t k = 0; k < w->neurons; k++)
        sum += (double)row[k];
    w->out->images[i].sum = sum;
    w->out->images[i].largest = isnan(sum) ? NAN : add_channels(w->planes, row, w->out->shape);
    return store_write_rows(w->store, "queries/" MAPS_QUERY "/map", i, 1, row, w->err);
}

/* Bring the rows of one rank's block to rank 0, which goes on receiving after a failure. Ranks 0 and `rank`. */
static enum status hand_over(struct work *w, int rank, size_t block)
{
    struct shard_images images = run_plan_block(w->run, block);
    size_t size = w->run->config->run.block;
    enum status rc = OK;

    for (size_t index = images.first; index < images.end; index++) {
        float *row = w->rows + index % size * w->neurons;
        if (rank != 0 && w->node->rank == 0)
            MPI_Recv(row, (int)w->neurons, MPI_FLOAT, rank, 0, w->node->world, MPI_STATUS_IGNORE);
        else if (rank != 0)
            MPI_Send(row, (int)w->neurons, MPI_FLOAT, 0, 0, w->node->world);
        if (w->node->rank == 0 && rc == OK)
            rc = take_row(w, index, row);
    }
    return rc;
}

static enum status end_round(void *context, size_t lead, struct error *err)
{
    struct work *w = context;
    enum status rc = OK;

    if (w->rc != OK)
        rc = error_set(err, w->rc, "%s", w->why.message);
    TRY(agree(w->node->world, rc, err));
    for (int rank = 0; rank < w->node->nranks; rank++)
        if (w->node->rank == 0 || w->node->rank == rank) {
            enum status handed = hand_over(w, rank, lead + (size_t)rank);
            rc = rc == OK ? handed : rc;
        }
    forget_rows(w);
    rc = agree(w->node->world, rc, err);
done:
    return rc;
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static enum status name_store(struct maps *out, const char *folder, struct error *err)
{
    size_t n = strlen(folder) + sizeof "/maps.h5";

    out->path = malloc(n);
    if (!out->path)
        return error_set(err, FAIL_RESOURCE, "no memory for a path");
    snprintf(out->path, n, "%s/maps.h5", folder);
    return OK;
}

enum status maps_make(struct maps *out, const struct maps_options *options, const struct node *node, struct log *log,
                      struct error *err)
{
    struct work w = {.out = out, .options = options, .node = node, .err = err};
    bool root = node->rank == 0;
    enum status rc = OK;

    *out = (struct maps){.path = NULL};
    image_init(&w.picture);
    TRY(agree(node->world, name_store(out, options->folder, err), err));
    TRY(probe_begin(&out->probe, &options->probe, node, log, err));
    w.run = &out->probe.plan;
    TRY(agree(node->world, prepare(&w), err));
    TRY(agree(node->world, root ? begin_store(&w) : OK, err));
    TRY(probe_run(&out->probe, (struct block_watcher){&w, take_image}, (struct probe_round){&w, end_round}, err));
    TRY(agree(node->world, root ? finish_store(&w) : OK, err));
done:
    store_discard(w.store);
    image_free(&w.picture);
    sets_plan_free(&w.plan);
    free(w.memory);
    return rc;
}

void maps_free(struct maps *maps)
{
    probe_end(&maps->probe);
    free(maps->images);
    free(maps->path);
}
