#include "pipeline/analysis/report_images.h"

#include "kernels/base/number.h"
#include "kernels/measure/sweep.h"
#include "pipeline/results/origin.h"
#include "pipeline/run/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest side of a picture, and of a map; the middle of a map's bytes, and the most above it. */
enum { PICTURE = 64, MAP = 32, ZERO = 32, LEVELS = 31, NLISTS = 2, COLOURS = 3 };

/* A layer whose channels have images. */
struct layer {
    const char *name;
    size_t variable, count; /* channels that are kept */
    size_t channels[REPORT_IMAGES_CHANNELS];
    unsigned char *maps; /* [count][NLISTS][DEPTH][MAP's area] owned */
    double *scale;       /* [count][NLISTS][DEPTH] owned */
};

/* An image in a channel's list. */
struct wish {
    int64_t image;
    size_t layer, channel, place; /* of the layer's kept channels; place of the map among the layer's */
};

struct work {
    const struct report_arrays *arrays;
    struct probe probe;
    struct layer layers[NETWORK_MAX_VARIABLES];
    size_t nlayers, nwishes;
    struct wish *wishes; /* owned; by image once sorted */
    int64_t *images;     /* [nimages] ascending; owned */
    size_t nimages;
    struct shape input;
    size_t picture_step, map_step; /* input pixels for one pixel of a picture, or of a map, in each direction */
    unsigned char *pictures;       /* [nimages][picture's area][channels] owned */
    void *memory;                  /* owned: of the sweeps */
    struct sweep sweep;
    float *planar; /* [neurons of the input] */
};

static size_t steps(size_t side, size_t step)
{
    return (side + step - 1) / step;
}

static size_t map_area(const struct work *w)
{
    return steps(w->input.height, w->map_step) * steps(w->input.width, w->map_step);
}

static size_t picture_bytes(const struct work *w)
{
    return steps(w->input.height, w->picture_step) * steps(w->input.width, w->picture_step) * w->input.channels;
}

/* ---- images of channels ------------------------------------------------------------------------------------------ */

static void choose_channels(struct layer *layer, const double *mean, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        size_t at = layer->count;

        while (at > 0 && mean[c] > mean[layer->channels[at - 1]])
            at--;
        if (at == REPORT_IMAGES_CHANNELS)
            continue;
        if (layer->count < REPORT_IMAGES_CHANNELS)
            layer->count++;
        memmove(layer->channels + at + 1, layer->channels + at, (layer->count - 1 - at) * sizeof *layer->channels);
        layer->channels[at] = c;
    }
}

/* The images of one list of a layer's channels. */
static enum status read_list(struct work *w, size_t l, size_t list, size_t channels, struct error *err)
{
    static const char *const names[NLISTS] = {"top_image", "active_image"};
    struct layer *layer = &w->layers[l];
    char path[STORE_NAME + 32];
    size_t dims[2] = {channels, STORE_ANY};
    int64_t *images = NULL;
    enum status rc = OK;

    snprintf(path, sizeof path, "layers/%s/%s", layer->name, names[list]);
    if (!store_has(w->arrays->reader, path))
        return OK;
    TRY(store_read_int(&images, w->arrays->reader, path, 2, dims, err));
    for (size_t c = 0; c < layer->count; c++)
        for (size_t t = 0; t < REPORT_IMAGES_DEPTH && t < dims[1]; t++) {
            int64_t image = images[layer->channels[c] * dims[1] + t];
            size_t place = (c * NLISTS + list) * REPORT_IMAGES_DEPTH + t;
            if (image >= 0)
                w->wishes[w->nwishes++] = (struct wish){image, l, c, place};
        }
done:
    free(images);
    return rc;
}

static enum status add_layer(struct work *w, const struct summary_layer *about, struct error *err)
{
    struct layer *layer = &w->layers[w->nlayers];
    size_t channels = about->channels, nmaps = (size_t)REPORT_IMAGES_CHANNELS * NLISTS * REPORT_IMAGES_DEPTH;
    char path[STORE_NAME + 32];
    double *mean = NULL;
    enum status rc = OK;

