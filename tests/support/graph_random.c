#include "tests/support/graph_random.h"

#include "kernels/base/number.h"
#include "tests/support/graph_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_CHANNELS = 4, SMALL_NEURONS = 32, MAX_CLOSED = 64 };

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* A network and its text, as far as they are. */
struct builder {
    struct network net;
    struct random *random;
    char *text;
};

static size_t below(const struct builder *b, size_t n)
{
    return random_below(b->random, n);
}

/* low .. high */
static size_t between(const struct builder *b, size_t low, size_t high)
{
    return low + below(b, high - low + 1);
}

static void append(struct builder *b, const char *line)
{
    size_t used = strlen(b->text);

    if (snprintf(b->text + used, GRAPH_TEXT - used, "%s%s", used ? "\n" : "", line) >= (int)(GRAPH_TEXT - used))
        abort();
}

static void start(struct builder *b, char *text, struct random *random, struct shape input)
{
    char line[64];

    *b = (struct builder){.random = random, .text = text};
    *text = '\0';
    snprintf(line, sizeof line, "input %zux%zux%zu", input.channels, input.height, input.width);
    graph_text_start(&b->net, line);
    append(b, line);
}

/* Append a link, if the network takes it. */
static bool push_line(struct builder *b, const char *format, va_list arguments)
{
    char line[256], message[200];

    vsnprintf(line, sizeof line, format, arguments);
    if (!graph_text_push(&b->net, line, message, sizeof message))
        return false;
    append(b, line);
    return true;
}

__attribute__((format(printf, 2, 3))) static bool propose(struct builder *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    bool taken = push_line(b, format, arguments);
    va_end(arguments);
    return taken;
}

/* Append a link that fits; returns the variable. */
__attribute__((format(printf, 2, 3))) static size_t put(struct builder *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (!push_line(b, format, arguments))
        abort();
    va_end(arguments);
    return b->net.nlinks;
}

static const char *name(const struct builder *b, size_t variable)
{
    return network_variable(&b->net, variable);
}

static const char *activation(const struct builder *b)
{
    static const char *const words[] = {"relu",
                                        "relu",
                                        "relu",
                                        "none",
                                        "none",
                                        "leaky=0.1",
                                        "clip=0:6",
                                        "clip=-0.5:1",
                                        "silu",
                                        "gelu",
                                        "sigmoid",
                                        "hard_swish",
                                        "hard_sigmoid=0.2:0.5",
                                        "elu=1:1",
                                        "tanh",
                                        "softplus",
                                        "mish"};

    return words[below(b, LENGTH(words))];
}

/* ---- small graphs ------------------------------------------------------------------------------------------------ */

/* A variable to read, often the last one. */
static size_t pick(const struct builder *b)
{
    return below(b, 2) ? b->net.nlinks : below(b, b->net.nlinks + 1);
}

/* A variable with maps of the size of another one's, and with as many channels if wanted. It may be that one. */
static size_t pick_like(const struct builder *b, size_t variable, bool channels)
{
    struct shape want = network_shape(&b->net, variable);
    size_t found[NETWORK_MAX_VARIABLES], n = 0;

    for (size_t k = 0; k <= b->net.nlinks; k++) {
        struct shape s = network_shape(&b->net, k);
        if (s.height == want.height && s.width == want.width && (!channels || s.channels == want.channels))
            found[n++] = k;
    }
    return found[below(b, n)];
}

static void try_convolution(struct builder *b, size_t v)
{
    size_t channels = network_shape(&b->net, v).channels, height = between(b, 1, 3), width = between(b, 1, 3);
    size_t groups = below(b, 3) ? 1 : below(b, 2) ? channels : 2, out = groups * between(b, 1, 3);

    if (below(b, 2))
        propose(b, "v%zu convolution %s out=%zu window=%zux%zu stride=%zux%zu pad=%zu,%zu,%zu,%zu groups=%zu %s",
                b->net.nlinks, name(b, v), out, height, width, between(b, 1, 2), between(b, 1, 2), below(b, height),
                below(b, width), below(b, height), below(b, width), groups, activation(b));
    else
        propose(b, "v%zu convolution %s out=%zu window=3 pad=1 groups=%zu %s", b->net.nlinks, name(b, v), out, groups,
                activation(b));
}

