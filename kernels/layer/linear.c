#include "kernels/layer/linear.h"

#include "kernels/base/number.h"
#include "kernels/layer/convolution.h"
#include "kernels/layer/depthwise.h"
#include "kernels/layer/transfer.h"

#include <string.h>

/* ---- maps in the planar order ------------------------------------------------------------------------------------ */

/* Scratch memory: planar copies of both variables, a product of an upper variable's shape, the weight gradient, and
 * columns of im2col. */
struct planar {
    float *lower, *upper, *product, *gradient, *columns;
};

static struct planar planar_of(const struct link *link, float *scratch)
{
    float *upper = scratch + padded(shape_neurons(link->lower)), *product = upper + padded(shape_neurons(link->upper));
    float *gradient = product + padded(shape_neurons(link->upper));

    return (struct planar){scratch, upper, product, gradient, gradient + padded(network_weight_floats(link))};
}

size_t linear_scratch_floats(const struct link *link)
{
    size_t columns = link->kind == LINK_CONVOLUTION ? convolution_scratch(convolution_of(link)) : 0;

    if (link->kind == LINK_DENSE)
        return 0;
    return padded(shape_neurons(link->lower)) + 2 * padded(shape_neurons(link->upper)) +
           padded(network_weight_floats(link)) + columns;
}

size_t linear_joint_floats(const struct link *link)
{
    return link->upper.channels * (network_diagonal(link) ? 1 : link->lower.channels);
}

/* Of a link and one image, in the planar order. */
struct map {
    void (*forward)(float *y, const float *x, const float *w, const struct link *link, bool accumulate, float *columns);
    void (*backward)(float *x, const float *s, const float *w, const struct link *link, float *columns);
};

static void convolve(float *y, const float *x, const float *w, const struct link *link, bool accumulate, float *columns)
{
    convolution_forward(y, x, w, convolution_of(link), accumulate, columns);
}

static void convolve_backward(float *x, const float *s, const float *w, const struct link *link, float *columns)
{
    convolution_backward(x, s, w, convolution_of(link), columns);
}

static void convolve_alone(float *y, const float *x, const float *w, const struct link *link, bool accumulate,
                           float *columns)
{
    (void)columns;
    depthwise_forward(y, x, w, link, accumulate);
}

static void convolve_alone_backward(float *x, const float *s, const float *w, const struct link *link, float *columns)
{
    (void)columns;
    depthwise_backward(x, s, w, link);
}

static void average(float *y, const float *x, const float *w, const struct link *link, bool accumulate, float *columns)
{
    (void)columns;
    depthwise_average(y, x, *w, link, accumulate);
}

static void average_backward(float *x, const float *s, const float *w, const struct link *link, float *columns)
{
    (void)columns;
    depthwise_average_backward(x, s, *w, link);
}

static const struct map convolutions = {convolve, convolve_backward};
static const struct map depthwise = {convolve_alone, convolve_alone_backward};
static const struct map averages = {average, average_backward};

static const struct map *map_of(const struct link *link)
{
    return link->kind == LINK_AVERAGE ? &averages : depthwise_suits(link) ? &depthwise : &convolutions;
}

/* x in the planar order: x itself, or a copy in `room`. */
static const float *to_planar(float *room, const float *x, struct layout layout)
{
    if (layout.lanes == 1)
        return x;
    layout_to_planar(room, x, layout);
    return room;
}

/* Where a planar result is computed: in `out` if that is planar, else in `room`, from which from_planar copies it. */
static float *planar_target(float *out, float *room, struct layout layout)
{
    return layout.lanes == 1 ? out : room;
}

