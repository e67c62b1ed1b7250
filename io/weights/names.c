/* Assigning tensors to layers by their names, and checking that the tensors of a layer fit together. */
#include "io/weights/internal.h"

#include <stdlib.h>
#include <string.h>

enum { DENSE = 3, NODES = 2 * WEIGHTS_MAX_LAYERS, TIMM_DENSE = 10000 };

/* The tensors whose names share a stem: those of a convolution, a BatchNorm or a dense layer. */
struct node {
    bool dense;
    size_t number; /* orders the nodes of a kind */
    const struct weights_record *weight, *bias, *mean, *variance;
};

struct nodes {
    struct node list[NODES];
    size_t n;
};

/* A parsed name. */
struct label {
    bool dense, ignored;
    size_t number;
    size_t member; /* offset in struct node of the tensor's member */
};

struct stem {
    const char *text;
    bool dense, numbered;
    size_t number;
};

static const struct stem torch_stems[] = {
    {"features.", false, true, 0},
    {"classifier.", true, true, 0},
    {"pre_logits.fc1.", true, false, TIMM_DENSE},
    {"pre_logits.fc2.", true, false, TIMM_DENSE + 1},
    {"head.fc.", true, false, TIMM_DENSE + 2},
};

static const struct stem keras_stems[] = {
    {"block1_conv", false, true, 100}, {"block2_conv", false, true, 200}, {"block3_conv", false, true, 300},
    {"block4_conv", false, true, 400}, {"block5_conv", false, true, 500}, {"fc1/", true, false, 1},
    {"fc2/", true, false, 2},          {"predictions/", true, false, 3},
};

struct ending {
    const char *text;
    size_t member;
};

static const struct ending torch_endings[] = {
    {"weight", offsetof(struct node, weight)},
    {"bias", offsetof(struct node, bias)},
    {"running_mean", offsetof(struct node, mean)},
    {"running_var", offsetof(struct node, variance)},
};

static const struct ending keras_endings[] = {
    {"/kernel:0", offsetof(struct node, weight)}, {"_W_1:0", offsetof(struct node, weight)},
    {"_W:0", offsetof(struct node, weight)},      {"/bias:0", offsetof(struct node, bias)},
    {"_b_1:0", offsetof(struct node, bias)},      {"_b:0", offsetof(struct node, bias)},
};

static enum status bad(const struct weights *w, const struct weights_record *r, const char *reason, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: tensor '%s': %s", w->path, r->info.name, reason);
}

/* Match the stem at the beginning of a name. Returns the rest after the stem and its number; NULL if no stem matches.
 * */
static const char *match_stem(struct label *label, const char *name, const struct stem *stems, size_t nstems)
{
    for (size_t i = 0; i < nstems; i++) {
        size_t n = strlen(stems[i].text), digits = 0;
        if (strncmp(name, stems[i].text, n) != 0)
            continue;
        label->dense = stems[i].dense;
        label->number = stems[i].number;
        if (!stems[i].numbered)
            return name + n;
        for (size_t value = 0; digits < 3 && name[n] >= '0' && name[n] <= '9'; digits++, n++) {
            value = 10 * value + (size_t)(name[n] - '0');
            label->number = stems[i].number + value;
        }
        return digits && (name[n] == '.' || name[n] == '/') ? name + n + 1 : NULL;
    }
    return NULL;
}

static bool parse_torch(struct label *label, const char *name)
{
    if (strncmp(name, "module.", 7) == 0)
        name += 7;
    const char *rest = match_stem(label, name, torch_stems, sizeof torch_stems / sizeof torch_stems[0]);
    if (!rest)
        return false;
    label->ignored = strcmp(rest, "num_batches_tracked") == 0;
    for (size_t i = 0; i < sizeof torch_endings / sizeof torch_endings[0]; i++)
        if (strcmp(rest, torch_endings[i].text) == 0) {
            label->member = torch_endings[i].member;
            return true;
        }
    return label->ignored;
}

static bool parse_keras(struct label *label, const char *name)
{
    size_t n = strlen(name);

    if (!match_stem(label, name, keras_stems, sizeof keras_stems / sizeof keras_stems[0]))
        return false;
    for (size_t i = 0; i < sizeof keras_endings / sizeof keras_endings[0]; i++) {
        size_t length = strlen(keras_endings[i].text);
        if (n > length && strcmp(name + n - length, keras_endings[i].text) == 0) {
            label->member = keras_endings[i].member;
            return true;
        }
    }
    return false;
}