    *layer = (struct layer){.name = about->name, .variable = network_find(&probe_model(&w->probe)->net, about->name)};
    if (layer->variable == 0 || layer->variable > probe_model(&w->probe)->net.nlinks)
        return OK; /* the input: its channels have no map of their own */
    if (!network_has_rule(&probe_model(&w->probe)->net.links[layer->variable - 1]))
        return OK; /* its channels are those of layers below */
    layer->maps = calloc(nmaps, map_area(w));
    layer->scale = calloc(nmaps, sizeof *layer->scale);
    w->nlayers++;
    if (!layer->maps || !layer->scale)
        TRY(error_system(err, "no memory for the maps of %s", about->name));
    snprintf(path, sizeof path, "layers/%s/mean", about->name);
    TRY(store_read_real(&mean, w->arrays->reader, path, 1, &channels, err));
    choose_channels(layer, mean, channels);
    for (size_t list = 0; list < NLISTS; list++)
        TRY(read_list(w, w->nlayers - 1, list, channels, err));
done:
    free(mean);
    return rc;
}

static int by_image(const void *a, const void *b)
{
    const struct wish *x = a, *y = b;

    if (x->image != y->image)
        return x->image < y->image ? -1 : 1;
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1) : (x->place > y->place) - (x->place < y->place);
}

static enum status collect(struct work *w, const struct summary *summary, struct error *err)
{
    size_t most = (size_t)NETWORK_MAX_VARIABLES * REPORT_IMAGES_CHANNELS * NLISTS * REPORT_IMAGES_DEPTH;
    enum status rc = OK;

    w->wishes = calloc(most, sizeof *w->wishes);
    w->images = calloc(most, sizeof *w->images);
    if (!w->wishes || !w->images)
        TRY(error_system(err, "no memory for the lists of images"));
    for (size_t i = 0; i < summary->nlayers && w->nlayers < NETWORK_MAX_VARIABLES; i++)
        if (summary->layers[i].channels)
            TRY(add_layer(w, &summary->layers[i], err));
    qsort(w->wishes, w->nwishes, sizeof *w->wishes, by_image);
    for (size_t i = 0; i < w->nwishes; i++)
        if (i == 0 || w->wishes[i].image != w->wishes[i - 1].image)
            w->images[w->nimages++] = w->wishes[i].image;
    w->pictures = calloc(w->nimages + 1, picture_bytes(w));
    if (!w->pictures)
        TRY(error_system(err, "no memory for %zu images", w->nimages));
done:
    return rc;
}

static int compare_images(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* An image's place in w->images; NULL if it is not there. */
static const int64_t *find_image(const struct work *w, size_t image)
{
    int64_t wanted = (int64_t)image;

    return bsearch(&wanted, w->images, w->nimages, sizeof wanted, compare_images);
}

static bool has_wanted(void *context, size_t first, size_t end)
{
    const struct work *w = context;

    for (size_t image = first; image < end; image++)
        if (find_image(w, image))
            return true;
    return false;
}

/* ---- pictures and maps ----------------------------------------------------------------------------------------- */

/* out[steps][steps] = sum over the input's pixels in a step; of one channel, or of all. */
static void add_up(double *out, const float *planes, struct shape input, size_t channels, size_t step)
{
    size_t width = steps(input.width, step);

    memset(out, 0, steps(input.height, step) * width * sizeof *out);
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < input.height; y++)
            for (size_t x = 0; x < input.width; x++)
                out[y / step * width + x / step] += (double)planes[(c * input.height + y) * input.width + x];
}

