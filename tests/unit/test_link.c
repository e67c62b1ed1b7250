/* The operations of a link, for every rule, against the double reference and against the laws of the measure, on random
 * links of odd shapes. */
#include "kernels/layer/link_backend.h"
#include "tests/support/link_sample.h"

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

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

/* Signed rules divide by sums that can be small: a float32 sum of n terms up to one is within n eps, and
 * its inverse c within n eps |c| of itself. */
static double array_bar(const struct link_sample *s)
{
    double most = 0;

    if (s->plan.rule.kind != RULE_ZERO && s->plan.rule.kind != RULE_EPSILON && s->plan.rule.kind != RULE_GAMMA)
        return ARRAY_BAR;
    for (size_t t = 0; t < s->plan.parts.nterms; t++)
        for (size_t j = 0; j < s->upper; j++)
            most = fmax(most, fabs(s->reference.c[t][j]));
    return ARRAY_BAR + (double)FLT_EPSILON * most * (double)s->lower;
}

static void assert_array(const char *what, const struct link_sample *s, const float *got, const double *want, size_t n)
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

static void check_backward(struct link_sample *s, const char *what)
{
    size_t channels = s->link.upper.channels;
    float *r_lower = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower);
    double *bias = malloc(LINK_SAMPLE_IMAGES * channels * sizeof *bias),
           *absorbed = malloc(LINK_SAMPLE_IMAGES * channels * sizeof *absorbed);
    double *want = malloc(s->lower * sizeof *want);

    link_sample_backward(r_lower, bias, absorbed, s, s->r);
    reference_backward(want, &s->reference, s->r_double);
    assert_array(what, s, r_lower + (LINK_SAMPLE_IMAGES - 1) * s->lower, want, s->lower);
    free(r_lower);
    free(bias);
    free(absorbed);
    free(want);
}

static void back_equals_the_reference(void **state)
{
    (void)state;
    link_sample_for_all("back", check_backward);
}

static void check_lift(struct link_sample *s, const char *what)
{
    float *v_upper = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
    double *want = malloc(s->upper * sizeof *want);

    link_sample_lift(v_upper, s);
    reference_lift(want, &s->reference, s->v_double);
    for (size_t i = 0; i < s->upper && s->arrival == ALIVE; i++)
        if (s->z_double[i] <= 0) /* what is up there is nobody's business */
            want[i] = v_upper[(LINK_SAMPLE_IMAGES - 1) * s->upper + i] = 0;
    assert_array(what, s, v_upper + (LINK_SAMPLE_IMAGES - 1) * s->upper, want, s->upper);
    free(v_upper);
    free(want);
}

static void forward_equals_the_reference(void **state)
{
    (void)state;
    link_sample_for_all("forward", check_lift);
}

static void check_flow(struct link_sample *s, const char *what)
{
    size_t n = s->link.upper.channels * s->link.lower.channels, last = LINK_SAMPLE_IMAGES - 1;
    float *joint = link_sample_floats(n);
    double *want = malloc(n * sizeof *want);

    link_sample_flow(joint, s, false, last);
    reference_flow(want, &s->reference, s->r_double, NULL);
    assert_array(what, s, joint, want, n);
    link_sample_flow(joint, s, true, last);
    reference_flow(want, &s->reference, s->r_double, s->v_double);
    assert_array(what, s, joint, want, n);
    free(joint);
    free(want);
}

static void joint_equals_the_reference(void **state)
{
    (void)state;
    link_sample_for_all("joint", check_flow);
}

/* ---- laws ------------------------------------------------------------------------------------------------------ */

struct shares {
    float *r_lower;
    double *to_bias, *absorbed;
};

static struct shares sweep(struct link_sample *s, const float *r)
{
    size_t channels = s->link.upper.channels;
    struct shares out = {link_sample_floats(LINK_SAMPLE_IMAGES * s->lower),
                         malloc(LINK_SAMPLE_IMAGES * channels * sizeof(double)),
                         malloc(LINK_SAMPLE_IMAGES * channels * sizeof(double))};

    link_sample_backward(out.r_lower, out.to_bias, out.absorbed, s, r);
    return out;
}

static void shares_free(struct shares *s)
{
    free(s->r_lower);
    free(s->to_bias);
    free(s->absorbed);
}

/* Mass above minus what arrives at neurons, bias and stabilizers, and the sum of magnitudes on both sides. */
static double ledger_gap(const struct link_sample *s, const struct shares *out, double *scale)
{
    double gap = 0;

    *scale = 0;
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper; i++) {
        gap += (double)s->r[i];
        *scale += fabs((double)s->r[i]);
    }
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower; i++) {
        gap -= (double)out->r_lower[i];
        *scale += fabs((double)out->r_lower[i]);
    }
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->link.upper.channels; i++) {
        gap -= out->to_bias[i] + out->absorbed[i];
        *scale += fabs(out->to_bias[i]) + fabs(out->absorbed[i]);
    }
    return gap;
}

