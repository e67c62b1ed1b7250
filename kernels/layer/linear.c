#include "kernels/layer/linear.h"

#include "kernels/base/number.h"
#include "kernels/layer/convolution.h"

#include <string.h>

enum { TAPS = 9 };

static struct convolution convolution_of(const struct link *link)
{
    return (struct convolution){link->upper.channels, link->lower.channels, link->lower.height, link->lower.width};
}

size_t linear_weight_floats(const struct link *link)
{
    return link->upper.channels *
           (link->kind == LINK_CONVOLUTION ? TAPS * link->lower.channels : shape_neurons(link->lower));
}

/* ---- convolutions in the planar order ---------------------------------------------------------------------------- */

/* Scratch memory of a convolution: planar copies of both variables, weight gradient, columns of im2col. */
struct planar {
    float *lower, *upper, *gradient, *columns;
};

static struct planar planar_of(const struct link *link, float *scratch)
{
    float *upper = scratch + padded(shape_neurons(link->lower)), *gradient = upper + padded(shape_neurons(link->upper));

    return (struct planar){scratch, upper, gradient, gradient + padded(linear_weight_floats(link))};
}

size_t linear_scratch_floats(const struct linear *linear)
{
    const struct link *link = linear->link;

    if (link->kind != LINK_CONVOLUTION)
        return 0;
    return padded(shape_neurons(link->lower)) + padded(shape_neurons(link->upper)) +
           padded(linear_weight_floats(link)) + convolution_scratch(convolution_of(link));
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

static void convolve(float *y, const float *x, const float *w, const struct linear *linear, bool accumulate,
                     struct planar planar)
{
    float *target = planar_target(y, planar.upper, linear->upper);

    if (accumulate && target != y)
        layout_to_planar(target, y, linear->upper);
    convolution_forward(target, to_planar(planar.lower, x, linear->lower), w, convolution_of(linear->link), accumulate,
                        planar.columns);
    from_planar(y, target, linear->upper);
}

static void convolve_backward(float *x, const float *s, const float *w, const struct linear *linear,
                              struct planar planar)
{
    float *target = planar_target(x, planar.lower, linear->lower);

    convolution_backward(target, to_planar(planar.upper, s, linear->upper), w, convolution_of(linear->link),
                         planar.columns);
    from_planar(x, target, linear->lower);
}

/* joint[k,c] (+)= sum over taps of w * g. */
static void contract(float *joint, const float *w, const float *g, const struct link *link, bool accumulate)
{
    for (size_t i = 0; i < link->upper.channels * link->lower.channels; i++) {
        float total = 0;
        for (size_t tap = 0; tap < TAPS; tap++)
            total += w[i * TAPS + tap] * g[i * TAPS + tap];
        joint[i] = accumulate ? joint[i] + total : total;
    }
}

/* ---- both kinds -------------------------------------------------------------------------------------------------- */

void linear_forward(float *restrict y, const float *restrict x, const float *restrict w, const struct linear *linear,
                    size_t n, bool accumulate, float *restrict scratch)
{
    if (linear->link->kind == LINK_DENSE) {
        linear->ops->dense_forward(y, x, w, n, linear->link->upper.channels, shape_neurons(linear->link->lower),
                                   accumulate);
        return;
    }
    for (size_t i = 0; i < n; i++)
        convolve(y + i * layout_floats(linear->upper), x + i * layout_floats(linear->lower), w, linear, accumulate,
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
        convolve_backward(x + i * layout_floats(linear->lower), s + i * layout_floats(linear->upper), w, linear,
                          planar_of(linear->link, scratch));
}

/* Flow of one image. */
static void convolution_flow(float *joint, const float *s, const float *x, const float *w, const struct linear *linear,
                             bool accumulate, struct planar planar)
{
    convolution_gradient(planar.gradient, to_planar(planar.upper, s, linear->upper),
                         to_planar(planar.lower, x, linear->lower), convolution_of(linear->link), planar.columns);
    contract(joint, w, planar.gradient, linear->link, accumulate);
}

void linear_flow(float *restrict joint, const float *restrict s, const float *restrict x, const float *restrict w,
                 const struct linear *linear, size_t n, bool accumulate, float *restrict scratch)
{
    const struct link *link = linear->link;
    size_t upper = link->upper.channels, lower = link->lower.channels;

    if (link->kind == LINK_DENSE) {
        struct ops_dense shape = {
            .images = n, .upper = upper, .channels = lower, .positions = shape_positions(link->lower)};
        linear->ops->dense_flow(joint, s, x, w, &shape, accumulate);
        return;
    }
    for (size_t i = 0; i < n; i++)
        convolution_flow(joint + i * upper * lower, s + i * layout_floats(linear->upper),
                         x + i * layout_floats(linear->lower), w, linear, accumulate, planar_of(link, scratch));
}
