/* The operations of a link, for every rule, against the double reference and against the laws of the measure, on random
 * links of odd shapes. */
#include "kernels/layer/link_direct.h"
#include "kernels/layer/link_winograd.h"
#include "kernels/layer/reference.h"
#include "tests/support/guarded.h"
#include "tests/support/isa_under_test.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Relative to the largest value of an array; and for sums over a whole layer, relative to the sum of magnitudes. */
static const double ARRAY_BAR = 1e-4, LAW_BAR = 1e-5;

enum { IMAGES = 2 };

static const char *const rules[] = {"zero",          "epsilon 0.01",  "gamma 0.25", "zplus", "alphabeta 2 1",
                                    "alphabeta 1 0", "zbox -1.5 1.5", "wsquare",    "flat"};

static const struct link links[] = {
    {LINK_CONVOLUTION, "signed", {3, 7, 5}, {4, 7, 5}, true, 0, 0},
    {LINK_CONVOLUTION, "hidden", {5, 3, 8}, {17, 3, 8}, true, 0, 0},
    {LINK_CONVOLUTION, "tiles", {18, 13, 6}, {9, 13, 6}, true, 0, 0},
    {LINK_CONVOLUTION, "point", {2, 1, 1}, {3, 1, 1}, true, 0, 0},
    {LINK_DENSE, "flatten", {4, 3, 3}, {11, 1, 1}, true, 0, 0},
    {LINK_DENSE, "logits", {13, 1, 1}, {7, 1, 1}, false, 0, 0},
};

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* Where relevance arrives: anywhere, or only at neurons that are alive, so that the link may leave out what cannot act
 * elsewhere and choose faster maps. */
enum arrival { EVERYWHERE, ALIVE, ARRIVALS };

/* A random link, ready for both kinds of kernels. Float arrays, in the planar order, hold IMAGES images; doubles only the
 * last one. */
struct sample {
    struct link link;
    struct link_plan plan;
    struct link_scratch scratch;
    enum arrival arrival;
    size_t upper, lower; /* neurons of one image */
    float *model, *forms, *a, *activation, *c, *r, *v;
    float low[32], high[32];
    double *a_double, *z_double, *r_double, *v_double, low_double[32], high_double[32];
    struct reference_link reference;
};

