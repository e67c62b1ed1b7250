/* Constants whose elements are those of others in another place: chosen, joined, repeated. */
#include "io/onnx/array.h"
#include "io/onnx/operation.h"

#include <stdlib.h>
#include <string.h>

/* Elements before and behind an axis: of [outer][size of the axis][inner]. */
struct around {
    size_t outer, inner;
};

static struct around around(const struct onnx_dims *dims, size_t axis)
{
    struct onnx_dims head = *dims;

    head.n = axis;
    return (struct around){onnx_dims_product(&head, 0), onnx_dims_product(dims, axis + 1)};
}

/* ---- gather ---------------------------------------------------------------------------------------------------- */

/* The dimensions of `from` with those of the places instead of the axis; false if there are too many. */
static bool gathered_dims(struct onnx_dims *out, const struct onnx_array *from, const struct onnx_array *places,
                          size_t axis)
{
    out->n = 0;
    if (from->dims.n - 1 + places->dims.n > ONNX_MAX_DIMS)
        return false;
    for (size_t d = 0; d < axis; d++)
        out->size[out->n++] = from->dims.size[d];
    for (size_t d = 0; d < places->dims.n; d++)
        out->size[out->n++] = places->dims.size[d];
    for (size_t d = axis + 1; d < from->dims.n; d++)
        out->size[out->n++] = from->dims.size[d];
    return true;
}

static enum status gather(struct onnx_fold *f)
{
    const struct onnx_array *from = &f->in[0], *places = &f->in[1];
    size_t axis = onnx_dims_axis(onnx_model_integer(f->node, "axis", 0), from->dims.n), at = 0;
    struct onnx_dims dims;
    enum status rc;

    if (axis == from->dims.n || onnx_array_is_real(places) || !gathered_dims(&dims, from, places, axis))
        return FAIL_UNSUPPORTED;
    struct around a = around(&from->dims, axis);
    TRY(onnx_array_make(f, from->dtype, &dims));
    for (size_t o = 0; o < a.outer && f->out.n > 0; o++)
        for (size_t p = 0; p < places->n; p++) {
            size_t place = onnx_dims_axis(places->values[p].whole, from->dims.size[axis]);
            if (place == from->dims.size[axis])
                return FAIL_UNSUPPORTED;
            for (size_t i = 0; i < a.inner; i++)
                f->out.values[at++] = from->values[(o * from->dims.size[axis] + place) * a.inner + i];
        }
done:
    return rc;
}

enum status onnx_fold_gather(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, gather);
}

/* ---- concatenation --------------------------------------------------------------------------------------------- */

/* The dimensions of all inputs joined; false if they do not fit. */
static bool joined_dims(struct onnx_dims *out, const struct onnx_fold *f, size_t axis)
{
    *out = f->in[0].dims;
    for (size_t i = 0; i < f->nin; i++) {
        const struct onnx_array *piece = &f->in[i];
        if (piece->dims.n != out->n || !piece->dtype || onnx_array_is_real(piece) != onnx_array_is_real(&f->in[0]))
            return false;
        for (size_t d = 0; d < out->n; d++)
            if (d != axis && piece->dims.size[d] != out->size[d])
                return false;
        if (i > 0 && __builtin_add_overflow(out->size[axis], piece->dims.size[axis], &out->size[axis]))
            return false;
    }
    return true;
}

static enum status concatenate(struct onnx_fold *f)
{
    size_t axis = onnx_dims_axis(onnx_model_integer(f->node, "axis", f->b->model->opset < 4 ? 1 : 0), f->in[0].dims.n);
    size_t first = 0;
    struct onnx_dims dims;
    enum status rc;

    if (axis == f->in[0].dims.n || !joined_dims(&dims, f, axis))
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_make(f, f->in[0].dtype, &dims));
    struct around a = around(&dims, axis);
    for (size_t i = 0; i < f->nin; i++) {
        const struct onnx_array *piece = &f->in[i];
        size_t row = piece->dims.size[axis] * a.inner;
        for (size_t o = 0; o < a.outer && row > 0; o++)
            memcpy(f->out.values + (o * dims.size[axis] + first) * a.inner, piece->values + o * row,
                   row * sizeof *piece->values);
        first += piece->dims.size[axis];
    }