static void try_pool(struct builder *b, size_t v)
{
    size_t height = between(b, 1, 3), width = between(b, 2, 3), k = b->net.nlinks;
    struct shape s = network_shape(&b->net, v);

    switch (below(b, 4)) {
    case 0:
        propose(b, "v%zu pool %s window=2 stride=2", k, name(b, v));
        break;
    case 1: /* the last windows are cut off */
        propose(b, "v%zu pool %s window=2 stride=2 upper=%zux%zu", k, name(b, v), (s.height + 1) / 2,
                (s.width + 1) / 2);
        break;
    default:
        propose(b, "v%zu pool %s window=%zux%zu stride=%zux%zu pad=%zu,%zu,%zu,%zu %s", k, name(b, v), height, width,
                between(b, 1, 2), between(b, 1, 2), below(b, height), below(b, width), below(b, height),
                below(b, width), below(b, 3) ? "none" : activation(b));
    }
}

static void try_average(struct builder *b, size_t v)
{
    size_t height = between(b, 1, 3), width = between(b, 2, 3), k = b->net.nlinks;
    struct shape s = network_shape(&b->net, v);

    switch (below(b, 4)) {
    case 0:
        propose(b, "v%zu average %s", k, name(b, v));
        break;
    case 1:
        propose(b, "v%zu average %s window=2 stride=2 upper=%zux%zu%s", k, name(b, v), (s.height + 1) / 2,
                (s.width + 1) / 2, below(b, 2) ? " counted" : "");
        break;
    default:
        propose(b, "v%zu average %s window=%zux%zu stride=%zux%zu pad=%zu,%zu,%zu,%zu%s %s", k, name(b, v), height,
                width, between(b, 1, 2), between(b, 1, 2), below(b, height), below(b, width), below(b, height),
                below(b, width), below(b, 2) ? " counted" : "", below(b, 3) ? "none" : activation(b));
    }
}

static void try_add(struct builder *b, size_t v)
{
    size_t other = pick_like(b, v, true), third = pick_like(b, v, true);

    if (below(b, 3))
        propose(b, "v%zu add %s,%s %s", b->net.nlinks, name(b, other), name(b, v), activation(b));
    else
        propose(b, "v%zu add %s,%s,%s %s", b->net.nlinks, name(b, v), name(b, other), name(b, third), activation(b));
}

static void try_shuffle(struct builder *b, size_t v, size_t other)
{
    size_t count = smaller(network_shape(&b->net, v).channels, network_shape(&b->net, other).channels);

    if (2 * count <= SMALL_CHANNELS + 2)
        propose(b, "v%zu channels %s:0:%zu:0:2,%s:0:%zu:1:2 %s", b->net.nlinks, name(b, v), count, name(b, other),
                count, activation(b));
}

static void try_channels(struct builder *b, size_t v)
{
    size_t channels = network_shape(&b->net, v).channels, first = below(b, channels), k = b->net.nlinks;
    size_t other = pick_like(b, v, false);

    switch (below(b, 3)) {
    case 0:
        propose(b, "v%zu channels %s:%zu:%zu", k, name(b, v), first, between(b, 1, channels - first));
        break;
    case 1: /* every other channel, taken from two variables */
        try_shuffle(b, v, other);
        break;
    default:
        if (channels + network_shape(&b->net, other).channels <= SMALL_CHANNELS)
            propose(b, "v%zu channels %s,%s", k, name(b, v), name(b, other));
    }
}

static void try_gate(struct builder *b, size_t v)
{
    size_t channels = network_shape(&b->net, v).channels;

    if (v == 0)
        return;
    if (below(b, 2)) {
        propose(b, "v%zu gate %s gate=%s", b->net.nlinks, name(b, v), name(b, pick_like(b, v, true)));
        return;
    }
    size_t mean = put(b, "mean%zu average %s", b->net.nlinks, name(b, v));
    size_t how = put(b, "how%zu convolution %s out=%zu window=1 %s", b->net.nlinks, name(b, mean), channels,
                     below(b, 2) ? "sigmoid" : "hard_sigmoid=0.2:0.5");
    put(b, "v%zu gate %s gate=%s %s", b->net.nlinks, name(b, v), name(b, how), below(b, 2) ? "none" : activation(b));
}

static void try_pass(struct builder *b, size_t v)
{
    propose(b, "v%zu pass %s%s %s", b->net.nlinks, name(b, v), below(b, 2) ? " weighted" : "", activation(b));
}

