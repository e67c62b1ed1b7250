#include "tests/support/graph_text.h"

#include "kernels/base/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 256, MAX_INPUTS = 16 };

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static const char *const kinds[] = {
    [LINK_CONVOLUTION] = "convolution",
    [LINK_DENSE] = "dense",
    [LINK_POOL] = "pool",
    [LINK_AVERAGE] = "average",
    [LINK_ADD] = "add",
    [LINK_CHANNELS] = "channels",
    [LINK_GATE] = "gate",
    [LINK_PASS] = "pass",
};

static const char *const activations[] = {
    [ACTIVATION_NONE] = "none",       [ACTIVATION_RELU] = "relu",
    [ACTIVATION_CLIP] = "clip",       [ACTIVATION_LEAKY] = "leaky",
    [ACTIVATION_SIGMOID] = "sigmoid", [ACTIVATION_HARD_SIGMOID] = "hard_sigmoid",
    [ACTIVATION_SILU] = "silu",       [ACTIVATION_HARD_SWISH] = "hard_swish",
    [ACTIVATION_GELU] = "gelu",       [ACTIVATION_ELU] = "elu",
    [ACTIVATION_TANH] = "tanh",       [ACTIVATION_SOFTPLUS] = "softplus",
    [ACTIVATION_MISH] = "mish",
};

/* Everything that one line says. */
struct line {
    struct link link;
    size_t lower[MAX_INPUTS], nlower;
    struct edge_channels pieces[MAX_INPUTS];
    bool windowed;
};

_Noreturn static void misspelt(const char *word)
{
    fprintf(stderr, "the text of a graph has the word %s\n", word);
    abort();
}

static size_t find_word(const char *const *words, size_t n, const char *word)
{
    size_t i = 0;

    while (i < n && strcmp(words[i], word) != 0)
        i++;
    return i;
}

/* "3" or "3x5" */
static void read_pair(size_t *first, size_t *second, const char *text)
{
    int n = sscanf(text, "%zux%zu", first, second);

    if (n < 1)
        misspelt(text);
    if (n == 1)
        *second = *first;
}

static void read_pad(struct window *w, const char *text)
{
    int n = sscanf(text, "%zu,%zu,%zu,%zu", &w->top, &w->left, &w->bottom, &w->right);

    if (n != 1 && n != 4)
        misspelt(text);
    if (n == 1)
        w->left = w->bottom = w->right = w->top;
}

static void read_input(struct line *line, const struct network *net, const char *text)
{
    struct edge_channels *piece = &line->pieces[line->nlower], before = {0};
    char name[NETWORK_NAME];

    if (line->nlower == MAX_INPUTS || sscanf(text, "%63[^:]", name) != 1)
        misspelt(text);
    if (line->nlower > 0)
        before = line->pieces[line->nlower - 1];
    size_t lower = network_find(net, name);
    line->lower[line->nlower++] = lower;
    *piece = (struct edge_channels){.upper = before.upper + before.count, .step = 1};
    if (!strchr(text, ':'))
        piece->count = lower <= net->nlinks ? network_shape(net, lower).channels : 1;
    else if (sscanf(strchr(text, ':'), ":%zu:%zu:%zu:%zu", &piece->lower, &piece->count, &piece->upper, &piece->step) <
             2)
        misspelt(text);
}

static void read_inputs(struct line *line, const struct network *net, char *text)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        read_input(line, net, word);
}

static bool read_activation(struct link *link, const char *word, const char *value)
{
    size_t kind = find_word(activations, LENGTH(activations), word);

    if (kind == LENGTH(activations))
        return false;
    link->activation = (struct activation){(enum activation_kind)kind, 0, 0};
    if (value && sscanf(value, "%f:%f", &link->activation.a, &link->activation.b) < 1)
        misspelt(value);
    return true;
}

static void read_setting(struct line *line, const struct network *net, const char *word, const char *value)
{
    struct link *link = &line->link;

    if (read_activation(link, word, value))
        return;
    if (!value && strcmp(word, "counted") == 0)
        link->count_padding = true;
    else if (!value && strcmp(word, "weighted") == 0)
        link->weighted = true;
    else if (!value)
        misspelt(word);
    else if (strcmp(word, "out") == 0)
        link->upper.channels = strtoul(value, NULL, 10);
    else if (strcmp(word, "upper") == 0)
        read_pair(&link->upper.height, &link->upper.width, value);
    else if (strcmp(word, "window") == 0)
        read_pair(&link->window.height, &link->window.width, value);
    else if (strcmp(word, "stride") == 0)
        read_pair(&link->window.down, &link->window.across, value);
    else if (strcmp(word, "pad") == 0)
        read_pad(&link->window, value);
    else if (strcmp(word, "groups") == 0)
        link->groups = strtoul(value, NULL, 10);
    else if (strcmp(word, "gate") == 0)
        link->gate = network_find(net, value);
    else
        misspelt(word);
    line->windowed = line->windowed || strcmp(word, "window") == 0;
}