done:
    return rc;
}

enum status onnx_fold_concat(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, concatenate);
}

/* ---- slices ---------------------------------------------------------------------------------------------------- */

/* Without overflow, which happens only if there are no elements. */
static int64_t times(int64_t count, int64_t step)
{
    return (int64_t)((uint64_t)count * (uint64_t)step);
}

static int64_t plus(int64_t offset, int64_t more)
{
    return (int64_t)((uint64_t)offset + (uint64_t)more);
}

/* A bound of a slice of n, between low and high. */
static int64_t clamp(int64_t bound, int64_t n, int64_t low, int64_t high)
{
    if (bound < 0)
        bound = bound < -n ? -1 : bound + n;
    return bound < low ? low : bound > high ? high : bound;
}

/* Take start, start + step, ... before the end of one dimension. */
static void cut(struct onnx_steps *steps, size_t *size, const int64_t range[3], int64_t own_step)
{
    int64_t n = (int64_t)*size, step = range[2];
    int64_t start = step > 0 ? clamp(range[0], n, 0, n) : clamp(range[0], n, -1, n - 1);
    int64_t end = step > 0 ? clamp(range[1], n, 0, n) : clamp(range[1], n, -1, n - 1);
    uint64_t length = step > 0 ? (uint64_t)step : -(uint64_t)step;
    int64_t covered = step > 0 ? end - start : start - end;

    *size = covered <= 0 ? 0 : 1 + (size_t)(covered - 1) / length;
    if (*size == 0)
        return;
    steps->offset = plus(steps->offset, times(start, own_step));
    steps->step[0] = *size > 1 ? times(step, own_step) : 0;
}

static enum status slice(struct onnx_fold *f)
{
    const struct onnx_array *from = &f->in[0];
    struct onnx_integers starts, ends, axes, by;
    struct onnx_steps own = onnx_array_steps(from), steps = own;
    struct onnx_dims dims = from->dims;
    bool given, axes_given, by_given, taken[ONNX_MAX_DIMS] = {false};
    enum status rc;

    TRY(onnx_build_integers(&starts, &given, f->b, f->node, "starts", 1));
    TRY(onnx_build_integers(&ends, &given, f->b, f->node, "ends", 2));
    TRY(onnx_build_integers(&axes, &axes_given, f->b, f->node, "axes", 3));
    TRY(onnx_build_integers(&by, &by_given, f->b, f->node, "steps", 4));
    if (ends.n != starts.n || (axes_given && axes.n != starts.n) || (by_given && by.n != starts.n))
        return FAIL_UNSUPPORTED;
    for (size_t i = 0; i < starts.n; i++) {
        size_t d = onnx_dims_axis(axes_given ? axes.values[i] : (int64_t)i, dims.n);
        int64_t range[3] = {starts.values[i], ends.values[i], by_given ? by.values[i] : 1};
        if (d == dims.n || range[2] == 0 || taken[d])
            return FAIL_UNSUPPORTED;
        taken[d] = true;
        struct onnx_steps one = {.step = {own.step[d]}, .offset = steps.offset};
        cut(&one, &dims.size[d], range, own.step[d]);
        steps.step[d] = one.step[0];
        steps.offset = one.offset;
    }
    return onnx_array_pick(f, from, &dims, &steps);
done:
    return rc;
}

enum status onnx_fold_slice(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, slice);
}

static enum status split(struct onnx_fold *f)
{
    const struct onnx_array *from = &f->in[0];
    size_t axis = onnx_dims_axis(onnx_model_integer(f->node, "axis", 0), from->dims.n), n = f->node->noutputs;
    struct onnx_steps steps = onnx_array_steps(from);
    struct onnx_integers sizes;
    bool given;
    enum status rc;

    TRY(onnx_build_integers(&sizes, &given, f->b, f->node, "split", 1));
    if (axis == from->dims.n || (given && sizes.n != n))
        return FAIL_UNSUPPORTED;
    size_t left = from->dims.size[axis], each = (left + n - 1) / n;
    for (f->place = 0; f->place < n; f->place++) {
        uint64_t size = given ? (uint64_t)sizes.values[f->place] : left < each ? left : each;
        struct onnx_dims dims = from->dims;
        if (size > left)
            return FAIL_UNSUPPORTED;
        dims.size[axis] = size;
        TRY(onnx_array_pick(f, from, &dims, &steps));
        TRY(onnx_array_write(f));
        steps.offset = plus(steps.offset, times((int64_t)size, steps.step[axis]));
        left -= size;
    }
    if (left > 0)
        rc = FAIL_UNSUPPORTED;
done:
    return rc;
}