static void (*const tries[])(struct builder *b, size_t v) = {
    try_convolution, try_convolution, try_pool, try_average, try_add, try_add, try_channels, try_gate, try_pass};

/* Whether a variable is read, as gate or otherwise. */
static bool is_read(const struct network *net, size_t variable)
{
    for (size_t e = 0; e < net->nedges; e++)
        if (net->edges[e].lower == variable)
            return true;
    for (size_t k = 0; k < net->nlinks; k++)
        if (net->links[k].kind == LINK_GATE && net->links[k].gate == variable)
            return true;
    return false;
}

/* A dense link on everything that is not read yet, and logits of their sum, or of all of them side by side. */
static void close_small(struct builder *b)
{
    size_t classes = between(b, 2, 3), last = b->net.nlinks;
    char all[256] = "";

    for (size_t k = 0; k <= last; k++) {
        if (is_read(&b->net, k))
            continue;
        put(b, "d%zu dense %s out=%zu %s", k, name(b, k), classes, activation(b));
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? "," : "", name(b, b->net.nlinks));
    }
    bool several = b->net.nlinks > last + 1, more = !several || below(b, 4);
    if (several)
        put(b, "all %s %s %s", below(b, 3) ? "add" : "channels", all, more ? activation(b) : "none");
    if (more)
        put(b, "fc dense %s out=%zu", name(b, b->net.nlinks), classes);
}

void graph_random_small(char text[GRAPH_TEXT], struct random *random)
{
    struct builder b = {.random = random};

    start(&b, text, random, (struct shape){between(&b, 1, 3), between(&b, 2, 5), between(&b, 2, 4)});
    for (size_t i = between(&b, 4, 10); i > 0; i--)
        tries[below(&b, LENGTH(tries))](&b, pick(&b));
    close_small(&b);
}

/* ---- large graphs ------------------------------------------------------------------------------------------------ */

static size_t channels_of(const struct builder *b, size_t v)
{
    return network_shape(&b->net, v).channels;
}

/* A convolution with the padding that keeps the map, or divides it by the stride. */
static size_t same(struct builder *b, size_t v, size_t out, size_t window, size_t stride, const char *how)
{
    return put(b, "v%zu convolution %s out=%zu window=%zu stride=%zu pad=%zu %s", b->net.nlinks, name(b, v), out,
               window, stride, window / 2, how);
}

static void finish_large(struct builder *b, size_t v)
{
    size_t mean = put(b, "mean average %s", name(b, v));

    put(b, "fc dense %s out=%zu", name(b, mean), between(b, 3, 7));
}

static size_t residual(struct builder *b, size_t x, size_t out, size_t stride, bool bottleneck)
{
    size_t v = x, k = b->net.nlinks, skip = x;

    v = bottleneck ? same(b, v, larger(out / 2, 1), 1, 1, "relu") : same(b, v, out, 3, stride, "relu");
    v = bottleneck ? same(b, v, larger(out / 2, 1), 3, stride, "relu") : v;
    v = same(b, v, out, bottleneck ? 1 : 3, 1, "");
    if (stride > 1 || channels_of(b, x) != out)
        skip = same(b, x, out, 1, stride, "");
    return put(b, "sum%zu add %s,%s relu", k, name(b, skip), name(b, v));
}

static void build_resnet(struct builder *b)
{
    bool bottleneck = below(b, 2);
    size_t v = same(b, 0, between(b, 3, 9), 7, 2, "relu");

    v = put(b, "half pool %s window=3 stride=2 pad=1", name(b, v));
    for (size_t i = between(b, 2, 4); i > 0; i--)
        v = residual(b, v, below(b, 2) ? channels_of(b, v) : between(b, 5, 19), between(b, 1, 2), bottleneck);
    finish_large(b, v);
}