static void read_line(struct line *line, const struct network *net, const char *text)
{
    char copy[LINE], *rest = NULL;

    if (snprintf(copy, sizeof copy, "%s", text) >= LINE)
        misspelt(text);
    *line = (struct line){.link = {.window = {.down = 1, .across = 1}, .groups = 1}};
    char *name = strtok_r(copy, " ", &rest), *kind = strtok_r(NULL, " ", &rest), *inputs = strtok_r(NULL, " ", &rest);
    if (!name || !kind || !inputs || find_word(kinds, LENGTH(kinds), kind) == LENGTH(kinds))
        misspelt(text);
    snprintf(line->link.name, sizeof line->link.name, "%s", name);
    line->link.kind = (enum link_kind)find_word(kinds, LENGTH(kinds), kind);
    read_inputs(line, net, inputs);
    for (char *word = strtok_r(NULL, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        read_setting(line, net, word, value);
    }
    if (line->link.kind == LINK_DENSE)
        line->link.upper.height = line->link.upper.width = 1;
    if (line->link.kind == LINK_AVERAGE && !line->windowed && line->lower[0] <= net->nlinks) {
        struct shape all = network_shape(net, line->lower[0]);
        line->link.window = (struct window){.height = all.height, .width = all.width, .down = 1, .across = 1};
    }
}

/* Floats up to and with the first n links. */
static size_t floats_of(const struct network *net, size_t n)
{
    size_t floats = 0;

    for (size_t k = 0; k < n; k++) {
        const struct link *link = &net->links[k];
        bool own = link->kind == LINK_CONVOLUTION || link->kind == LINK_DENSE || link->weighted;
        floats += own ? network_weight_floats(link) + link->upper.channels : 0;
    }
    return floats;
}

void graph_text_start(struct network *net, const char *line)
{
    struct shape input;

    if (sscanf(line, "input %zux%zux%zu", &input.channels, &input.height, &input.width) != 3)
        misspelt(line);
    network_start(net, "graph", input);
}

bool graph_text_push(struct network *net, const char *text, char *message, size_t nmessage)
{
    struct line line;

    read_line(&line, net, text);
    size_t k = network_push(net, &line.link, line.lower, line.nlower,
                            line.link.kind == LINK_CHANNELS ? line.pieces : NULL, message, nmessage);
    if (k == 0)
        return false;
    net->links[k - 1].weight = floats_of(net, k - 1);
    net->links[k - 1].bias = net->links[k - 1].weight + network_weight_floats(&net->links[k - 1]);
    return true;
}

bool graph_text_read(struct network *net, const char *text, char *message, size_t nmessage)
{
    char line[LINE];

    for (size_t at = 0, n; text[at]; at += n + (text[at + n] == '\n')) {
        n = strcspn(text + at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, text + at);
        if (at == 0)
            graph_text_start(net, line);
        else if (!graph_text_push(net, line, message, nmessage))
            return false;
    }
    return network_finish(net, message, nmessage);
}

size_t graph_text_floats(const struct network *net)
{
    return floats_of(net, net->nlinks);
}

float *graph_text_weights(const struct network *net, struct random *random)
{
    size_t floats = graph_text_floats(net);
    float *model = aligned_alloc(ARENA_ALIGNMENT, (floats * sizeof *model / ARENA_ALIGNMENT + 1) * ARENA_ALIGNMENT);

    if (!model)
        abort();
    for (size_t k = 0; k < net->nlinks; k++) {
        const struct link *link = &net->links[k];
        size_t n = network_weight_floats(link), channels = link->upper.channels;
        bool pass = link->kind == LINK_PASS;
        if (floats_of(net, k + 1) == floats_of(net, k))
            continue;
        /* uniform with variance 2 / inputs, a little more positive than negative; a pass is near one */
        double scale = pass ? 0.5 : sqrt(6 / ((double)n / (double)channels)), shift = 0.15 * random_uniform(random);
        for (size_t i = 0; i < n; i++)
            model[link->weight + i] = (float)((pass ? 1 : 0) + scale * (random_uniform(random) + shift));
        for (size_t i = 0; i < channels; i++)
            model[link->bias + i] = (float)(0.5 * random_uniform(random));
    }
    return model;
}