static struct node *find_node(struct nodes *nodes, const struct label *label)
{
    for (size_t i = 0; i < nodes->n; i++)
        if (nodes->list[i].dense == label->dense && nodes->list[i].number == label->number)
            return &nodes->list[i];
    if (nodes->n == NODES)
        return NULL;
    struct node *node = &nodes->list[nodes->n++];
    *node = (struct node){.dense = label->dense, .number = label->number};
    return node;
}

static enum status place(struct nodes *nodes, const struct weights *w, const struct weights_record *r,
                         struct error *err)
{
    struct label label = {0};

    if (!(w->format->keras ? parse_keras : parse_torch)(&label, r->info.name))
        return bad(w, r, "its name is not one of a VGG (features.N, classifier.N; block1_conv1, fc1, ...)", err);
    if (label.ignored)
        return OK;
    struct node *node = find_node(nodes, &label);
    if (!node)
        return error_set(err, FAIL_LIMIT, "%s: more than %d layers", w->path, NODES);
    const struct weights_record **slot = (const struct weights_record **)(void *)((char *)node + label.member);
    if (*slot)
        return bad(w, r, "another tensor has the same role", err);
    if (!r->dtype->decode)
        return bad(w, r, "its dtype is not F32, F16, BF16 or F64", err);
    for (size_t d = 0; d < r->info.ndim; d++)
        if (r->info.dims[d] == 0)
            return bad(w, r, "it is empty", err);
    *slot = r;
    return OK;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;

    if (x->dense != y->dense)
        return x->dense ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

/* A vector of a layer must have one value for each output. */
static enum status check_vector(const struct weights *w, const struct weights_record *r, size_t n, struct error *err)
{
    if (r->info.ndim != 1 || r->info.dims[0] != n)
        return error_set(err, FAIL_FORMAT,
                         "%s: tensor '%s': its shape is not (%zu), one value for each output of the layer", w->path,
                         r->info.name, n);
    return OK;
}

static enum status push_layer(struct weights *w, const struct node *node, bool convolution, size_t out, size_t in,
                              struct error *err)
{
    if (w->nlayers == WEIGHTS_MAX_LAYERS)
        return error_set(err, FAIL_LIMIT, "%s: more than %d layers", w->path, WEIGHTS_MAX_LAYERS);
    if (node->mean || node->variance)
        return bad(w, node->mean ? node->mean : node->variance,
                   "these are running statistics, but the layer is not a BatchNorm", err);
    w->layers[w->nlayers] =
        (struct weights_layer){.name = node->weight->info.name, .convolution = convolution, .out = out, .in = in};
    w->sources[w->nlayers++] = (struct weights_source){.parts = {node->weight, node->bias}};
    return node->bias ? check_vector(w, node->bias, out, err) : OK;
}

static enum status push_convolution(struct weights *w, const struct node *node, struct error *err)
{
    const size_t *dims = node->weight->info.dims;
    bool keras = w->format->keras;