static float *floats(size_t n)
{
    return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

/* ---- the kernels on planar arrays --------------------------------------------------------------------------------- */

static size_t at_lower(const struct sample *s)
{
    return IMAGES * layout_floats(s->plan.lower);
}

static size_t at_upper(const struct sample *s)
{
    return IMAGES * layout_floats(s->plan.upper);
}

/* Copies of all images to and from a layout; the caller frees. */
static float *laid_out(const float *planar, struct layout layout)
{
    float *out = floats(IMAGES * layout_floats(layout));

    for (size_t i = 0; i < IMAGES; i++)
        layout_from_planar(out + i * layout_floats(layout), planar + i * shape_neurons(layout.shape), layout);
    return out;
}

static void take_planar(float *planar, float *values, struct layout layout)
{
    for (size_t i = 0; i < IMAGES; i++)
        layout_to_planar(planar + i * shape_neurons(layout.shape), values + i * layout_floats(layout), layout);
    free(values);
}

static void run_forward(struct sample *s)
{
    float *a = laid_out(s->a, s->plan.lower), *upper = floats(at_upper(s));

    link_forward(upper, s->c, NULL, &s->plan, a, IMAGES, &s->scratch);
    take_planar(s->activation, upper, s->plan.upper);
    free(a);
}

static void run_backward(float *r_lower, double *to_bias, double *absorbed, struct sample *s, const float *r)
{
    float *a = laid_out(s->a, s->plan.lower), *above = laid_out(r, s->plan.upper), *below = floats(at_lower(s));

    struct link_ledger ledger = {.to_bias = to_bias, .absorbed = absorbed};
    link_backward(&(struct link_call){.plan = &s->plan,
                                      .n = IMAGES,
                                      .c = s->c,
                                      .a = a,
                                      .r_upper = above,
                                      .r_lower = below,
                                      .ledger = to_bias ? &ledger : NULL,
                                      .scratch = &s->scratch});
    take_planar(r_lower, below, s->plan.lower);
    free(above);
    free(a);
}

static void run_lift(float *v_upper, struct sample *s)
{
    float *a = laid_out(s->a, s->plan.lower), *below = laid_out(s->v, s->plan.lower), *above = floats(at_upper(s));

    link_lift(above, &s->plan, below, s->c, a, IMAGES, &s->scratch);
    take_planar(v_upper, above, s->plan.upper);
    free(below);
    free(a);
}

/* Of one image; with its weights on lower neurons if `weighted`. */
static void run_flow(float *joint, struct sample *s, bool weighted, size_t image)
{
    float *a = laid_out(s->a, s->plan.lower), *v = laid_out(s->v, s->plan.lower), *r = laid_out(s->r, s->plan.upper);
    size_t lower = image * layout_floats(s->plan.lower), upper = image * layout_floats(s->plan.upper);

    link_flow(joint, &s->plan, r + upper, s->c, a + lower, weighted ? v + lower : NULL,
              (struct link_images){image, 1, IMAGES}, &s->scratch);
    free(r);
    free(v);
    free(a);
}

/* ---- samples ------------------------------------------------------------------------------------------------------ */

static double *widened(const float *values, size_t n)
{
    double *out = malloc((n ? n : 1) * sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = (double)values[i];
    return out;
}

static size_t weight_count(const struct link *l)
{
    return l->upper.channels * (l->kind == LINK_DENSE ? shape_neurons(l->lower) : 9 * l->lower.channels);
}

static void make_arrays(struct sample *s, struct random *random, bool signed_input)
{
    size_t weights = weight_count(&s->link);

    s->link.bias = weights;
    s->model = floats(weights + s->link.upper.channels);
    random_fill(random, s->model, weights + s->link.upper.channels);
    s->a = floats(IMAGES * s->lower);
    s->r = floats(IMAGES * s->upper);
    s->v = floats(IMAGES * s->lower);
    s->activation = floats(IMAGES * s->upper);
    random_fill(random, s->a, IMAGES * s->lower);
    random_fill(random, s->r, IMAGES * s->upper);
    random_fill(random, s->v, IMAGES * s->lower);
    for (size_t i = 0; i < IMAGES * s->lower && !signed_input; i++)
        s->a[i] = s->a[i] > 0 ? s->a[i] : 0;
    for (size_t c = 0; c < 32; c++) {
        s->low[c] = -1.5f;
        s->high[c] = 1.5f;
        s->low_double[c] = -1.5;
        s->high_double[c] = 1.5;
    }
}

static void make_reference(struct sample *s)
{
    size_t last = (IMAGES - 1) * s->lower;

    s->a_double = widened(s->a + last, s->lower);
    s->r_double = widened(s->r + (IMAGES - 1) * s->upper, s->upper);
    s->v_double = widened(s->v + last, s->lower);
    s->z_double = malloc(s->upper * sizeof(double));
    s->reference = (struct reference_link){.link = &s->link,
                                           .rule = s->plan.rule,
                                           .bias_mode = s->plan.bias_mode,
                                           .pool = s->plan.pool,
                                           .weight = s->model,
                                           .bias = s->model + s->link.bias,
                                           .low = s->low_double,
                                           .high = s->high_double,
                                           .a = s->a_double,
                                           .z = s->z_double,
                                           .sums = malloc((s->lower + 2 * s->upper) * sizeof(long double)),
                                           .c = {malloc(s->upper * sizeof(double)), malloc(s->upper * sizeof(double))}};
    reference_forward(s->z_double, &s->reference);
    reference_prepare(&s->reference);
}

static struct layout layout_of(const struct link *link, bool lower)
{
    struct shape shape = lower ? link->lower : link->upper;
    bool planar = link->kind == LINK_DENSE || (lower && strcmp(link->name, "signed") == 0);

    return planar ? layout_planar(shape) : layout_blocked(shape);
}

static void sample_free(struct sample *s);

/* False, and nothing to free: the link does not go that way. */
static bool sample_init(struct sample *s, const struct link *link, const char *rule_text, enum bias_mode bias,
                        enum arrival arrival, const struct link_way *way, struct random *random)
{
    struct link_setting setting = {.bias = bias,
                                   .pool = POOL_WINNER,
                                   .signed_input = strcmp(link->name, "signed") == 0,
                                   .both_branches = arrival == EVERYWHERE,
                                   .ops = isa_under_test(),
                                   .lower = layout_of(link, true),
                                   .upper = layout_of(link, false)};
    struct link_plan plan;
    char message[128];

    *s = (struct sample){
        .link = *link, .arrival = arrival, .upper = shape_neurons(link->upper), .lower = shape_neurons(link->lower)};
    assert_true(rule_parse(&setting.rule, message, sizeof message, rule_text));
    make_arrays(s, random, setting.signed_input);
    link_plan_init(&plan, &s->link, &setting, s->model);
    if (!link_plan_another(&s->plan, &plan, way)) {
        sample_free(s);
        return false;
    }
    s->forms = floats(link_forms_floats(&s->plan));
    link_forms_compute(&s->plan, s->forms, (struct link_bounds){s->low, s->high});
    link_forms_bind(&s->plan, s->forms);
    struct link_scratch_floats need = link_scratch_floats(&s->plan, IMAGES);
    s->scratch = (struct link_scratch){floats(need.upper), floats(need.lower), floats(need.work),
                                       malloc(need.sums * sizeof(struct channels_ledger))};
    s->c = floats(link_coefficients(&s->plan, IMAGES));
    run_forward(s);
    for (size_t i = 0; i < IMAGES * s->upper && arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    make_reference(s);
    return true;
}

static void sample_free(struct sample *s)
{
    void *const arrays[] = {s->model,
                            s->forms,
                            s->a,
                            s->activation,
                            s->c,
                            s->r,
                            s->v,
                            s->scratch.upper,
                            s->scratch.lower,
                            s->scratch.work,
                            s->scratch.sums,
                            s->a_double,
                            s->z_double,
                            s->r_double,
                            s->v_double,
                            s->reference.c[0],
                            s->reference.c[1],
                            s->reference.sums};

    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

/* Call `check` for every link, rule, bias mode, arrival and way that fits them. */
static void for_all(const char *name, void (*check)(struct sample *s, const char *what))
{
    struct random random = random_seed(name);
    char what[128];

    for (size_t i = 0; i < LENGTH(links) * LENGTH(rules) * 2 * ARRIVALS * LINK_WAYS; i++) {
        const struct link_way *way = &link_ways[i % LINK_WAYS];
        enum arrival arrival = (enum arrival)(i / LINK_WAYS % ARRIVALS);
        enum bias_mode bias = i / LINK_WAYS / ARRIVALS % 2 ? BIAS_SPREAD : BIAS_NEURON;
        const char *rule = rules[i / LINK_WAYS / ARRIVALS / 2 % LENGTH(rules)];
        const struct link *link = &links[i / LINK_WAYS / ARRIVALS / 2 / LENGTH(rules)];
        struct sample s;
        if (!link->rectified && arrival == ALIVE)
            continue; /* logits */
        snprintf(what, sizeof what, "link %s, rule %s, bias %s%s, %s", link->name, rule,
                 bias == BIAS_NEURON ? "neuron" : "spread", arrival == ALIVE ? ", alive" : "", way->name);
        if (!sample_init(&s, link, rule, bias, arrival, way, &random))
            continue;
        check(&s, what);
        sample_free(&s);
    }
}

/* Signed rules divide by sums that can be small: a float32 sum of n terms up to one is within n eps, and
 * its inverse c within n eps |c| of itself. */
static double array_bar(const struct sample *s)
{
    double most = 0;

    if (s->plan.rule.kind != RULE_ZERO && s->plan.rule.kind != RULE_EPSILON && s->plan.rule.kind != RULE_GAMMA)
        return ARRAY_BAR;
    for (size_t t = 0; t < s->plan.parts.nterms; t++)
        for (size_t j = 0; j < s->upper; j++)
            most = fmax(most, fabs(s->reference.c[t][j]));
    return ARRAY_BAR + (double)FLT_EPSILON * most * (double)s->lower;
}

static void assert_array(const char *what, const struct sample *s, const float *got, const double *want, size_t n)
{
    double most = 0, bar = array_bar(s);

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= bar * most))
            fail_msg("%s: element %zu is %.9g, not %.9g (largest %.3g)", what, i, (double)got[i], want[i], most);
}

/* |a - b| <= LAW_BAR scale */
static void assert_law(const char *what, double a, double b, double scale)
{
    if (!(fabs(a - b) <= LAW_BAR * scale))
        fail_msg("%s: %.9g is not %.9g (scale %.3g)", what, a, b, scale);
}

/* ---- against the reference ------------------------------------------------------------------------------------- */

static void check_backward(struct sample *s, const char *what)
{
    size_t channels = s->link.upper.channels;
    float *r_lower = floats(IMAGES * s->lower);
    double *bias = malloc(IMAGES * channels * sizeof *bias), *absorbed = malloc(IMAGES * channels * sizeof *absorbed);
    double *want = malloc(s->lower * sizeof *want);

    run_backward(r_lower, bias, absorbed, s, s->r);
    reference_backward(want, &s->reference, s->r_double);
    assert_array(what, s, r_lower + (IMAGES - 1) * s->lower, want, s->lower);
    free(r_lower);
    free(bias);
    free(absorbed);
    free(want);
}

static void back_equals_the_reference(void **state)
{
    (void)state;
    for_all("back", check_backward);
}

static void check_lift(struct sample *s, const char *what)
{
    float *v_upper = floats(IMAGES * s->upper);
    double *want = malloc(s->upper * sizeof *want);

    run_lift(v_upper, s);
    reference_lift(want, &s->reference, s->v_double);
    for (size_t i = 0; i < s->upper && s->arrival == ALIVE; i++)
        if (s->z_double[i] <= 0) /* what is up there is nobody's business */
            want[i] = v_upper[(IMAGES - 1) * s->upper + i] = 0;
    assert_array(what, s, v_upper + (IMAGES - 1) * s->upper, want, s->upper);
    free(v_upper);
    free(want);
}

static void forward_equals_the_reference(void **state)
{
    (void)state;
    for_all("forward", check_lift);
}

static void check_flow(struct sample *s, const char *what)
{
    size_t n = s->link.upper.channels * s->link.lower.channels, last = IMAGES - 1;
    float *joint = floats(n);
    double *want = malloc(n * sizeof *want);

    run_flow(joint, s, false, last);
    reference_flow(want, &s->reference, s->r_double, NULL);
    assert_array(what, s, joint, want, n);
    run_flow(joint, s, true, last);
    reference_flow(want, &s->reference, s->r_double, s->v_double);
    assert_array(what, s, joint, want, n);
    free(joint);
    free(want);
}

static void joint_equals_the_reference(void **state)
{
    (void)state;
    for_all("joint", check_flow);
}

/* ---- laws ------------------------------------------------------------------------------------------------------ */

struct shares {
    float *r_lower;
    double *to_bias, *absorbed;
};

static struct shares sweep(struct sample *s, const float *r)
{
    size_t channels = s->link.upper.channels;
    struct shares out = {floats(IMAGES * s->lower), malloc(IMAGES * channels * sizeof(double)),
                         malloc(IMAGES * channels * sizeof(double))};

    run_backward(out.r_lower, out.to_bias, out.absorbed, s, r);
    return out;
}

static void shares_free(struct shares *s)
{
    free(s->r_lower);
    free(s->to_bias);
    free(s->absorbed);
}

/* Mass above minus what arrives at neurons, bias and stabilizers, and the sum of magnitudes on both sides. */
static double ledger_gap(const struct sample *s, const struct shares *out, double *scale)
{
    double gap = 0;

    *scale = 0;
    for (size_t i = 0; i < IMAGES * s->upper; i++) {
        gap += (double)s->r[i];
        *scale += fabs((double)s->r[i]);
    }
    for (size_t i = 0; i < IMAGES * s->lower; i++) {
        gap -= (double)out->r_lower[i];
        *scale += fabs((double)out->r_lower[i]);
    }
    for (size_t i = 0; i < IMAGES * s->link.upper.channels; i++) {
        gap -= out->to_bias[i] + out->absorbed[i];
        *scale += fabs(out->to_bias[i]) + fabs(out->absorbed[i]);
    }
    return gap;
}

static void check_ledger(struct sample *s, const char *what)
{
    struct shares out = sweep(s, s->r);
    double scale, gap = ledger_gap(s, &out, &scale);

    assert_law(what, gap, 0, scale);
    shares_free(&out);
}

static void the_ledger_closes(void **state)
{
    (void)state;
    for_all("ledger", check_ledger);
}

/* Pack again what the fast maps take down, from the parts' weights; the caller frees. */
static float *repack(struct sample *s)
{
    struct link_plan *plan = &s->plan;
    struct winograd shape = link_winograd_down(plan);
    struct link_direct_forms forms = {.own = NULL};
    size_t used = 0;

    if (plan->way.method == LINK_LINEAR)
        return NULL;
    if (plan->way.method == LINK_WINOGRAD) {
        float *packed = floats(winograd_weights_floats(plan->ops, shape));
        winograd_pack(packed, plan->forms[0], true, plan->ops, shape);
        plan->packed_down = packed;
        return packed;
    }
    float *memory = floats(link_forms_floats(plan));
    forms.own = memory + used;
    used += link_direct_own_floats(plan);
    for (size_t t = 0; t < plan->parts.nterms; t++) {
        forms.joined[t] = memory + used;
        used += link_direct_joined_floats(plan, t);
        forms.up[t] = memory + used;
        used += link_direct_packed_floats(plan, t, false);
        plan->direct_down[t] = forms.down[t] = memory + used;
        used += link_direct_packed_floats(plan, t, true);
    }
    link_direct_pack(&forms, plan);
    return memory;
}

/* One weight that is wrong in the backward pass, but was right in the denominators, must show. Under signed rules the sums that are
 * compared can be so large that a single weight is lost in their rounding. */
static void check_open_ledger(struct sample *s, const char *what)
{
    static const enum rule_kind signed_rules[] = {RULE_ZERO, RULE_EPSILON, RULE_GAMMA, RULE_ALPHABETA};

    size_t n = weight_count(&s->link), centre = s->link.kind == LINK_DENSE ? 0 : 4;
    float *wrong = floats(RULE_MAX_PARTS * n);
    double scale;

    for (size_t i = 0; i < LENGTH(signed_rules); i++)
        if (s->plan.rule.kind == signed_rules[i] && s->plan.bias_mode == BIAS_SPREAD)
            goto done;
    for (size_t i = 0; i < IMAGES * s->upper; i++) /* relevance that passes the weight and does not cancel */
        s->r[i] = i / shape_positions(s->link.upper) % s->link.upper.channels == 0 ? fabsf(s->r[i]) : 0;
    for (size_t i = 0; i < IMAGES * s->lower; i++)
        s->a[i] = fabsf(s->a[i]) + 0.1f;
    run_forward(s);
    for (size_t i = 0; i < IMAGES * s->upper && s->arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    for (size_t p = 0; p < s->plan.parts.nparts; p++) { /* whichever branch acts */
        memcpy(wrong + p * n, s->plan.forms[p], n * sizeof *wrong);
        wrong[p * n + centre] += 0.5f;
        s->plan.forms[p] = wrong + p * n;
    }
    float *packed = repack(s), arrived = 0;
    for (size_t i = 0; i < IMAGES * s->upper; i++)
        arrived += s->r[i];
    struct shares out = sweep(s, s->r);
    double gap = ledger_gap(s, &out, &scale);
    if (arrived > 0 && fabs(gap) <= 10 * LAW_BAR * scale)
        fail_msg("%s: a wrong weight leaves the ledger closed: gap %.3g of %.3g", what, gap, scale);
    shares_free(&out);
    free(packed);
done:
    free(wrong);
}

static void a_wrong_weight_opens_the_ledger(void **state)
{
    (void)state;
    for_all("open ledger", check_open_ledger);
}

static void check_adjoint(struct sample *s, const char *what)
{
    struct shares out = sweep(s, s->r);
    float *v_upper = floats(IMAGES * s->upper);
    double down = 0, up = 0, scale = 0;

    run_lift(v_upper, s);
    for (size_t i = 0; i < IMAGES * s->lower; i++) {
        down += (double)out.r_lower[i] * (double)s->v[i];
        scale += fabs((double)out.r_lower[i] * (double)s->v[i]);
    }
    for (size_t i = 0; i < IMAGES * s->upper; i++) {
        up += (double)v_upper[i] * (double)s->r[i];
        scale += fabs((double)v_upper[i] * (double)s->r[i]);
    }
    assert_law(what, down, up, scale);
    free(v_upper);
    shares_free(&out);
}

static void forward_is_the_adjoint_of_back(void **state)
{
    (void)state;
    for_all("adjoint", check_adjoint);
}

/* Column sums of the flow are the lower channels' relevance; rows, with bias and absorbed, the upper channels'. */
static void check_flow_sums(struct sample *s, const char *what)
{
    size_t upper = s->link.upper.channels, lower = s->link.lower.channels;
    size_t above = shape_positions(s->link.upper), below = shape_positions(s->link.lower);
    struct shares out = sweep(s, s->r);
    float *joint = floats(upper * lower);

    run_flow(joint, s, false, 0);
    for (size_t c = 0; c < lower; c++) {
        double want = 0, got = 0, scale = 0;
        for (size_t p = 0; p < below; p++) {
            want += (double)out.r_lower[c * below + p];
            scale += fabs((double)out.r_lower[c * below + p]);
        }
        for (size_t k = 0; k < upper; k++) {
            got += (double)joint[k * lower + c];
            scale += fabs((double)joint[k * lower + c]);
        }
        assert_law(what, got, want, scale);
    }
    for (size_t k = 0; k < upper; k++) {
        double want = 0, got = out.to_bias[k] + out.absorbed[k];
        double scale = fabs(out.to_bias[k]) + fabs(out.absorbed[k]);
        for (size_t p = 0; p < above; p++) {
            want += (double)s->r[k * above + p];
            scale += fabs((double)s->r[k * above + p]);
        }
        for (size_t c = 0; c < lower; c++) {
            got += (double)joint[k * lower + c];
            scale += fabs((double)joint[k * lower + c]);
        }
        assert_law(what, got, want, scale);
    }
    free(joint);
    shares_free(&out);
}

static void flow_sums_are_the_marginals(void **state)
{
    (void)state;
    for_all("flow sums", check_flow_sums);
}

static void check_zero(struct sample *s, const char *what)
{
    memset(s->r, 0, IMAGES * s->upper * sizeof *s->r);
    struct shares out = sweep(s, s->r);
    for (size_t i = 0; i < IMAGES * s->lower; i++)
        if (out.r_lower[i] != 0)
            fail_msg("%s: relevance %g out of nothing", what, (double)out.r_lower[i]);
    shares_free(&out);
}

static void no_relevance_gives_no_relevance(void **state)
{
    (void)state;
    for_all("zero", check_zero);
}

static void check_linear(struct sample *s, const char *what)
{
    struct shares once = sweep(s, s->r);

    for (size_t i = 0; i < IMAGES * s->upper; i++)
        s->r[i] *= -2; /* exact in binary */
    struct shares twice = sweep(s, s->r);
    for (size_t i = 0; i < IMAGES * s->lower; i++)
        if (twice.r_lower[i] != -2 * once.r_lower[i])
            fail_msg("%s: not linear at %zu", what, i);
    shares_free(&once);
    shares_free(&twice);
}

static void back_is_linear_in_relevance(void **state)
{
    (void)state;
    for_all("linear", check_linear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_equals_the_reference),       cmocka_unit_test(forward_equals_the_reference),
        cmocka_unit_test(joint_equals_the_reference),      cmocka_unit_test(the_ledger_closes),
        cmocka_unit_test(a_wrong_weight_opens_the_ledger), cmocka_unit_test(forward_is_the_adjoint_of_back),
        cmocka_unit_test(flow_sums_are_the_marginals),     cmocka_unit_test(no_relevance_gives_no_relevance),
        cmocka_unit_test(back_is_linear_in_relevance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
