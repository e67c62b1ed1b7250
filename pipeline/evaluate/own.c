#include "pipeline/evaluate/own.h"

#include "kernels/ablation/cut.h"
#include "kernels/ablation/ranking.h"
#include "kernels/base/number.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/gather.h"
#include "pipeline/mpi/huge_pages.h"

#include <stdlib.h>
#include <string.h>

/* Images of a rank whose answers are handed in together. */
enum { OWN_CHUNK = 4 };

/* A rank's memory and state. */
struct work {
    const struct run_plan *plan;
    const struct edges *edges;
    struct own_options options;
    struct measure_plan measure; /* of one image, with the flows of all edges */
    struct reader *reader;
    void *memory; /* what follows */
    float *inputs;
    struct measure_workspace workspace;
    struct measure_result result;
    struct ablation copies;
    struct cut_work cut;
    double *score;            /* [edges] */
    size_t *order, *scratch;  /* [edges] */
    float *keep;              /* [nkept][edges] */
    struct answers_row *rows; /* [images with circuits][nkept] of this rank's; zeros */
};

static size_t image_count(const struct work *w)
{
    return w->plan->images.end - w->plan->images.first;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* The configuration's measure of one image, with the forms of its model. */
static void plan_measure(struct work *w)
{
    const struct model *model = &w->plan->model;
    struct measure_options options = model->plan.options;

    options.group = 1;
    options.images = true;
    memset(options.flows, 0, sizeof options.flows);
    for (size_t i = 0; i < w->edges->nlinks; i++)
        options.flows[model->net.links[w->edges->links[i].link].first_edge] = true;
    measure_plan_init(&w->measure, &model->net, &options, model->weights.memory);
    measure_forms_bind(&w->measure, model->forms.memory);
}

static void place(struct work *w, struct arena *arena)
{
    const struct network *net = &w->plan->model.net;
    size_t n = w->edges->count;

    w->inputs = arena_floats(arena, 2 * shape_neurons(network_shape(net, 0)));
    measure_result_place(&w->result, &w->measure, arena);
    measure_workspace_place(&w->workspace, &w->measure, arena);
    ablation_place(&w->copies, &w->measure, w->options.nkept, arena);
    cut_place(&w->cut, net, arena);
    w->score = arena_doubles(arena, n);
    w->order = arena_bytes(arena, n * sizeof *w->order);
    w->scratch = arena_bytes(arena, n * sizeof *w->scratch);
    w->keep = arena_floats(arena, w->options.nkept * n);
    w->rows = arena_bytes(arena, w->options.nkept * w->options.count * sizeof *w->rows);
}

static enum status allocate(struct work *w, struct error *err)
{
    struct arena arena = arena_over(NULL, 0);

    plan_measure(w);
    place(w, &arena);
    size_t nbytes = arena.peak;
    w->memory = huge_pages_alloc(nbytes);
    if (!w->memory)
        return error_set(err, FAIL_SYSTEM, "no memory for the %zu MiB that circuits of single images take",
                         nbytes >> 20);
    arena = arena_over(w->memory, nbytes);
    place(w, &arena);
    memset(w->rows, 0, w->options.nkept * w->options.count * sizeof *w->rows);
    return reader_open(&w->reader, w->plan->listing.memory, &w->plan->model.preprocessing, 1, w->inputs, err);
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

/* The flow of a link's edge. */
static void take_flow(void *context, size_t slot, size_t edge, const float *joint, const double *to_bias,
                      const double *absorbed)
{
    struct work *w = context;
    size_t link = w->plan->model.net.edges[edge].link;

    (void)slot, (void)to_bias, (void)absorbed;
    for (size_t i = 0; i < w->edges->nlinks; i++) {
        const struct edges_link *at = &w->edges->links[i];
        for (size_t e = 0; e < at->edges.count && at->link == link; e++)
            w->score[at->first + e] =
                edges_value(w->options.by, (double)joint[cut_flow_place(&w->plan->model.net.links[link], e)]);
    }
}

/* Every copy keeps its own number of edges. */
static bool cut_link(void *context, size_t k, const struct link_call *call)
{
    struct work *w = context;
    const float *keep[OWN_MOST];

    for (size_t i = 0; i < w->edges->nlinks; i++) {
        const struct edges_link *at = &w->edges->links[i];
        if (at->link != k)
            continue;
        for (size_t c = 0; c < w->options.nkept; c++)
            keep[c] = w->keep + c * w->edges->count + at->first;
        cut_copies(call, keep, &w->cut);
        return true;
    }
    return false;
}

static void ask(struct work *w, const float *input, size_t row)
{
    const struct network *net = &w->plan->model.net;
    size_t n = w->edges->count, classes = run_plan_classes(w->plan), target = w->result.target;
    size_t floats = layout_floats(network_layout(net, net->nlinks));
    struct measure_image image = {.a = {input}};

    if (w->options.unit_layers)
        edges_make_unit(w->score, w->edges);
    ranking_order(w->order, w->scratch, w->score, n);
    for (size_t c = 0; c < w->options.nkept; c++)
        curve_keep(w->keep + c * n, w->order, n, n - w->options.kept[c], CURVE_LERF);
    ablation_start(&w->copies, &image, 0, w->options.nkept);
    const float *z = ablation_forward(&w->copies, &image, 0, w->options.nkept,
                                      (struct ablation_hook){.context = w, .link = cut_link});
    for (size_t c = 0; c < w->options.nkept; c++)
        answers_fill(&w->rows[row * w->options.nkept + c], z + c * floats, classes, target);
}

/* An image that cannot be read or measured stays zero. */
static enum status compute_image(struct work *w, size_t index, struct error *err)
{
    const struct reader_batch *batch = reader_take(w->reader, index, index + 1);
    struct measure_target target = {TARGET_PREDICTED, 0, 0};
    struct measure_sink sink = {.context = w, .flow = take_flow};

    if (batch->images[0].rc == FAIL_RESOURCE)
        return error_set(err, FAIL_RESOURCE, "image %zu: %s", index, batch->images[0].why.message);
    if (batch->images[0].rc != OK)
        return OK;
    memset(w->score, 0, w->edges->count * sizeof *w->score);
    measure_group(&w->result, &w->measure, (const float *const[]){batch->inputs}, &target, sink, &w->workspace);
    if (w->result.status == MEASURE_OK)
        ask(w, batch->inputs, index - w->plan->images.first);
    return OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* Images first .. end - 1 of the run; all [images with circuits][nkept] on rank 0. */
static enum status compute_chunk(struct answers_row *all, struct work *w, size_t first, size_t end,
                                 struct answers_record *record, const struct node *node, struct error *err)
{
    size_t kept = w->options.nkept;
    struct answers_row *at = all ? all + first * kept : NULL;
    enum status rc = OK;

    for (size_t i = first + (size_t)node->rank; i < end && rc == OK; i += (size_t)node->nranks)
        rc = compute_image(w, w->plan->images.first + i, err);
    TRY(agree(node->world, rc, err));
    gather_parts(at, w->rows + first * kept, (end - first) * kept * sizeof *at, node);
    if (record)
        TRY(answers_record_add(record, at, (end - first) * kept, node, err));
done:
    return rc;
}

static enum status compute_all(struct answers_row *all, struct work *w, struct answers_record *record,
                               const struct node *node, struct error *err)
{
    size_t count = w->options.count, kept = w->options.nkept, chunk = OWN_CHUNK * (size_t)node->nranks;
    size_t taken = answers_record_take(all, record, count * kept), first = taken / kept;
    enum status rc = OK;

    if (taken % kept) /* on all ranks */
        TRY(error_set(err, FAIL_FORMAT, "the file ends within the answers of an image; begin anew with --restart"));
    for (; first < count; first = smaller(first + chunk, count))
        TRY(compute_chunk(all, w, first, smaller(first + chunk, count), record, node, err));
done:
    return rc;
}

enum status own_circuits(struct answers_row *rows, const struct run_plan *plan, const struct edges *edges,
                         struct own_options options, struct answers_record *record, const struct node *node,
                         struct error *err)
{
    struct work *w = calloc(1, sizeof *w);
    struct answers_row *all = rows ? calloc(options.count * options.nkept + 1, sizeof *all) : NULL;
    bool enough = w && (all || !rows);
    enum status rc = OK;

    TRY(agree(node->world, enough ? OK : error_set(err, FAIL_SYSTEM, "no memory for circuits of single images"), err));
    *w = (struct work){.plan = plan, .edges = edges, .options = options};
    TRY(agree(node->world, allocate(w, err), err));
    TRY(compute_all(all, w, record, node, err));
    for (size_t i = 0; i < options.count && all; i++)
        for (size_t c = 0; c < options.nkept; c++)
            rows[c * image_count(w) + i] = all[i * options.nkept + c];
done:
    if (w) {
        reader_close(w->reader);
        free(w->memory);
    }
    free(all);
    free(w);
    return rc;
}
