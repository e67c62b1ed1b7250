#include "pipeline/results/walk_ranking.h"

#include "pipeline/results/classes.h"
#include "pipeline/results/flow_matrix.h"
#include "pipeline/results/layers.h"
#include "pipeline/util/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 600, PATH = 640, LIST = 1024, SHOWN = 4 };

/* The state of a search: the store, and the matrices of consecutive layers. */
struct search {
    struct walk_ranking *out;
    const struct store_reader *reader;
    const char *path;
    struct layers layers;
    size_t class_row, flow_row; /* with out->by_class */
    struct walk_pair pairs[WALK_SEARCH_MOST_LAYERS];
    double *joint[WALK_SEARCH_MOST_LAYERS], *relevance[WALK_SEARCH_MOST_LAYERS];
    struct error *err;
};

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* Number of a layer that walks can pass: the channels of the others, such as pools, are those of layers below. */
static enum status find_layer(size_t *number, const struct search *s, const char *name, size_t length)
{
    char wanted[NETWORK_NAME], hint[SUGGEST_HINT];
    struct suggest nearest;

    snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    *number = layers_find(&s->layers, wanted);
    if (*number < s->layers.count && s->layers.items[*number].own)
        return OK;
    suggest_init(&nearest, wanted);
    for (size_t k = 0; k < s->layers.count; k++)
        if (s->layers.items[k].own)
            suggest_offer(&nearest, s->layers.items[k].name);
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

/* Mark the cuts between two layers, and these. */
static enum status mark_between(bool *chosen, const struct search *s, const char *from, const char *to)
{
    const struct layers_item *items = s->layers.items;
    size_t lowest = s->layers.count, highest = 0;
    enum status rc = OK;

    for (size_t k = 1; k < s->layers.count; k++)
        if (items[k].features && items[k].cut) {
            lowest = lowest == s->layers.count ? k : lowest;
            highest = k;
        }
    if (from)
        TRY(find_layer(&lowest, s, from, strlen(from)));
    if (to)
        TRY(find_layer(&highest, s, to, strlen(to)));
    for (size_t k = lowest; k <= highest && k < s->layers.count; k++)
        chosen[k] = items[k].own && (items[k].cut || k == lowest || k == highest);
done:
    return rc;
}

static enum status choose_layers(struct search *s, const struct walk_ranking_options *options)
{
    bool *chosen = calloc(s->layers.count + 1, sizeof *chosen);
    enum status rc = OK;

    if (!chosen)
        TRY(error_set(s->err, FAIL_SYSTEM, "no memory for %zu layers", s->layers.count));
    TRY(options->layers ? mark_listed(chosen, s, options->layers)
                        : mark_between(chosen, s, options->from, options->to));
    for (size_t k = s->layers.count; k-- > 0;)
        if (chosen[k])
            TRY(add_layer(s->out, s->layers.items[k].name, s->err));
    if (s->out->nlayers < 2)
        TRY(error_set(s->err, FAIL_CONFIG, "walks need two layers at least, the lower one first"));
done:
    free(chosen);
    return rc;
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

/* Whether the store has all joint relevance of two layers: a flow along one connection is that only if no walk takes
 * another way. */
static bool has_joint(const struct search *s, size_t lower, size_t upper)
{
    char path[PATH];

    snprintf(path, sizeof path, "flows/%s-%s", s->layers.items[lower].name, s->layers.items[upper].name);
    if (!store_has(s->reader, path))
        return false;
    snprintf(path, sizeof path, "flows/%s-%s/to_bias", s->layers.items[lower].name, s->layers.items[upper].name);
    return !store_has(s->reader, path) || layers_adjoin(&s->layers, lower, upper);
}

/* Layers from this one down that the store has joint relevance of, as --layers takes them; returns how many. */
static size_t follow(char *list, size_t n, const struct search *s, size_t upper)
{
    size_t count = 1, used = (size_t)snprintf(list, n, "%s", s->layers.items[upper].name);

    for (size_t lower = upper; lower-- > 1 && count < SHOWN && used + 1 < n;)
        if (has_joint(s, lower, upper)) {
            used += (size_t)snprintf(list + used, n - used, ",%s", s->layers.items[lower].name);
            upper = lower;
            count++;
        }
    return count;
}

/* The highest walk of at least two pairs from a convolution or an add down that the store knows; empty if there is
 * none. */
static void find_example(char list[LIST], const struct search *s)
{
    for (size_t k = s->layers.count; k-- > 1;)
        if (s->layers.items[k].features && follow(list, LIST, s, k) > 2)
            return;
    list[0] = '\0';
}

/* The flows that the layers need and the store does not have, as measure.flows takes them; of many the first and
 * `...`. Returns how many there are. */
static size_t list_missing(char list[LIST], const struct search *s)
{
    size_t used = 0, count = 0;

    list[0] = '\0';
    for (size_t k = s->out->nlayers - 1; k-- > 0;) {
        const char *lower = s->out->layers[k + 1], *upper = s->out->layers[k];
        if (has_joint(s, layers_find(&s->layers, lower), layers_find(&s->layers, upper)))
            continue;
        if (++count <= SHOWN && used + 1 < LIST)
            used += (size_t)snprintf(list + used, LIST - used, "%s%s-%s", used ? ", " : "", lower, upper);
    }
    if (count > SHOWN && used + 1 < LIST)
        snprintf(list + used, LIST - used, ", ...");
    return count;
}

static enum status no_flow(const struct search *s, const char *pair, const char *what)
{
    char list[LIST], example[LIST], others[64] = "";
    size_t missing = list_missing(list, s);

