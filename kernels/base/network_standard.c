#include "kernels/base/network_standard.h"

#include "kernels/base/network_vgg.h"
#include "kernels/base/number.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 3, STAGES = 7, HALVINGS = 32 /* of all stages together */ };

/* ---- the tables ------------------------------------------------------------------------------------------------ */

/* A convolution of a block: of side x side, to the block's inner or outer channels. */
struct step {
    const char *name;
    size_t side;
    bool outer;    /* the last one; without activation */
    bool strided;  /* by the stage's stride, in its first block */
    bool channels; /* every channel alone */
};

/* Convolutions, to whose output the block's input is added. */
struct block {
    struct step steps[STEPS];
    size_t widening;         /* outer channels for each of the stage's width */
    bool projects;           /* an input of other shape goes through a 1x1 convolution; else it is not added */
    struct activation added; /* of the sum */
};

static const struct block basic = {
    {{"conv1", 3, .strided = true}, {"conv2", 3, .outer = true}}, 1, true, {ACTIVATION_RELU, 0, 0}};
static const struct block bottleneck = {
    {{.name = "conv1", .side = 1}, {"conv2", 3, .strided = true}, {"conv3", 1, .outer = true}},
    4,
    true,
    {ACTIVATION_RELU, 0, 0}};
static const struct block inverted = {
    {{.name = "conv.0.0", .side = 1}, {"conv.1.0", 3, .strided = true, .channels = true}, {"conv.2", 1, .outer = true}},
    1,
    false,
    {ACTIVATION_NONE, 0, 0}};

struct stage {
    size_t width, count, stride;
    size_t expansion; /* inner channels for each one of a block's input; 0: they are as many as the width */
};

static const struct design {
    const char *name;
    const struct block *block;
    struct activation activation;

    struct {
        const char *name;
        size_t width, side;
    } stem; /* a convolution with stride 2 */

    const char *pool; /* 3x3 with stride 2 behind it, or NULL */
    bool numbered_on; /* blocks have one number, "features.3", else those of stage and within it, "layer2.0" */
    struct stage stages[STAGES];

    struct {
        const char *name;
        size_t width;
    } top; /* a last 1x1 convolution, or NULL */

    const char *average, *dense;
} designs[] = {
    {"resnet18",
     &basic,
     {ACTIVATION_RELU, 0, 0},
     {"conv1", 64, 7},
     "maxpool",
     false,
     {{64, 2, 1, 0}, {128, 2, 2, 0}, {256, 2, 2, 0}, {512, 2, 2, 0}},
     {NULL, 0},
     "avgpool",
     "fc"},
    {"resnet50",
     &bottleneck,
     {ACTIVATION_RELU, 0, 0},
     {"conv1", 64, 7},
     "maxpool",
     false,
     {{64, 3, 1, 0}, {128, 4, 2, 0}, {256, 6, 2, 0}, {512, 3, 2, 0}},
     {NULL, 0},
     "avgpool",
     "fc"},
    {"mobilenet_v2",
     &inverted,
     {ACTIVATION_CLIP, 0, 6},
     {"features.0.0", 32, 3},
     NULL,
     true,
     {{16, 1, 1, 1}, {24, 2, 2, 6}, {32, 3, 2, 6}, {64, 4, 2, 6}, {96, 3, 1, 6}, {160, 3, 2, 6}, {320, 1, 1, 6}},
     {"features.18.0", 1280},
     "globalaveragepool",
     "classifier.1"},
};

/* ---- building -------------------------------------------------------------------------------------------------- */

struct build {
    struct network *net;
    const struct design *design;
    size_t narrow, floats;
};

static size_t narrowed(const struct build *b, size_t width)
{
    return larger(width / b->narrow, 1);
}

/* Append a link of a block ("": of none) that reads one variable or, if the second is not 0, two, with a place in the
 * model if it has weights. Shapes fit by construction. Returns the variable that the link writes. */
static size_t push(struct build *b, struct link link, const char *block, const char *name, size_t first, size_t second)
{
    size_t lower[] = {first, second};
    char message[128];

    snprintf(link.name, sizeof link.name, "%.30s%.30s", block, name);
    size_t upper = network_push(b->net, &link, lower, second ? 2 : 1, NULL, message, sizeof message);
    assert(upper > 0);
    if (link.kind == LINK_CONVOLUTION || link.kind == LINK_DENSE) {
        struct link *pushed = &b->net->links[upper - 1];
        pushed->weight = b->floats;
        pushed->bias = pushed->weight + network_weight_floats(pushed);
        b->floats = pushed->bias + pushed->upper.channels;
    }
    return upper;
}