static void check_ledger(struct link_sample *s, const char *what)
{
    struct shares out = sweep(s, s->r);
    double scale, gap = ledger_gap(s, &out, &scale);

    assert_law(what, gap, 0, scale);
    shares_free(&out);
}

static void the_ledger_closes(void **state)
{
    (void)state;
    link_sample_for_all("ledger", check_ledger);
}

/* Pack the backend's own weights again, from the parts' weights; the caller frees. */
static float *repack(struct link_sample *s)
{
    float *memory = link_sample_floats(link_packed_floats(&s->plan));

    link_packed_compute(&s->plan, memory);
    link_packed_bind(&s->plan, memory);
    return memory;
}

/* One weight that is wrong in the backward pass, but was right in the denominators, must show. Under signed rules
 * the sums that are compared can be so large that a single weight is lost in their rounding. */
static void check_open_ledger(struct link_sample *s, const char *what)
{
    static const enum rule_kind signed_rules[] = {RULE_ZERO, RULE_EPSILON, RULE_GAMMA, RULE_ALPHABETA};

    size_t n = link_sample_weights(&s->link), centre = s->link.kind == LINK_DENSE ? 0 : 4;
    float *wrong = link_sample_floats(RULE_MAX_PARTS * n);
    double scale;

    for (size_t i = 0; i < LENGTH(signed_rules); i++)
        if (s->plan.rule.kind == signed_rules[i] && s->plan.bias_mode == BIAS_SPREAD)
            goto done;
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper;
         i++) /* relevance that passes the weight and does not cancel */
        s->r[i] = i / shape_positions(s->link.upper) % s->link.upper.channels == 0 ? fabsf(s->r[i]) : 0;
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower; i++)
        s->a[i] = fabsf(s->a[i]) + 0.1f;
    link_sample_forward(s);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper && s->arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    for (size_t p = 0; p < s->plan.parts.nparts; p++) { /* whichever branch acts */
        memcpy(wrong + p * n, s->plan.forms[p], n * sizeof *wrong);
        wrong[p * n + centre] += 0.5f;
        s->plan.forms[p] = wrong + p * n;
    }
    float *packed = repack(s), arrived = 0;
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper; i++)
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
    link_sample_for_all("open ledger", check_open_ledger);
}

static void check_adjoint(struct link_sample *s, const char *what)
{
    struct shares out = sweep(s, s->r);
    float *v_upper = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
    double down = 0, up = 0, scale = 0;

    link_sample_lift(v_upper, s);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower; i++) {
        down += (double)out.r_lower[i] * (double)s->v[i];
        scale += fabs((double)out.r_lower[i] * (double)s->v[i]);
    }
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper; i++) {
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
    link_sample_for_all("adjoint", check_adjoint);
}

/* Column sums of the flow are the lower channels' relevance; rows, with bias and absorbed, the upper channels'. */
static void check_flow_sums(struct link_sample *s, const char *what)
{
    size_t upper = s->link.upper.channels, lower = s->link.lower.channels;
    size_t above = shape_positions(s->link.upper), below = shape_positions(s->link.lower);
    struct shares out = sweep(s, s->r);
    float *joint = link_sample_floats(upper * lower);

    link_sample_flow(joint, s, false, 0);
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
    link_sample_for_all("flow sums", check_flow_sums);
}

static void check_zero(struct link_sample *s, const char *what)
{
    memset(s->r, 0, LINK_SAMPLE_IMAGES * s->upper * sizeof *s->r);
    struct shares out = sweep(s, s->r);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower; i++)
        if (out.r_lower[i] != 0)
            fail_msg("%s: relevance %g out of nothing", what, (double)out.r_lower[i]);
    shares_free(&out);
}

static void no_relevance_gives_no_relevance(void **state)
{
    (void)state;
    link_sample_for_all("zero", check_zero);
}

static void check_linear(struct link_sample *s, const char *what)
{
    struct shares once = sweep(s, s->r);

    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper; i++)
        s->r[i] *= -2; /* exact in binary */
    struct shares twice = sweep(s, s->r);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower; i++)
        if (twice.r_lower[i] != -2 * once.r_lower[i])
            fail_msg("%s: not linear at %zu", what, i);
    shares_free(&once);
    shares_free(&twice);
}

static void back_is_linear_in_relevance(void **state)
{
    (void)state;
    link_sample_for_all("linear", check_linear);
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