    if (missing > 1)
        snprintf(others, sizeof others, ", nor %zu others that these walks need", missing - 1);
    find_example(example, s);
    return error_set(s->err, FAIL_CONFIG, "%s has no flow %s%s%s; %s%.250s, or run with measure.flows = %.400s",
                     s->path, pair, what, others,
                     example[0] ? "walk through layers that it has flows of, such as --layers "
                                : "choose other layers with --layers",
                     example, list);
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

/* The joint relevance of two layers, of all images or of the class. */
static enum status read_joint(struct search *s, struct flow_matrix *flow, const char *pair, size_t k)
{
    size_t lower = layers_find(&s->layers, s->out->layers[k + 1]), upper = layers_find(&s->layers, s->out->layers[k]);
    char path[PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "flows/%s", pair);
    if (!store_has(s->reader, path))
        TRY(no_flow(s, pair, ""));
    if (!has_joint(s, lower, upper))
        TRY(no_flow(s, pair, " of all walks, only one along the connection"));
    TRY(flow_matrix_open(flow, s->reader, pair, s->err));
    if (s->out->by_class && !flow_matrix_has(flow, "class_mean"))
        TRY(error_set(s->err, FAIL_CONFIG, "/%s has no numbers by class", flow->group));
    s->joint[k] = calloc(flow->upper * flow->lower, sizeof *s->joint[k]);
    if (!s->joint[k])
        TRY(error_set(s->err, FAIL_SYSTEM, "no memory for the flow %s", pair));
    TRY(s->out->by_class ? flow_matrix_class(s->joint[k], flow, "class_mean", s->flow_row, s->err)
                         : flow_matrix_rows(s->joint[k], flow, "mean", 0, flow->upper, s->err));
done:
    return rc;
}

/* Flow number k from the top, and the relevance of its upper layer. */
static enum status read_pair(struct search *s, size_t k)
{
    const char *lower = s->out->layers[k + 1], *upper = s->out->layers[k];
    char pair[GROUP], group[GROUP], path[PATH], *method = NULL;
    struct flow_matrix flow = {.reader = NULL};
    enum status rc = OK;

    snprintf(pair, sizeof pair, "%s-%s", lower, upper);
    TRY(read_joint(s, &flow, pair, k));
    if (k > 0 && flow.upper != s->pairs[k - 1].lower)
        TRY(error_set(s->err, FAIL_FORMAT, "%s: /%s has a shape that does not fit the layers", s->path, flow.group));
    if (store_has_attribute(s->reader, flow.group, "method"))
        TRY(store_get_text(&method, s->reader, flow.group, "method", s->err));
    snprintf(path, sizeof path, "%s/left_out", flow.group);
    s->out->sampled = s->out->sampled || (method && strcmp(method, "sampled") == 0) || store_has(s->reader, path);
    snprintf(group, sizeof group, "layers/%s", upper);
    TRY(read_numbers(&s->relevance[k], s, group, s->class_row, flow.upper));
    s->out->channels[k] = flow.upper;
    s->out->channels[k + 1] = flow.lower;
    s->pairs[k] = (struct walk_pair){flow.upper, flow.lower, s->joint[k], s->relevance[k]};
done:
    flow_matrix_free(&flow);
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
    struct search s = {.out = out, .reader = reader, .path = path, .err = err};
    enum status rc = OK;

    *out = (struct walk_ranking){.nlayers = 0};
    TRY(layers_read(&s.layers, reader, path, err));
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
    layers_free(&s.layers);
    return rc;
}

void walk_ranking_free(struct walk_ranking *strongest)
{
    for (size_t k = 0; k < strongest->nlayers; k++)
        free(strongest->layers[k]);
    free(strongest->walks);
    *strongest = (struct walk_ranking){.nlayers = 0};
}
