#include "pipeline/results/walk_search.h"

#include <math.h>
#include <stdlib.h>

/* The end of a walk at a channel of some layer: its score, and the end in the layer above that it goes on from. */
struct end {
    double score;
    size_t channel, rank; /* of the layer above: channel, and place among its ends */
};

/* Ends of one layer: [channels][most], `counts` of them, largest score first. */
struct layer {
    size_t channels;
    size_t *counts;
    struct end *ends;
};

static double magnitude(double v)
{
    return isfinite(v) ? fabs(v) : 0;
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

/* V of every upper channel. */
static void row_scales(double *scales, const struct walk_pair *pair)
{
    for (size_t c = 0; c < pair->upper; c++) {
        double sum = 0;
        for (size_t d = 0; d < pair->lower; d++)
            sum += magnitude(pair->joint[c * pair->lower + d]);
        scales[c] = fmax(sum, magnitude(pair->relevance[c]));
    }
}

void walk_search_score(struct walk *walk, const struct walk_pair *pairs, size_t npairs)
{
    walk->product = 1;
    walk->bottleneck = INFINITY;
    for (size_t k = 0; k < npairs; k++) {
        const struct walk_pair *pair = &pairs[k];
        const double *row = pair->joint + walk->channels[k] * pair->lower;
        double joint = isfinite(row[walk->channels[k + 1]]) ? row[walk->channels[k + 1]] : 0, sum = 0;
        for (size_t d = 0; d < pair->lower; d++)
            sum += magnitude(row[d]);
        double scale = k == 0 ? 1 : fmax(sum, magnitude(pair->relevance[walk->channels[k]]));
        walk->product *= scale > 0 ? joint / scale : 0;
        walk->bottleneck = fmin(walk->bottleneck, fabs(joint));
    }
}

static double extended(double above, double joint, double scale, enum walk_score score)
{
    if (score == WALK_BOTTLENECK)
        return fmin(above, joint);
    return scale > 0 ? above * (joint / scale) : 0;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static bool layer_init(struct layer *layer, size_t channels, size_t most)
{
    *layer = (struct layer){.channels = channels,
                            .counts = calloc(channels, sizeof *layer->counts),
                            .ends = most < (size_t)-1 / sizeof(struct end) / (channels + 1)
                                        ? malloc((channels * most + 1) * sizeof *layer->ends)
                                        : NULL};
    return layer->counts && layer->ends;
}

static void layer_free(struct layer *layer)
{
    free(layer->counts);
    free(layer->ends);
}

/* Put an end into a sorted list of at most `most`; behind its equals. Returns whether it got in. */
static bool insert(struct end *ends, size_t *count, size_t most, struct end end)
{
    size_t at = *count;

    if (!(end.score > 0) || (at == most && end.score <= ends[most - 1].score))
        return false;
    if (at == most)
        at--;
    else
        ++*count;
    for (; at > 0 && ends[at - 1].score < end.score; at--)
        ends[at] = ends[at - 1];
    ends[at] = end;
    return true;
}

/* The best ends of every channel of the lower layer. An upper channel's ends come best first, so that the first that
 * does not get in ends its turn. */
static void extend(struct layer *below, const struct layer *above, const struct walk_pair *pair, const double *scales,
                   enum walk_score score, size_t most)
{
    for (size_t c = 0; c < above->channels; c++)
        for (size_t d = 0; d < below->channels; d++) {
            double joint = magnitude(pair->joint[c * pair->lower + d]);
            for (size_t rank = 0; rank < above->counts[c]; rank++) {
                struct end end = {extended(above->ends[c * most + rank].score, joint, scales[c], score), c, rank};
                if (!insert(below->ends + d * most, &below->counts[d], most, end))
                    break;
            }
        }
}

/* ---- search ------------------------------------------------------------------------------------------------------ */

/* The top layer: every channel starts with one, which its own J then multiplies. */
static void start(struct layer *top, size_t most, enum walk_score score)
{
    for (size_t c = 0; c < top->channels; c++) {
        top->counts[c] = 1;
        top->ends[c * most] = (struct end){score == WALK_PRODUCT ? 1 : INFINITY, 0, 0};
    }
}

static struct walk trace(const struct layer *layers, size_t npairs, struct end last, size_t most)
{
    struct walk walk = {.product = 0};
    size_t channel = last.channel, rank = last.rank;

    for (size_t k = npairs + 1; k-- > 0;) {
        struct end end = layers[k].ends[channel * most + rank];
        walk.channels[k] = channel;
        channel = end.channel;
        rank = end.rank;
    }
    return walk;
}

/* The best of all channels of the bottom layer; the end that comes after them says how large the others can be. */
static size_t collect(struct walk *found, double *others, const struct layer *layers, const struct walk_pair *pairs,
                      size_t npairs, size_t most, struct end *best)
{
    const struct layer *bottom = &layers[npairs];
    size_t count = 0;

    for (size_t d = 0; d < bottom->channels; d++)
        for (size_t rank = 0; rank < bottom->counts[d]; rank++)
            if (!insert(best, &count, most, (struct end){bottom->ends[d * most + rank].score, d, rank}))
                break;
    *others = count == most ? best[most - 1].score : 0;
    for (size_t i = 0; i < count && i + 1 < most; i++) {
        found[i] = trace(layers, npairs, best[i], most);
        walk_search_score(&found[i], pairs, npairs);
    }
    return count == most ? most - 1 : count;
}

enum status walk_search(struct walk_found *found, const struct walk_pair *pairs, size_t npairs, enum walk_score score,
                        size_t most, struct error *err)
{
    struct layer layers[WALK_SEARCH_MOST_LAYERS] = {{.channels = 0}};
    size_t room = most + 1;
    struct end *best = calloc(room, sizeof *best);
    bool ok = best && layer_init(&layers[0], pairs[0].upper, room);

    if (ok)
        start(&layers[0], room, score);
    for (size_t k = 0; k < npairs && ok; k++) {
        double *scales = malloc((pairs[k].upper + 1) * sizeof *scales);
        ok = scales && layer_init(&layers[k + 1], pairs[k].lower, room);
        if (ok)
            row_scales(scales, &pairs[k]);
        for (size_t c = 0; ok && k == 0 && c < pairs[0].upper; c++)
            scales[c] = 1;
        if (ok)
            extend(&layers[k + 1], &layers[k], &pairs[k], scales, score, room);
        free(scales);
    }
    if (ok)
        found->count = collect(found->walks, &found->others, layers, pairs, npairs, room, best);
    for (size_t k = 0; k <= npairs; k++)
        layer_free(&layers[k]);
    free(best);
    return ok ? OK : error_set(err, FAIL_SYSTEM, "no memory to search %zu walks; ask for fewer", most);
}
