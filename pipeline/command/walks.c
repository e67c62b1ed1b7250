#include "kernels/base/number.h"
#include "pipeline/analysis/walk_ranking_exact.h"
#include "pipeline/command/commands.h"
#include "pipeline/command/parallel.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/results/origin.h"
#include "pipeline/results/walk_ranking.h"
#include "pipeline/util/json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { TOP = 20, CANDIDATES = 5 /* times --top */, MAX_WALKS = 2000, EXPRESSION = 4096 };

struct arguments {
    const char *path;
    struct walk_ranking_options wanted;
    struct walk_ranking_exact_options verify; /* without a path of the source: do not verify */
    size_t top, candidates;                   /* candidates 0: not given */
    bool json;
};

/* The result to print. */
struct answer {
    const struct arguments *arguments;
    const struct walk_ranking *found;
    const struct walk_ranking_verified *verified; /* NULL: not verified */
    const char *given;
    bool weak;     /* the store's condition */
    size_t *order; /* [nwalks] strongest first */
    size_t listed;
    bool complete; /* the store */
};

/* ---- command line ------------------------------------------------------------------------------------------------ */

static const struct option_row rows[] = {
    {"from", 0, OPTION_TEXT, FIELD(wanted.from), "LAYER",
     .help = "lowest layer; default: the first cut that is a convolution or an add"},
    {"to", 0, OPTION_TEXT, FIELD(wanted.to), "LAYER",
     .help = "highest layer; default: the last cut that is a convolution or an add"},
    {"layers", 0, OPTION_TEXT, FIELD(wanted.layers), "A,B,...",
     .help = "use these layers instead; the store must have flows between them"},
    {"class", 0, OPTION_TEXT, FIELD(wanted.class_name), "CLASS",
     .help = "walks of one class (#number or name), which must be in store.class_flows"},
    {"top", 0, OPTION_WHOLE, FIELD(top), "N", .help = "list N walks; default: 20", .low = 1, .high = MAX_WALKS,
     .fallback = TOP},
    {"verify", 0, OPTION_TEXT, FIELD(verify.source.path), "CONFIG",
     .help = "compute the walks' joint relevance exactly, on the images of CONFIG"},
    {"images", 0, OPTION_RANGE, FIELD(verify.images), "A:B", .help = "with --verify: only images A <= i < B"},
    {"candidates", 0, OPTION_WHOLE, FIELD(candidates), "M",
     .help = "with --verify: compute M walks and list the strongest; default: 5 N, at most 2000", .low = 1,
     .high = MAX_WALKS},
    {"set", 0, OPTION_LIST, FIELD(verify.source.sets), "KEY=VALUE",
     .help = "with --verify: change a key of the configuration"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Finds the channel walks of largest joint relevance through consecutive layers: by default all layers between two "
    "that no connection jumps over, with --layers any that lie on a way through the network. The store must have the "
    "joint relevance of consecutive ones; where the way from one to the other is not unique, as past a residual block, "
    "measure.flows must name the pair. Flows of pairs of layers do "
    "not determine the joint relevance of three or more, so the search estimates it: it assumes that the way of a "
    "walk below a channel does not depend on its way above, which is a heuristic. With --verify, the joint "
    "relevance of the walks found is exact. If no rule propagates negative relevance, the smallest flow of a walk "
    "bounds its relevance, which can prove that the walks found are the strongest of all.";

static enum status check(void *arguments, struct error *err)
{
    struct arguments *a = arguments;

    a->wanted.candidates = a->candidates           ? a->candidates
                           : a->verify.source.path ? smaller(a->top * CANDIDATES, MAX_WALKS)
                                                   : a->top;
    if (a->wanted.candidates < a->top)
        return error_set(err, FAIL_CONFIG, "--candidates must be at least --top, %zu", a->top);
    if (a->wanted.layers && (a->wanted.from || a->wanted.to))
        return error_set(err, FAIL_CONFIG, "--layers cannot be combined with --from and --to");
    if (!a->verify.source.path && (a->verify.images.end || a->verify.source.sets.count || a->candidates))
        return error_set(err, FAIL_CONFIG, "--images, --set and --candidates need --verify");
    return OK;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static double strength(const struct answer *a, size_t walk)
{
    double value = a->verified ? a->verified->means[walk].mean : a->found->walks[walk].product;

    return isfinite(value) ? fabs(value) : -1;
}

/* Strongest first; equal walks keep the order of the search. */
static void sort(struct answer *a)
{
    for (size_t i = 0; i < a->found->nwalks; i++) {
        size_t at = i;
        for (; at > 0 && strength(a, a->order[at - 1]) < strength(a, i); at--)
            a->order[at] = a->order[at - 1];
        a->order[at] = i;
    }
    a->listed = smaller(a->found->nwalks, a->arguments->top);
}

/* "conv5_3[7] and conv5_2[3]", as `nrmflow query` takes it. */
static void write_expression(char out[EXPRESSION], const struct walk_ranking *found, size_t walk)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t k = 0; k < found->nlayers && used + 1 < EXPRESSION; k++) {
        int n = snprintf(out + used, EXPRESSION - used, "%s%s[%zu]", k ? " and " : "", found->layers[k],
                         found->walks[walk].channels[k]);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Does the bound hold for all walks that were not found? */
static bool bounded(const struct answer *a)
{
    return a->verified && a->verified->nonnegative && a->verified->same_images && !a->found->sampled;
}

/* How many of the listed walks are proven to be the strongest of all. */
static size_t certain(const struct answer *a)
{
    size_t n = 0;

    while (bounded(a) && n < a->listed && strength(a, a->order[n]) >= a->found->others)
        n++;
    return n;
}

static void print_notes(const struct answer *a)
{
    if (!a->verified)
        puts("\nThe estimate is a heuristic: flows of pairs do not determine joint relevance. --verify CONFIG computes "
             "it.");
    else if (bounded(a) && certain(a) == a->listed)
        printf("\nNo other walk is stronger than these: without negative relevance none can exceed %.3g.\n",
               a->found->others);
    else if (bounded(a))
        printf("\nThe first %zu are the strongest of all: without negative relevance no other walk can exceed %.3g.\n"
               "A walk that was not found may be stronger than the others; --candidates examines more.\n",
               certain(a), a->found->others);
    else
        printf("\nThe joint relevance is exact, but the search is a heuristic: %s, so walks\n"
               "that were not found may be stronger.\n",
               !a->verified->nonnegative   ? "relevance can be negative"
               : !a->verified->same_images ? "the images are not all those of the store"
                                           : "its flows are not exact");
    if (a->found->sampled)
        puts("Some flows that the search used were estimated by sampling, or lack rows in some images.");
    if (a->weak || (a->verified && a->verified->means[0].weak))
        puts("warning: the condition's mean is zero or within 3 standard errors of it, so numbers relative to it are\n"
             "statistically unreliable. Run again with `given = none`, or with a composite of nonnegative rules.");
}

static void print_text(const struct answer *a)
{
    char expression[EXPRESSION];

    printf("%zu walks through %zu layers from %s down to %s, given %s", a->listed, a->found->nlayers,
           a->found->layers[0], a->found->layers[a->found->nlayers - 1], a->given);
    if (a->found->by_class)
        printf(", class %zu", a->found->class_number);
    if (a->verified)
        printf(", %zu images", a->verified->images);
    printf("\n\n%s%11s  walk\n", a->verified ? "           relevance  " : "", "estimate");
    for (size_t i = 0; i < a->listed; i++) {
        size_t walk = a->order[i];
        write_expression(expression, a->found, walk);
        if (a->verified)
            printf("%10.4g +- %-7.1g", a->verified->means[walk].mean, a->verified->means[walk].std_error);
        printf("%11.4g  %s\n", a->found->walks[walk].product, expression);
    }
    print_notes(a);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *json_walk(const struct answer *a, size_t walk)
{
    json_t *object = json_object(), *channels = json_array();
    char expression[EXPRESSION];

    write_expression(expression, a->found, walk);
    for (size_t k = 0; k < a->found->nlayers; k++)
        json_array_append_new(channels, json_integer((json_int_t)a->found->walks[walk].channels[k]));
    json_object_set_new(object, "channels", channels);
    json_object_set_new(object, "expression", json_output_text(expression));
    json_object_set_new(object, "estimate", json_output_real(a->found->walks[walk].product));
    json_object_set_new(object, "smallest_flow", json_output_real(a->found->walks[walk].bottleneck));
    if (a->verified) {
        json_object_set_new(object, "relevance", json_output_real(a->verified->means[walk].mean));
        json_object_set_new(object, "std_error", json_output_real(a->verified->means[walk].std_error));
    }
    return object;
}

static void print_json(const struct answer *a)
{
    json_t *object = json_object(), *layers = json_array(), *walks = json_array();

    for (size_t k = 0; k < a->found->nlayers; k++)
        json_array_append_new(layers, json_output_text(a->found->layers[k]));
    for (size_t i = 0; i < a->listed; i++)
        json_array_append_new(walks, json_walk(a, a->order[i]));
    json_object_set_new(object, "complete", json_boolean(a->complete));
    json_object_set_new(object, "layers", layers);
    json_object_set_new(object, "given", json_output_text(a->given));
    json_object_set_new(object, "class",
                        a->found->by_class ? json_integer((json_int_t)a->found->class_number) : json_null());
    json_object_set_new(object, "sampled", json_boolean(a->found->sampled));
    json_object_set_new(object, "weak_condition", json_boolean(a->weak || (a->verified && a->verified->means[0].weak)));
    json_object_set_new(object, "verified", json_boolean(a->verified != NULL));
    json_object_set_new(object, "images", a->verified ? json_integer((json_int_t)a->verified->images) : json_null());
    json_object_set_new(object, "bound_of_others", bounded(a) ? json_output_real(a->found->others) : json_null());
    json_object_set_new(object, "certain", json_integer((json_int_t)certain(a)));
    json_object_set_new(object, "walks", walks);
    json_output_print(object);
}

/* ---- command ----------------------------------------------------------------------------------------------------- */

static enum status print(const struct arguments *arguments, const struct store_reader *reader,
                         const struct walk_ranking *found, const struct walk_ranking_verified *verified,
                         struct error *err)
{
    char *given = NULL;
    struct answer a = {arguments,
                       found,
                       verified,
                       NULL,
                       store_has_attribute(reader, "", "weak_condition"),
                       calloc(found->nwalks + 1, sizeof(size_t)),
                       0,
                       origin_complete(reader)};
    enum status rc = OK;

    if (!a.order)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu walks", found->nwalks));
    TRY(store_get_text(&given, reader, "", "given", err));
    a.given = given;
    origin_warn_partial(reader, arguments->path);
    sort(&a);
    if (arguments->json)
        print_json(&a);
    else
        print_text(&a);
done:
    free(given);
    free(a.order);
    return rc;
}

static enum status search(const struct arguments *arguments, struct error *err)
{
    struct store_reader *reader = NULL;
    struct walk_ranking found = {.nlayers = 0};
    enum status rc = OK;

    TRY(origin_open(&reader, arguments->path, err));
    TRY(walk_ranking_search(&found, reader, arguments->path, &arguments->wanted, err));
    TRY(print(arguments, reader, &found, NULL, err));
done:
    walk_ranking_free(&found);
    store_close(reader);
    return rc;
}

static enum status verify(const void *context, const struct node *node, struct log *log, struct error *err)
{
    const struct arguments *arguments = context;
    struct store_reader *reader = NULL;
    struct walk_ranking found = {.nlayers = 0};
    struct walk_ranking_verified verified = {.images = 0};
    struct walk_ranking_exact_options options = arguments->verify;
    enum status rc = OK;

    options.search = &arguments->wanted;
    TRY(agree(node->world, origin_open(&reader, arguments->path, err), err));
    TRY(walk_ranking_exact(&found, &verified, reader, arguments->path, &options, node, log, err));
    if (node->rank == 0)
        TRY(print(arguments, reader, &found, &verified, err));
done:
    walk_ranking_exact_free(&verified);
    walk_ranking_free(&found);
    store_close(reader);
    return rc;
}

static int run(const void *arguments)
{
    const struct arguments *a = arguments;
    struct error err = {0};

    return a->verify.source.path ? command_parallel(verify, a) : command_end(search(a, &err), &err);
}

const struct command command_walks = {
    .summary = "find the channel walks of largest joint relevance",
    .table = {.command = "walks",
              .operands = {"STORE", 1, 1, OPTION_TEXT, {FIELD(path)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
