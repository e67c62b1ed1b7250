/* Assigning tensors to layers by their names, and checking that the tensors of a layer fit together. */
#include "io/weights/internal.h"

#include <stdlib.h>
#include <string.h>

enum { DENSE = 3, NODES = 2 * WEIGHTS_MAX_LAYERS, TIMM_DENSE = 10000 };

/* The tensors whose names share a stem: those of a convolution, a BatchNorm or a dense layer. */
struct node {
    bool dense;
    size_t number;    /* orders the nodes of a kind */
    const char *stem; /* Keras: the name up to the part */
    size_t nstem;
    const struct weights_record *weight, *bias, *mean, *variance;
};

struct nodes {
    struct node list[NODES];
    size_t n;
};

/* A parsed name. */
struct label {
    bool dense, ignored;
    size_t number;    /* PyTorch */
    const char *stem; /* Keras; NULL for PyTorch */
    size_t nstem;
    size_t member; /* offset in struct node of the tensor's member */
};

struct part {
    const char *text;
    size_t member;
};

static enum status bad(const struct weights *w, const struct weights_record *r, const char *reason, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: tensor '%s': %s", w->path, r->info.name, reason);
}

/* ---- PyTorch --------------------------------------------------------------------------------------------------- */

struct stem {
    const char *text;
    bool dense, numbered;
    size_t number;
};

/* torchvision; timm; Cadene's pretrainedmodels; Caffe's names. */
static const struct stem stems[] = {
    {"features.", false, true, 0},
    {"classifier.", true, true, 0},
    {"pre_logits.fc1.", true, false, TIMM_DENSE},
    {"pre_logits.fc2.", true, false, TIMM_DENSE + 1},
    {"head.fc.", true, false, TIMM_DENSE + 2},
    {"_features.", false, true, 0},
    {"linear0.", true, false, 0},
    {"linear1.", true, false, 1},
    {"last_linear.", true, false, 2},
    {"conv1_", false, true, 100},
    {"conv2_", false, true, 200},
    {"conv3_", false, true, 300},
    {"conv4_", false, true, 400},
    {"conv5_", false, true, 500},
    {"fc6.", true, false, 6},
    {"fc7.", true, false, 7},
    {"fc8.", true, false, 8},
};

static const struct part torch_parts[] = {
    {"weight", offsetof(struct node, weight)},
    {"bias", offsetof(struct node, bias)},
    {"running_mean", offsetof(struct node, mean)},
    {"running_var", offsetof(struct node, variance)},
};

/* Modules that wrap another one, at any depth. */
static const char *const wrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
                                       "_forward_module"};

/* Last parts of names that no forward pass reads: counters of BatchNorm, of profilers and of averaged models. */
static const char *const counters[] = {"num_batches_tracked", "total_ops", "total_params", "n_averaged"};

/* Parts of names of what only training needs. */
static const char *const training[] = {"criterion", "loss", "metric"};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static bool is_wrapper(const char *part, size_t n)
{
    for (size_t i = 0; i < COUNT(wrappers); i++)
        if (strlen(wrappers[i]) == n && memcmp(part, wrappers[i], n) == 0)
            return true;
    return false;
}

/* Copy a name without the parts that are wrappers. */
static void unwrap(char out[WEIGHTS_MAX_NAME + 1], const char *name)
{
    size_t used = 0;

    while (*name) {
        size_t n = strcspn(name, "."), whole = n + (name[n] == '.');
        if (name[n] != '.' || !is_wrapper(name, n)) {
            memcpy(out + used, name, whole);
            used += whole;
        }
        name += whole;
    }
    out[used] = '\0';
}

static bool is_extra(const char *name)
{
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;

    for (size_t i = 0; i < COUNT(counters); i++)
        if (strcmp(last, counters[i]) == 0)
            return true;
    for (size_t i = 0; i < COUNT(training); i++)
        if (strstr(name, training[i]))
            return true;
    return false;
}

/* Match a stem at the beginning of a name. Returns the rest after the stem and its number; NULL if no stem matches. */
static const char *match_stem(struct label *label, const char *name)
{
    for (size_t i = 0; i < COUNT(stems); i++) {
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
        return digits && name[n] == '.' ? name + n + 1 : NULL;
    }
    return NULL;
}

/* The stem may follow any prefix, as of a module that contains the network. */
static bool parse_torch(struct label *label, const char *name)
{
    char plain[WEIGHTS_MAX_NAME + 1];

    unwrap(plain, name);
    label->ignored = is_extra(plain);
    for (const char *at = plain; at && !label->ignored; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
        const char *rest = match_stem(label, at);
        for (size_t i = 0; rest && i < COUNT(torch_parts); i++)
            if (strcmp(rest, torch_parts[i].text) == 0) {
                label->member = torch_parts[i].member;
                return true;
            }
    }
    return label->ignored;
}