enum status onnx_fold_split(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, split);
}

/* ---- repetition ------------------------------------------------------------------------------------------------ */

/* The values of a vector of integers as sizes; false if there are too many, or one is negative. */
static bool sizes_of(struct onnx_dims *out, const struct onnx_array *a)
{
    out->n = a->n;
    if (a->n > ONNX_MAX_DIMS || onnx_array_is_real(a))
        return false;
    for (size_t d = 0; d < a->n; d++) {
        if (a->values[d].whole < 0)
            return false;
        out->size[d] = (size_t)a->values[d].whole;
    }
    return true;
}

static enum status expand(struct onnx_fold *f)
{
    struct onnx_dims shape, dims;
    struct onnx_steps steps;

    if (!sizes_of(&shape, &f->in[1]) || !onnx_array_common(&dims, &f->in[0].dims, &shape) ||
        !onnx_array_stretch(&steps, &f->in[0], &dims))
        return FAIL_UNSUPPORTED;
    return onnx_array_pick(f, &f->in[0], &dims, &steps);
}

enum status onnx_fold_expand(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, expand);
}

/* [R][n] for every dimension of n that is repeated R times, where R has step 0. */
static enum status tile(struct onnx_fold *f)
{
    const struct onnx_array *from = &f->in[0];
    struct onnx_steps own = onnx_array_steps(from), steps = {.offset = 0};
    struct onnx_dims repeats, twice = {.n = 2 * from->dims.n}, dims = from->dims;
    enum status rc;

    if (!sizes_of(&repeats, &f->in[1]) || repeats.n != from->dims.n || twice.n > ONNX_MAX_DIMS)
        return FAIL_UNSUPPORTED;
    for (size_t d = 0; d < from->dims.n; d++) {
        twice.size[2 * d] = repeats.size[d];
        twice.size[2 * d + 1] = from->dims.size[d];
        steps.step[2 * d + 1] = own.step[d];
        if (__builtin_mul_overflow(dims.size[d], repeats.size[d], &dims.size[d]))
            return FAIL_UNSUPPORTED;
    }
    TRY(onnx_array_pick(f, from, &twice, &steps));
    f->out.dims = dims;
done:
    return rc;
}

enum status onnx_fold_tile(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, tile);
}

/* ---- choice ---------------------------------------------------------------------------------------------------- */

static enum status where(struct onnx_fold *f)
{
    struct onnx_dims some, dims;
    struct onnx_steps steps[3];
    size_t *places = NULL;
    enum status rc;

    if (onnx_array_is_real(&f->in[0]) || onnx_array_is_real(&f->in[1]) != onnx_array_is_real(&f->in[2]) ||
        !onnx_array_common(&some, &f->in[0].dims, &f->in[1].dims) || !onnx_array_common(&dims, &some, &f->in[2].dims))
        return FAIL_UNSUPPORTED;
    TRY(onnx_array_make(f, f->in[1].dtype, &dims));
    size_t n = f->out.n;
    places = malloc(3 * n * sizeof *places + 1);
    if (!places) {
        rc = onnx_build_memory(f->b);
        goto done;
    }
    for (size_t k = 0; k < 3; k++) {
        if (!onnx_array_stretch(&steps[k], &f->in[k], &dims)) {
            rc = FAIL_UNSUPPORTED;
            goto done;
        }
        onnx_array_places(places + k * n, &dims, &steps[k]);
    }
    for (size_t i = 0; i < n; i++) {
        size_t chosen = f->in[0].values[places[i]].whole ? 1 : 2;
        f->out.values[i] = f->in[chosen].values[places[chosen * n + i]];
    }
done:
    free(places);
    return rc;
}

enum status onnx_fold_where(struct onnx_build *b, const struct onnx_node *node)
{
    return onnx_array_fold(b, node, where);
}