    if (node->weight->info.ndim != 4)
        return bad(w, node->weight, "the kernel of a convolution must have 4 dimensions", err);
    if (dims[keras ? 0 : 2] != 3 || dims[keras ? 1 : 3] != 3)
        return bad(w, node->weight,
                   keras ? "its kernel is not 3x3 in the order (3, 3, in, out)"
                         : "its kernel is not 3x3 in the order (out, in, 3, 3)",
                   err);
    return push_layer(w, node, true, dims[keras ? 3 : 0], dims[keras ? 2 : 1], err);
}

/* A BatchNorm belongs to the convolution whose number is one less. */
static enum status push_batchnorm(struct weights *w, const struct node *node, const struct node *below,
                                  struct error *err)
{
    if (!below || below->dense || below->number + 1 != node->number || below->weight->info.ndim != 4)
        return bad(w, node->weight, "this BatchNorm does not directly follow a convolution", err);
    if (!node->bias || !node->mean || !node->variance)
        return bad(w, node->weight, "a BatchNorm needs weight, bias, running_mean and running_var", err);
    struct weights_layer *layer = &w->layers[w->nlayers - 1];
    const struct weights_record **parts = w->sources[w->nlayers - 1].parts;
    layer->batchnorm = true;
    parts[WEIGHTS_GAMMA] = node->weight;
    parts[WEIGHTS_BETA] = node->bias;
    parts[WEIGHTS_MEAN] = node->mean;
    parts[WEIGHTS_VARIANCE] = node->variance;
    for (size_t p = WEIGHTS_GAMMA; p < WEIGHTS_PARTS; p++) {
        enum status rc = check_vector(w, parts[p], layer->out, err);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* timm stores the first dense layers as convolutions (out, C, side, side), in the memory order of a matrix. */
static enum status push_dense(struct weights *w, const struct node *node, struct error *err)
{
    const struct weights_tensor *t = &node->weight->info;

    if (t->ndim == 2 && w->format->keras)
        return push_layer(w, node, false, t->dims[1], t->dims[0], err);
    if (t->ndim == 2 || (t->ndim == 4 && !w->format->keras && t->dims[2] == t->dims[3]))
        return push_layer(w, node, false, t->dims[0], node->weight->elements / t->dims[0], err);
    return bad(w, node->weight, "the weight of a dense layer must have 2 dimensions (or 4, the last two equal)", err);
}

static enum status push_node(struct weights *w, const struct node *node, const struct node *below, struct error *err)
{
    const struct weights_record *any = node->bias ? node->bias : node->mean ? node->mean : node->variance;

    if (!node->weight)
        return bad(w, any, "the weight of the same layer is missing", err);
    if (node->dense)
        return push_dense(w, node, err);
    return node->weight->info.ndim == 1 ? push_batchnorm(w, node, below, err) : push_convolution(w, node, err);
}

static enum status check_layers(const struct weights *w, struct error *err)
{
    size_t ndense = 0;

    for (size_t i = 0; i < w->nlayers; i++) {
        const struct weights_source *source = &w->sources[i];
        ndense += !w->layers[i].convolution;
        if (!source->parts[WEIGHTS_BIAS] && !w->layers[i].batchnorm)
            return bad(w, source->parts[WEIGHTS_WEIGHT], "its bias is missing", err);
    }
    if (w->nlayers == ndense)
        return error_set(err, FAIL_FORMAT, "%s: no convolutions (features.N or block1_conv1, ...)", w->path);
    if (ndense != DENSE)
        return error_set(err, FAIL_FORMAT,
                         "%s: has %zu dense layers (classifier.N, pre_logits and head, or fc1, ...); a VGG has %d",
                         w->path, ndense, DENSE);
    return OK;
}

/* Keras' first matrix is permuted from [H][W][C] to [C][H][W], so its inputs must be a square map of channels. */
static enum status check_flatten(const struct weights *w, struct error *err)
{
    const struct weights_layer *first = &w->layers[w->nlayers - DENSE], *below = first - 1;
    size_t side = 1;

    while (side * side < first->in / below->out && side < 1024)
        side++;
    if (side * side * below->out == first->in)
        return OK;
    return error_set(err, FAIL_FORMAT,
                     "%s: tensor '%s': its %zu inputs are not a square map of the %zu channels below it", w->path,
                     first->name, first->in, below->out);
}

/* Offsets of the layers in the loaded array, each aligned. */
static enum status lay_out(struct weights *w, struct error *err)
{
    size_t at = 0;

    for (size_t i = 0; i < w->nlayers; i++) {
        struct weights_layer *l = &w->layers[i];
        size_t sizes[] = {w->sources[i].parts[WEIGHTS_WEIGHT]->elements, l->out}, *starts[] = {&l->weight, &l->bias};
        for (size_t p = 0; p < 2; p++) {
            if (sizes[p] > WEIGHTS_MAX_FLOATS || at > WEIGHTS_MAX_FLOATS - sizes[p])
                return error_set(err, FAIL_LIMIT, "%s: tensor '%s': the network has more than %d weights", w->path,
                                 l->name, WEIGHTS_MAX_FLOATS);
            *starts[p] = at;
            at += (sizes[p] + WEIGHTS_ALIGN_FLOATS - 1) / WEIGHTS_ALIGN_FLOATS * WEIGHTS_ALIGN_FLOATS;
        }
    }
    w->nfloats = at;
    return OK;
}

enum status weights_names_recognise(struct weights *w, struct error *err)
{
    struct nodes nodes = {.n = 0};
    enum status rc = OK;

    w->nlayers = 0;
    for (size_t i = 0; i < w->nrecords; i++)
        TRY(place(&nodes, w, &w->records[i], err));
    qsort(nodes.list, nodes.n, sizeof nodes.list[0], compare_nodes);
    for (size_t i = 0; i < nodes.n; i++)
        TRY(push_node(w, &nodes.list[i], i > 0 ? &nodes.list[i - 1] : NULL, err));
    TRY(check_layers(w, err));
    if (w->format->keras)
        TRY(check_flatten(w, err));
    TRY(lay_out(w, err));
done:
    if (rc != OK)
        w->nlayers = 0;
    return rc;
}
