#include "pipeline/results/walk_ranking.h"

#include "pipeline/results/classes.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 600, PATH = 640, MAX_CHANNELS = 1 << 20 };

/* The state of a search: the store, and the matrices of consecutive layers. */
struct search {
    struct walk_ranking *out;
    const struct store_reader *reader;
    const char *path;
    char **variables; /* [nvariables] of the network, from the input up */
    size_t nvariables;
    size_t class_row, flow_row; /* with out->by_class */
    struct walk_pair pairs[WALK_SEARCH_MOST_LAYERS];
    double *joint[WALK_SEARCH_MOST_LAYERS], *relevance[WALK_SEARCH_MOST_LAYERS];
    struct error *err;
};

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static bool is_pool(const char *name)
{
    return strncmp(name, "pool", 4) == 0;
}

/* Number of a layer that walks can pass. A pool is none: its channels are those of the layer below. */
static enum status find_layer(size_t *number, const struct search *s, const char *name, size_t length)
{
    char wanted[64], hint[SUGGEST_HINT];
    struct suggest nearest;

    snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    suggest_init(&nearest, wanted);
    for (size_t k = 0; k < s->nvariables; k++) {
        if (is_pool(s->variables[k]))
            continue;
        suggest_offer(&nearest, s->variables[k]);
        *number = k;
        if (strcmp(s->variables[k], wanted) == 0)
            return OK;
    }
    suggest_hint(hint, sizeof hint, &nearest);
    return error_set(s->err, FAIL_CONFIG, "%s has no weighted layer \"%s\"%s", s->path, wanted, hint);
}

static enum status add_layer(struct walk_ranking *out, const char *name, struct error *err)
{
    if (out->nlayers == WALK_SEARCH_MOST_LAYERS)
        return error_set(err, FAIL_CONFIG, "walks pass at most %d layers", WALK_SEARCH_MOST_LAYERS);
    out->layers[out->nlayers] = strdup(name);
    if (!out->layers[out->nlayers])
        return error_set(err, FAIL_SYSTEM, "no memory for the name of a layer");
    out->nlayers++;
    return OK;
}

/* Mark the layers of a list "conv1_2, conv3_3". */
static enum status mark_listed(bool *chosen, const struct search *s, const char *list)
{
    enum status rc = OK;

    for (const char *at = list; rc == OK && *at;) {
        size_t number = 0;
        at += strspn(at, ", ");
        size_t length = strcspn(at, ", ");
        if (length == 0)
            break;
        rc = find_layer(&number, s, at, length);
        chosen[number] = true;
        at += length;
    }
    return rc;
}

/* Mark the layers between two, both included. */
static enum status mark_between(bool *chosen, const struct search *s, const char *from, const char *to)
{
    size_t lowest = s->nvariables, highest = 0;
    enum status rc = OK;

    for (size_t k = 1; k < s->nvariables; k++)
        if (strncmp(s->variables[k], "conv", 4) == 0) {
            lowest = lowest == s->nvariables ? k : lowest;
            highest = k;
        }
    if (from)
        TRY(find_layer(&lowest, s, from, strlen(from)));
    if (to)
        TRY(find_layer(&highest, s, to, strlen(to)));
    for (size_t k = lowest; k <= highest && k < s->nvariables; k++)
        chosen[k] = !is_pool(s->variables[k]);
done:
    return rc;
}

static enum status choose_layers(struct search *s, const struct walk_ranking_options *options)
{
    bool *chosen = calloc(s->nvariables + 1, sizeof *chosen);
    enum status rc = OK;

    if (!chosen)
        TRY(error_set(s->err, FAIL_SYSTEM, "no memory for %zu layers", s->nvariables));
    TRY(options->layers ? mark_listed(chosen, s, options->layers)
                        : mark_between(chosen, s, options->from, options->to));
    for (size_t k = s->nvariables; k-- > 0;)
        if (chosen[k])
            TRY(add_layer(s->out, s->variables[k], s->err));
    if (s->out->nlayers < 2)
        TRY(error_set(s->err, FAIL_CONFIG, "walks need two layers at least, the lower one first"));
done:
    free(chosen);
    return rc;
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

static enum status no_flow(const struct search *s, const char *pair)
{
    struct store_names names = {0};
    char list[256] = "";
    size_t used = 0;

    if (store_has(s->reader, "flows") && store_list(&names, s->reader, "flows", s->err) == OK)
        for (size_t i = 0; i < names.count && used + 40 < sizeof list; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.32s", i ? ", " : "", names.names[i]);
    store_names_free(&names);
    return error_set(s->err, FAIL_CONFIG,
                     "%s has no flow %s; run with measure.flows = %s, or choose layers of the flows that it has: %s%s",
                     s->path, pair, pair, used ? list : "none", used + 40 < sizeof list ? "" : ", ...");
}

/* A row of a class, or the numbers over all images. */
static enum status read_numbers(double **out, const struct search *s, const char group[GROUP], size_t row, size_t width)
{
    char path[PATH];

    if (!s->out->by_class) {
        size_t dims[] = {width};
        snprintf(path, sizeof path, "%.*s/mean", GROUP, group);
        return store_read_real(out, s->reader, path, 1, dims, s->err);
    }
    *out = calloc(width, sizeof **out);
    if (!*out)
        return error_set(s->err, FAIL_SYSTEM, "no memory for %zu numbers of %s", width, group);
    snprintf(path, sizeof path, "%.*s/class_mean", GROUP, group);
    return store_read_rows(*out, s->reader, path, row, 1, width, s->err);
}

static enum status read_joint(double **out, const struct search *s, const char group[GROUP], size_t dims[2])
{
    char path[PATH];