bool weights_names_is_kernel(const char *name, size_t n)
{
    char text[WEIGHTS_MAX_NAME + 1];
    struct label label = {0};

    if (n > WEIGHTS_MAX_NAME || memchr(name, '\0', n))
        return false;
    memcpy(text, name, n);
    text[n] = '\0';
    return parse_torch(&label, text) && !label.ignored && !label.dense && label.member == offsetof(struct node, weight);
}

/* ---- Keras ----------------------------------------------------------------------------------------------------- */

/* What follows the layer's name; `/kernel`, `/kernel:0` and `/kernel_1:0` are the same. */
static const struct part keras_parts[] = {
    {"/kernel", offsetof(struct node, weight)},    {"_W", offsetof(struct node, weight)},
    {"/bias", offsetof(struct node, bias)},        {"_b", offsetof(struct node, bias)},
    {"/gamma", offsetof(struct node, weight)},     {"/beta", offsetof(struct node, bias)},
    {"/moving_mean", offsetof(struct node, mean)}, {"/moving_variance", offsetof(struct node, variance)},
};

/* The length of a name without a mark and the digits behind it at its end. */
static size_t without_number(const char *name, size_t n, char mark)
{
    size_t end = n;

    while (end > 0 && name[end - 1] >= '0' && name[end - 1] <= '9')
        end--;
    return end < n && end > 0 && name[end - 1] == mark ? end - 1 : n;
}

/* Layers have any names; their order is that of the file. */
static bool parse_keras(struct label *label, const char *name)
{
    size_t n = without_number(name, without_number(name, strlen(name), ':'), '_');

    for (size_t i = 0; i < COUNT(keras_parts); i++) {
        size_t length = strlen(keras_parts[i].text);
        if (n > length && memcmp(name + n - length, keras_parts[i].text, length) == 0) {
            *label = (struct label){.stem = name, .nstem = n - length, .member = keras_parts[i].member};
            return true;
        }
    }
    return false;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static bool belongs(const struct node *node, const struct label *label)
{
    if (label->stem)
        return node->nstem == label->nstem && memcmp(node->stem, label->stem, node->nstem) == 0;
    return node->dense == label->dense && node->number == label->number;
}

static struct node *find_node(struct nodes *nodes, const struct label *label)
{
    for (size_t i = 0; i < nodes->n; i++)
        if (belongs(&nodes->list[i], label))
            return &nodes->list[i];
    if (nodes->n == NODES)
        return NULL;
    struct node *node = &nodes->list[nodes->n];
    *node = (struct node){.dense = label->dense,
                          .number = label->stem ? nodes->n : label->number,
                          .stem = label->stem,
                          .nstem = label->nstem};
    nodes->n++;
    return node;
}

static enum status place(struct nodes *nodes, const struct weights *w, const struct weights_record *r,
                         struct error *err)
{
    struct label label = {0};

    if (!(w->format->keras ? parse_keras : parse_torch)(&label, r->info.name))
        return bad(w, r,
                   "its name is not one of a VGG (features.N, classifier.N; kernel, bias); if the network does without "
                   "it, save the weights without it",
                   err);
    if (label.ignored)
        return OK;
    struct node *node = find_node(nodes, &label);
    if (!node)
        return error_set(err, FAIL_LIMIT, "%s: more than %d layers", w->path, NODES);
    const struct weights_record **slot = (const struct weights_record **)(void *)((char *)node + label.member);
    if (*slot)
        return error_set(err, FAIL_FORMAT,
                         "%s: tensor '%s': another tensor has the same role, '%s'; save the weights of one network "
                         "only",
                         w->path, r->info.name, (*slot)->info.name);
    if (!r->dtype->decode)
        return bad(w, r, "its dtype is not F32, F16, BF16 or F64", err);
    for (size_t d = 0; d < r->info.ndim; d++)
        if (r->info.dims[d] == 0)
            return bad(w, r, "it is empty", err);
    *slot = r;
    if (label.stem && r->info.ndim == 2)
        node->dense = true;
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
        return bad(w, node->weight,
                   w->format->keras ? "a BatchNorm needs gamma, beta, moving_mean and moving_variance"
                                    : "a BatchNorm needs weight, bias, running_mean and running_var",
                   err);
    struct weights_layer *layer = &w->layers[w->nlayers - 1];
    const struct weights_record **parts = w->sources[w->nlayers - 1].parts;
    layer->batchnorm = true;
    layer->epsilon = node->weight->epsilon > 0 ? node->weight->epsilon : w->format->epsilon;
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
        return error_set(err, FAIL_FORMAT, "%s: no convolutions (features.N, or kernels of 4 dimensions)", w->path);
    if (ndense != DENSE)
        return error_set(err, FAIL_FORMAT,
                         "%s: has %zu dense layers (classifier.N, pre_logits and head, fc6, ...); a VGG has %d",
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