static void build_densenet(struct builder *b)
{
    size_t v = same(b, 0, between(b, 3, 9), 3, 2, "relu");

    v = put(b, "half pool %s window=3 stride=2 pad=1", name(b, v));
    for (size_t i = between(b, 3, 5); i > 0; i--) {
        size_t norm = put(b, "norm%zu pass %s weighted relu", i, name(b, v));
        size_t grown = same(b, same(b, norm, between(b, 4, 17), 1, 1, "relu"), between(b, 2, 5), 3, 1, "");
        v = put(b, "all%zu channels %s,%s", i, name(b, v), name(b, grown));
        struct shape map = network_shape(&b->net, v);
        if (below(b, 3) || map.height < 2 || map.width < 2)
            continue;
        v = same(b, put(b, "last%zu pass %s weighted relu", i, name(b, v)), between(b, 3, 9), 1, 1, "");
        v = put(b, "less%zu average %s window=2 stride=2", i, name(b, v));
    }
    finish_large(b, put(b, "norm pass %s weighted relu", name(b, v)));
}

static size_t squeezed(struct builder *b, size_t v)
{
    size_t mean = put(b, "mean%zu average %s", v, name(b, v)), less = same(b, mean, between(b, 1, 4), 1, 1, "relu");
    size_t how = same(b, less, channels_of(b, v), 1, 1, "hard_sigmoid=0.16666667:0.5");

    return put(b, "some%zu gate %s gate=%s", v, name(b, v), name(b, how));
}

static void build_mobilenet(struct builder *b)
{
    static const char *const acts[] = {"clip=0:6", "hard_swish", "silu", "relu"};
    const char *act = acts[below(b, LENGTH(acts))];
    size_t v = same(b, 0, between(b, 3, 9), 3, 2, act);

    for (size_t i = between(b, 3, 4); i > 0; i--) {
        size_t wide = channels_of(b, v) * between(b, 1, 3), stride = below(b, 3) ? 1 : 2, x = v;
        size_t window = 3 + 2 * below(b, 2), out = below(b, 3) ? channels_of(b, v) : between(b, 3, 9);
        v = same(b, v, wide, 1, 1, act);
        v = put(b, "v%zu convolution %s out=%zu window=%zu stride=%zu pad=%zu groups=%zu %s", b->net.nlinks, name(b, v),
                wide, window, stride, window / 2, wide, act);
        v = same(b, below(b, 2) ? squeezed(b, v) : v, out, 1, 1, "");
        if (stride == 1 && out == channels_of(b, x))
            v = put(b, "sum%zu add %s,%s", i, name(b, x), name(b, v));
    }
    finish_large(b, same(b, v, between(b, 11, 21), 1, 1, act));
}

/* Branches side by side, groups and a shuffle. */
static void build_inception(struct builder *b)
{
    size_t v = same(b, 0, 2 * between(b, 2, 6), 5, 2, "relu");

    for (size_t i = between(b, 1, 3); i > 0; i--) {
        size_t half = channels_of(b, v) / 2;
        size_t one = put(b, "one%zu channels %s:0:%zu", i, name(b, v), half);
        size_t two = same(b, put(b, "two%zu channels %s:%zu:%zu", i, name(b, v), half, half), half, 5, 1, "gelu");
        v = put(b, "mixed%zu channels %s:0:%zu:0:2,%s:0:%zu:1:2", i, name(b, one), half, name(b, two), half);
        size_t most = put(b, "most%zu pool %s window=3 stride=1 pad=1", i, name(b, v));
        size_t mean = put(b, "mean%zu average %s window=3 stride=1 pad=1%s", i, name(b, v), i % 2 ? " counted" : "");
        size_t grouped = same(b, v, 2 * between(b, 1, 4), 3, 1, "groups=2 leaky=0.1");
        v = put(b, "all%zu channels %s,%s,%s", i, name(b, same(b, most, between(b, 1, 5), 1, 1, "relu")), name(b, mean),
                name(b, grouped));
        v = same(b, v, 2 * between(b, 2, 7), 1, 1, "relu");
    }
    v = put(b, "half pool %s window=2 stride=2", name(b, v));
    finish_large(b, v);
}

void graph_random_large(char text[GRAPH_TEXT], enum graph_family family, struct random *random)
{
    static void (*const builders[GRAPH_FAMILIES])(struct builder * b) = {
        [GRAPH_RESNET] = build_resnet,
        [GRAPH_DENSENET] = build_densenet,
        [GRAPH_MOBILENET] = build_mobilenet,
        [GRAPH_INCEPTION] = build_inception,
    };
    struct builder b = {.random = random};

    start(&b, text, random, (struct shape){between(&b, 1, 3), between(&b, 17, 37), between(&b, 17, 37)});
    builders[family](&b);
}