static void draw_picture(struct work *w, unsigned char *picture, const float *input)
{
    const struct preprocessing *p = &probe_model(&w->probe)->preprocessing;
    size_t channels = w->input.channels, area = picture_bytes(w) / channels;
    double sums[PICTURE * PICTURE], pixels = (double)(w->picture_step * w->picture_step);

    layout_to_planar(w->planar, input, network_layout(&probe_model(&w->probe)->net, 0));
    for (size_t c = 0; c < channels; c++) {
        size_t colour = p->reversed ? channels - 1 - c : c;
        add_up(sums, w->planar + c * w->input.height * w->input.width, w->input, 1, w->picture_step);
        for (size_t i = 0; i < area; i++) {
            double value = (sums[i] / pixels * (double)p->std[c] + (double)p->mean[c]) * (double)p->divisor;
            picture[i * channels + colour] = (unsigned char)lround(fmin(fmax(value, 0), 255));
        }
    }
}

static void draw_map(struct work *w, struct layer *layer, size_t place, size_t channel,
                     const struct measure_image *image)
{
    const struct network *net = &probe_model(&w->probe)->net;
    struct shape shape = network_shape(net, layer->variable);
    struct layout layout = network_layout(net, layer->variable);
    float *start = sweep_start(&w->sweep, layer->variable, 1);
    unsigned char *map = layer->maps + place * map_area(w);
    double sums[MAP * MAP], largest = 0;

    for (size_t y = 0; y < shape.height; y++)
        for (size_t x = 0; x < shape.width; x++) {
            size_t i = layout_index(layout, channel, y, x);
            start[i] = image->r[layer->variable][i];
        }
    const float *pixels = sweep_go(&w->sweep, image, layer->variable, 0, 1, &(struct sweep_way){.masks = NULL});

    layout_to_planar(w->planar, pixels, network_layout(net, 0));
    add_up(sums, w->planar, w->input, w->input.channels, w->map_step);
    for (size_t i = 0; i < map_area(w); i++)
        largest = fmax(largest, fabs(sums[i]));
    for (size_t i = 0; i < map_area(w); i++) {
        double level = largest > 0 ? copysign(sqrt(fabs(sums[i]) / largest), sums[i]) : 0;
        map[i] = (unsigned char)(ZERO + lround(LEVELS * level));
    }
    layer->scale[place] = largest;
}

/* Find an image's first wish. */
static size_t first_wish(const struct work *w, int64_t image)
{
    size_t low = 0, high = w->nwishes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->wishes[middle].image < image)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_image(void *context, size_t index, const struct measure_result *result,
                       const struct measure_image *image)
{
    struct work *w = context;
    const int64_t *found = find_image(w, index);

    (void)result;
    if (!found)
        return;
    draw_picture(w, w->pictures + (size_t)(found - w->images) * picture_bytes(w), image->a[0]);
    for (size_t i = first_wish(w, *found); i < w->nwishes && w->wishes[i].image == *found; i++) {
        struct layer *layer = &w->layers[w->wishes[i].layer];
        draw_map(w, layer, w->wishes[i].place, layer->channels[w->wishes[i].channel], image);
    }
}

static void place(struct work *w, struct arena *arena)
{
    const struct measure_plan *plan = &probe_model(&w->probe)->plan;

    sweep_place(&w->sweep, plan, 0, plan->net->nlinks, 1, arena);
    w->planar = arena_floats(arena, shape_neurons(w->input));
}

static enum status prepare(struct work *w, struct error *err)
{
    struct arena arena = arena_over(NULL, 0);

    place(w, &arena);
    size_t nbytes = arena.peak;