static void from_planar(float *out, const float *planar, struct layout layout)
{
    if (layout.lanes != 1)
        layout_from_planar(out, planar, layout);
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

static void forward_image(float *y, const float *x, const float *w, const struct linear *linear, bool accumulate,
                          struct planar planar)
{
    if (linear->link->kind == LINK_ADD) {
        transfer_all(y, linear->upper, x, linear->lower, *w, accumulate);
        return;
    }
    float *target = planar_target(y, planar.upper, linear->upper);
    if (accumulate && target != y)
        layout_to_planar(target, y, linear->upper);
    map_of(linear->link)
        ->forward(target, to_planar(planar.lower, x, linear->lower), w, linear->link, accumulate, planar.columns);
    from_planar(y, target, linear->upper);
}

static void backward_image(float *x, const float *s, const float *w, const struct linear *linear, struct planar planar)
{
    if (linear->link->kind == LINK_ADD) {
        transfer_all(x, linear->lower, s, linear->upper, *w, false);
        return;
    }
    float *target = planar_target(x, planar.lower, linear->lower);
    map_of(linear->link)->backward(target, to_planar(planar.upper, s, linear->upper), w, linear->link, planar.columns);
    from_planar(x, target, linear->lower);
}

/* ---- flows ------------------------------------------------------------------------------------------------------- */

/* The sum of s x over a channel's positions, s in its layout and x planar. */
static float channel_product(const float *s, const float *x, struct layout layout, size_t channel)
{
    double sum = 0;

    for (size_t y = 0; y < layout.shape.height; y++) {
        const float *row = s + layout_index(layout, channel, y, 0);
        for (size_t i = 0; i < layout.shape.width; i++)
            sum += (double)row[i * layout.lanes] * (double)*x++;
    }
    return (float)sum;
}

/* Where every upper channel reads one lower one: joint[k,c] = sum_p s[k,p] (W x)[k,p]. */
static void flow_alone(float *joint, const float *s, const float *x, const float *w, const struct linear *linear,
                       bool accumulate, float *scratch)
{
    const struct link *link = linear->link;
    struct linear planar = *linear;
    float *product = planar_of(link, scratch).product;
    size_t lower = link->lower.channels, each = link->upper.channels / lower;
    size_t row = network_diagonal(link) ? 1 : lower;

    planar.upper = layout_planar(link->upper);
    forward_image(product, x, w, &planar, false, planar_of(link, scratch));
    if (!accumulate)
        memset(joint, 0, linear_joint_floats(link) * sizeof *joint);
    for (size_t k = 0; k < link->upper.channels; k++)
        joint[k * row + (row == 1 ? 0 : k / each)] +=
            channel_product(s, product + k * shape_positions(link->upper), linear->upper, k);
}

/* joint[k,c] (+)= sum over taps of w * g, for the lower channels of k's group; the others stay as they are. */
static void contract(float *joint, const float *w, const float *g, const struct link *link, bool accumulate)
{
    size_t taps = link->window.height * link->window.width, depth = link->lower.channels / link->groups;
    size_t each = link->upper.channels / link->groups;

    for (size_t k = 0; k < link->upper.channels; k++) {
        float *row = joint + k * link->lower.channels + k / each * depth;
        for (size_t c = 0; c < depth; c++, w += taps, g += taps) {
            float total = 0;
            for (size_t tap = 0; tap < taps; tap++)
                total += w[tap] * g[tap];
            row[c] = accumulate ? row[c] + total : total;
        }
    }
}

static void flow_image(float *joint, const float *s, const float *x, const float *w, const struct linear *linear,
                       bool accumulate, float *scratch)
{
    const struct link *link = linear->link;
    struct planar planar = planar_of(link, scratch);

    if (link->kind != LINK_CONVOLUTION || depthwise_suits(link)) {
        flow_alone(joint, s, x, w, linear, accumulate, scratch);
        return;
    }
    if (!accumulate && link->groups > 1)
        memset(joint, 0, linear_joint_floats(link) * sizeof *joint);
    convolution_gradient(planar.gradient, to_planar(planar.upper, s, linear->upper),
                         to_planar(planar.lower, x, linear->lower), convolution_of(link), planar.columns);
    contract(joint, w, planar.gradient, link, accumulate);
}

/* ---- all kinds --------------------------------------------------------------------------------------------------- */

void linear_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct linear *linear,
                    size_t n, bool accumulate, float *restrict scratch)
{
    if (linear->link->kind == LINK_DENSE) {
        linear->ops->dense_forward(y, x, w, n, linear->link->upper.channels, shape_neurons(linear->link->lower),
                                   accumulate);
        return;
    }
    for (size_t i = 0; i < n; i++)
        forward_image(y + i * layout_floats(linear->upper), x + i * layout_floats(linear->lower), w, linear, accumulate,
                      planar_of(linear->link, scratch));
}

void linear_backward(float *restrict x, const float *restrict s, const float *restrict w, const struct linear *linear,
                     size_t n, float *restrict scratch)
{
    if (linear->link->kind == LINK_DENSE) {
        linear->ops->dense_backward(x, s, w, n, linear->link->upper.channels, shape_neurons(linear->link->lower));
        return;
    }
    for (size_t i = 0; i < n; i++)
        backward_image(x + i * layout_floats(linear->lower), s + i * layout_floats(linear->upper), w, linear,
                       planar_of(linear->link, scratch));
}

void linear_flow(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 const struct linear *linear, size_t n, bool accumulate, float *restrict scratch)
{
    const struct link *link = linear->link;

    if (link->kind == LINK_DENSE) {
        struct ops_dense shape = {.images = n,
                                  .upper = link->upper.channels,
                                  .channels = link->lower.channels,
                                  .positions = shape_positions(link->lower)};
        linear->ops->dense_flow(joint, s, x, w, &shape, accumulate);
        return;
    }
    for (size_t i = 0; i < n; i++)
        flow_image(joint + i * linear_joint_floats(link), s + i * layout_floats(linear->upper),
                   x + i * layout_floats(linear->lower), w, linear, accumulate, scratch);
}