/* Windows of side x side around every stride-th position. */
static struct window centred(size_t side, size_t stride)
{
    size_t pad = side / 2;

    return (struct window){side, side, stride, stride, pad, pad, pad, pad};
}

static struct link convolution(size_t out, size_t side, size_t stride, struct activation activation)
{
    return (struct link){.kind = LINK_CONVOLUTION,
                         .upper = {out, 0, 0},
                         .window = centred(side, stride),
                         .groups = 1,
                         .activation = activation};
}

/* The convolutions of a block, from variable `input` on; returns its output. */
static size_t push_steps(struct build *b, const char *block, const struct stage *stage, size_t stride, size_t input)
{
    static const struct activation none = {ACTIVATION_NONE, 0, 0};
    const struct design *design = b->design;
    size_t channels = network_shape(b->net, input).channels, at = input;
    size_t inner = stage->expansion ? stage->expansion * channels : narrowed(b, stage->width);
    size_t outer = narrowed(b, stage->width) * design->block->widening;

    for (const struct step *s = design->block->steps; s < design->block->steps + STEPS && s->name; s++) {
        struct link link = convolution(s->outer ? outer : inner, s->side, s->strided ? stride : 1,
                                       s->outer ? none : design->activation);
        if (stage->expansion == 1 && s == design->block->steps)
            continue; /* nothing to expand */
        link.groups = s->channels ? inner : 1;
        at = push(b, link, block, s->name, at, 0);
    }
    return at;
}

/* Returns the variable that the block writes. */
static size_t push_block(struct build *b, const char *block, const struct stage *stage, size_t stride, size_t input)
{
    const struct block *kind = b->design->block;
    size_t output = push_steps(b, block, stage, stride, input), beside = input;
    size_t channels = network_shape(b->net, output).channels;
    bool same = stride == 1 && network_shape(b->net, input).channels == channels;

    if (!same && !kind->projects)
        return output;
    if (!same)
        beside = push(b, convolution(channels, 1, stride, (struct activation){ACTIVATION_NONE, 0, 0}), block,
                      "downsample.0", input, 0);
    return push(b, (struct link){.kind = LINK_ADD, .activation = kind->added}, block, "add", output, beside);
}

static size_t push_stages(struct build *b, size_t at)
{
    char name[NETWORK_NAME];
    size_t number = 0;

    for (size_t s = 0; s < STAGES && b->design->stages[s].count; s++) {
        const struct stage *stage = &b->design->stages[s];
        for (size_t i = 0; i < stage->count; i++) {
            number++;
            if (b->design->numbered_on)
                snprintf(name, sizeof name, "features.%zu.", number);
            else
                snprintf(name, sizeof name, "layer%zu.%zu.", s + 1, i);
            at = push_block(b, name, stage, i == 0 ? stage->stride : 1, at);
        }
    }
    return at;
}

static size_t build(struct network *net, const struct design *design, size_t side, size_t narrow, size_t classes)
{
    struct build b = {net, design, narrow, 0};
    char message[128];

    network_start(net, design->name, (struct shape){3, side, side});
    size_t at = push(&b, convolution(narrowed(&b, design->stem.width), design->stem.side, 2, design->activation), "",
                     design->stem.name, 0, 0);
    if (design->pool)
        at = push(&b, (struct link){.kind = LINK_POOL, .window = centred(3, 2)}, "", design->pool, at, 0);
    at = push_stages(&b, at);
    if (design->top.name)
        at = push(&b, convolution(narrowed(&b, design->top.width), 1, 1, design->activation), "", design->top.name, at,
                  0);
    size_t left = network_shape(net, at).height;
    at = push(&b, (struct link){.kind = LINK_AVERAGE, .window = {left, left, left, left, 0, 0, 0, 0}}, "",
              design->average, at, 0);
    push(&b, (struct link){.kind = LINK_DENSE, .upper = {classes, 1, 1}}, "", design->dense, at, 0);
    return network_finish(net, message, sizeof message) ? b.floats : 0;
}

size_t network_standard(struct network *net, const char *name, size_t side, size_t narrow, size_t classes)
{
    if (side == 0 || side % HALVINGS != 0)
        return 0;
    for (size_t i = 0; i < sizeof designs / sizeof designs[0]; i++)
        if (strcmp(designs[i].name, name) == 0)
            return build(net, &designs[i], side, narrow, classes);
    return network_vgg_standard(net, name, side, narrow, classes);
}