    w->memory = aligned_alloc(ARENA_ALIGNMENT, (nbytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT);
    if (!w->memory)
        return error_system(err, "no memory for sweeps");
    arena = arena_over(w->memory, nbytes);
    place(w, &arena);
    return OK;
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

static enum status add_layers(const struct work *w, json_t *about, struct error *err)
{
    json_t *layers = json_object();
    char name[STORE_NAME + 32];
    enum status rc = OK;

    json_object_set_new(about, "layers", layers);
    for (size_t l = 0; l < w->nlayers; l++) {
        const struct layer *layer = &w->layers[l];
        size_t dims[] = {layer->count, NLISTS, REPORT_IMAGES_DEPTH},
               nmaps = layer->count * NLISTS * REPORT_IMAGES_DEPTH;
        json_t *channels = json_array();

        for (size_t c = 0; c < layer->count; c++)
            json_array_append_new(channels, json_integer((json_int_t)layer->channels[c]));
        json_object_set_new(layers, layer->name, channels);
        snprintf(name, sizeof name, "images/%s/maps", layer->name);
        TRY(report_arrays_bytes(w->arrays, name, layer->maps, nmaps * map_area(w), err));
        snprintf(name, sizeof name, "images/%s/scale", layer->name);
        TRY(report_arrays_real(w->arrays, name, layer->scale, 3, dims, err));
    }
done:
    return rc;
}

static enum status add_to_page(const struct work *w, json_t *json, struct error *err)
{
    json_t *numbers = json_array(), *about = json_object();
    size_t height = w->input.height, width = w->input.width;
    enum status rc = OK;

    for (size_t i = 0; i < w->nimages; i++)
        json_array_append_new(numbers, json_integer((json_int_t)w->images[i]));
    json_object_set_new(about, "numbers", numbers);
    json_object_set_new(about, "picture",
                        json_pack("[I,I,I]", (json_int_t)steps(height, w->picture_step),
                                  (json_int_t)steps(width, w->picture_step), (json_int_t)w->input.channels));
    json_object_set_new(
        about, "map",
        json_pack("[I,I]", (json_int_t)steps(height, w->map_step), (json_int_t)steps(width, w->map_step)));
    json_object_set_new(about, "depth", json_integer(REPORT_IMAGES_DEPTH));
    json_object_set_new(json, "images", about);
    TRY(report_arrays_bytes(w->arrays, "images/pixels", w->pictures, w->nimages * picture_bytes(w), err));
    TRY(add_layers(w, about, err));
done:
    return rc;
}

static void release(struct work *w)
{
    for (size_t l = 0; l < w->nlayers; l++) {
        free(w->layers[l].maps);
        free(w->layers[l].scale);
    }
    free(w->wishes);
    free(w->images);
    free(w->pictures);
    free(w->memory);
    probe_end(&w->probe);
}

static enum status begin(struct work *w, const struct config_source *source, const struct node *node, struct log *log,
                         struct error *err)
{
    /* The measure keeps an image's arrays only for queries. A block is one image, so no others are computed. */
    const struct probe_options probe = {.source = *source, .query = "input", .block = 1};
    enum status rc = OK;

    TRY(probe_begin(&w->probe, &probe, node, log, err));
    w->input = network_shape(&probe_model(&w->probe)->net, 0);
    size_t side = larger(w->input.height, w->input.width);

    w->picture_step = steps(side, PICTURE);
    w->map_step = steps(side, MAP);
done:
    return rc;
}

/* The configuration's run must be the store's. */
static enum status compare(const struct work *w, struct error *err)
{
    struct origin origin;
    struct error why = {0};
    enum status rc = OK;

    rc = origin_read(&origin, w->arrays->reader, w->arrays->path, &why);
    if (rc == OK)
        rc = origin_compare(&origin, &w->probe.config, probe_model(&w->probe)->sha256, false, &why);
    if (rc == OK)
        rc = origin_compare_dataset(&origin, w->probe.plan.dataset_sha256, &why);
    origin_free(&origin);
    if (rc != OK)
        error_set(err, rc, "--images: %s", why.message);
    return rc;
}

enum status report_images_add(const struct report_arrays *arrays, json_t *json, const struct summary *summary,
                              const struct config_source *source, const struct node *node, struct log *log,
                              struct error *err)
{
    struct work *w = calloc(1, sizeof *w);
    enum status rc = OK;

    if (!w)
        return error_system(err, "no memory for the images of a report");
    w->arrays = arrays;
    TRY(begin(w, source, node, log, err));
    TRY(compare(w, err));
    TRY(collect(w, summary, err));
    TRY(prepare(w, err));
    w->probe.choice = (struct probe_choice){w, has_wanted};
    TRY(probe_run(&w->probe, (struct block_watcher){w, take_image}, (struct probe_round){NULL, NULL}, err));
    TRY(add_to_page(w, json, err));
done:
    release(w);
    free(w);
    return rc;
}