    if (s->out->by_class) {
        snprintf(path, sizeof path, "%.*s/class_mean", GROUP, group);
        if (!store_has(s->reader, path))
            return error_set(s->err, FAIL_CONFIG, "/%s has no numbers by class", group);
        return read_numbers(out, s, group, s->flow_row, dims[0] * dims[1]);
    }
    snprintf(path, sizeof path, "%.*s/mean", GROUP, group);
    return store_read_real(out, s->reader, path, 2, dims, s->err);
}

/* Flow number k from the top, and the relevance of its upper layer. */
static enum status read_pair(struct search *s, size_t k)
{
    const char *lower = s->out->layers[k + 1], *upper = s->out->layers[k];
    char group[GROUP], path[PATH], *method = NULL;
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    snprintf(group, sizeof group, "flows/%s-%s", lower, upper);
    snprintf(path, sizeof path, "%.*s/mean", GROUP, group);
    if (!store_has(s->reader, path))
        return no_flow(s, group + strlen("flows/"));
    TRY(store_shape(&ndim, dims, s->reader, path, s->err));
    if (ndim != 2 || dims[0] == 0 || dims[1] == 0 || dims[0] > MAX_CHANNELS || dims[1] > MAX_CHANNELS ||
        (k > 0 && dims[0] != s->pairs[k - 1].lower))
        TRY(error_set(s->err, FAIL_FORMAT, "%s: /%s has a shape that does not fit the layers", s->path, path));
    TRY(read_joint(&s->joint[k], s, group, dims));
    snprintf(group, sizeof group, "layers/%s", upper);
    TRY(read_numbers(&s->relevance[k], s, group, s->class_row, dims[0]));
    snprintf(group, sizeof group, "flows/%s-%s", lower, upper);
    s->out->channels[k] = dims[0];
    s->out->channels[k + 1] = dims[1];
    s->pairs[k] = (struct walk_pair){dims[0], dims[1], s->joint[k], s->relevance[k]};
    if (store_has_attribute(s->reader, group, "method"))
        TRY(store_get_text(&method, s->reader, group, "method", s->err));
    snprintf(path, sizeof path, "%.*s/left_out", GROUP, group);
    s->out->sampled = s->out->sampled || (method && strcmp(method, "sampled") == 0) || store_has(s->reader, path);
done:
    free(method);
    return rc;
}

static enum status choose_class(struct search *s, const char *name)
{
    struct classes classes;
    enum status rc = OK;

    TRY(classes_read(&classes, s->reader, s->path, s->err));
    TRY(classes_find(&s->out->class_number, &classes, name, s->err));
    if (classes.images[s->out->class_number] == 0)
        TRY(error_set(s->err, FAIL_CONFIG, "%s has no images of class %s", s->path, name));
    s->out->by_class = true;
    s->class_row = s->out->class_number;
    TRY(classes_flow_row(&s->flow_row, s->reader, s->out->class_number, s->err));
done:
    classes_free(&classes);
    return rc;
}

/* ---- search ------------------------------------------------------------------------------------------------------ */

static bool listed(const struct walk_ranking *out, size_t count, const struct walk *walk)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(out->walks[i].channels, walk->channels, out->nlayers * sizeof *walk->channels) == 0)
            return true;
    return false;
}

static int by_product(const void *left, const void *right)
{
    double x = fabs(((const struct walk *)left)->product), y = fabs(((const struct walk *)right)->product);

    return x > y ? -1 : x < y;
}

static enum status find_walks(struct search *s, const struct walk_ranking_options *options)
{
    struct walk_ranking *out = s->out;
    size_t most = options->candidates, npairs = out->nlayers - 1;
    struct walk_found found = {.walks = calloc(2 * most, sizeof *found.walks)};
    struct walk_found bounds = {.walks = calloc(most, sizeof *bounds.walks)};
    enum status rc = OK;

    out->walks = found.walks;
    if (!found.walks || !bounds.walks)
        TRY(error_set(s->err, FAIL_SYSTEM, "no memory to search %zu walks; ask for fewer", most));
    TRY(walk_search(&found, s->pairs, npairs, WALK_PRODUCT, most, s->err));
    if (options->bound) {
        TRY(walk_search(&bounds, s->pairs, npairs, WALK_BOTTLENECK, most, s->err));
        out->others = bounds.others;
    }
    out->nwalks = found.count;
    for (size_t i = 0; i < bounds.count; i++)
        if (!listed(out, found.count, &bounds.walks[i]))
            out->walks[out->nwalks++] = bounds.walks[i];
    qsort(out->walks, out->nwalks, sizeof *out->walks, by_product);
done:
    free(bounds.walks);
    return rc;
}

enum status walk_ranking_search(struct walk_ranking *out, const struct store_reader *reader, const char *path,
                                const struct walk_ranking_options *options, struct error *err)
{
    struct search s = {.out = out, .reader = reader, .path = path, .nvariables = STORE_ANY, .err = err};
    enum status rc = OK;

    *out = (struct walk_ranking){.nlayers = 0};
    TRY(store_read_text(&s.variables, reader, "images/variable", &s.nvariables, err));
    TRY(choose_layers(&s, options));
    if (options->class_name)
        TRY(choose_class(&s, options->class_name));
    for (size_t k = 0; k + 1 < out->nlayers; k++)
        TRY(read_pair(&s, k));
    TRY(find_walks(&s, options));
done:
    for (size_t k = 0; k < WALK_SEARCH_MOST_LAYERS; k++) {
        free(s.joint[k]);
        free(s.relevance[k]);
    }
    free(s.variables);
    return rc;
}

void walk_ranking_free(struct walk_ranking *strongest)
{
    for (size_t k = 0; k < strongest->nlayers; k++)
        free(strongest->layers[k]);
    free(strongest->walks);
    *strongest = (struct walk_ranking){.nlayers = 0};
}
