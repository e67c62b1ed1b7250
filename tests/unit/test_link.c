/* The operations of a link, for every rule, against the double reference and against the laws of the measure, on random
 * links of odd shapes. */
#include "kernels/layer/linear.h"
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
    return ARRAY_BAR + (double)FLT_EPSILON * most * (double)s->lower[s->edge];
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

static void check_activation(struct link_sample *s, const char *what)
{
    double *want = malloc(s->upper * sizeof *want);

    for (size_t j = 0; j < s->upper; j++)
        want[j] = reference_activation(s->link.activation, s->z_double[j]);
    assert_array(what, s, s->activation + (LINK_SAMPLE_IMAGES - 1) * s->upper, want, s->upper);
    free(want);
}

static void check_backward(struct link_sample *s, const char *what)
{
    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        float *r_lower = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower[e]);
        double *want = malloc(s->lower[e] * sizeof *want);

        link_sample_select(s, e);
        link_sample_backward(r_lower, NULL, NULL, s, s->r);
        reference_backward(want, &s->reference, s->r_double);
        assert_array(what, s, r_lower + (LINK_SAMPLE_IMAGES - 1) * s->lower[e], want, s->lower[e]);
        free(r_lower);
        free(want);
    }
}

/* Sums of few terms, each within the rounding of its coefficient. */
static void assert_sums(const char *what, const struct link_sample *s, const double *got, const double *want)
{
    double scale = 0, bar = array_bar(s);

    for (size_t j = 0; j < s->upper; j++)
        scale = fmax(scale, fabs(s->r_double[j]) * (double)shape_positions(s->link.upper));
    for (size_t k = 0; k < s->link.upper.channels; k++)
        if (!(fabs(got[k] - want[k]) <= bar * (scale + fabs(want[k]))))
            fail_msg("%s: channel %zu is %.9g, not %.9g (scale %.3g)", what, k, got[k], want[k], scale);
}

static void check_shares(struct link_sample *s, const char *what)
{
    size_t channels = s->link.upper.channels, last = (LINK_SAMPLE_IMAGES - 1) * channels;
    float *r_lower = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower[0]);
    double *bias = malloc(LINK_SAMPLE_IMAGES * channels * sizeof *bias),
           *absorbed = malloc(LINK_SAMPLE_IMAGES * channels * sizeof *absorbed);
    double *want_bias = malloc(channels * sizeof *want_bias), *want_absorbed = malloc(channels * sizeof *want_absorbed);

    link_sample_backward(r_lower, bias, absorbed, s, s->r);
    reference_shares(want_bias, want_absorbed, &s->reference, s->r_double);
    assert_sums(what, s, bias + last, want_bias);
    assert_sums(what, s, absorbed + last, want_absorbed);
    free(r_lower);
    free(bias);
    free(absorbed);
    free(want_bias);
    free(want_absorbed);
}

static void check_lift(struct link_sample *s, const char *what)
{
    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        float *v_upper = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);
        double *want = malloc(s->upper * sizeof *want);

        link_sample_select(s, e);
        link_sample_lift(v_upper, s);
        reference_lift(want, &s->reference, s->v_double[e]);
        for (size_t i = 0; i < s->upper && s->arrival == ALIVE; i++)
            if (s->z_double[i] <= 0) /* what is up there is nobody's business */
                want[i] = v_upper[(LINK_SAMPLE_IMAGES - 1) * s->upper + i] = 0;
        assert_array(what, s, v_upper + (LINK_SAMPLE_IMAGES - 1) * s->upper, want, s->upper);
        free(v_upper);
        free(want);
    }
}

static void check_flow(struct link_sample *s, const char *what)
{
    size_t n = linear_joint_floats(&s->link), last = LINK_SAMPLE_IMAGES - 1;
    float *joint = link_sample_floats(n);
    double *want = malloc(n * sizeof *want);

    for (size_t e = 0; e < link_edges(&s->plan) && network_has_rule(&s->link); e++) {
        link_sample_select(s, e);
        link_sample_flow(joint, s, false, last);
        reference_flow(want, &s->reference, s->r_double, NULL);
        assert_array(what, s, joint, want, n);
        link_sample_flow(joint, s, true, last);
        reference_flow(want, &s->reference, s->r_double, s->v_double[e]);
        assert_array(what, s, joint, want, n);
    }
    free(joint);
    free(want);
}

/* The reference is made once for all operations, since that takes longer than they do. */
static void check_operations(struct link_sample *s, const char *what)
{
    static const struct {
        const char *name;
        void (*check)(struct link_sample *s, const char *what);
    } operations[] = {{"activations", check_activation},
                      {"back", check_backward},
                      {"bias and absorbed", check_shares},
                      {"forward", check_lift},
                      {"joint", check_flow}};

    link_sample_reference(s);
    for (size_t i = 0; i < LENGTH(operations); i++) {
        char name[256];
        snprintf(name, sizeof name, "%s of %s", operations[i].name, what);
        link_sample_select(s, 0);
        operations[i].check(s, name);
    }
}

static void operations_equal_the_reference(void **state)
{
    (void)state;
    link_sample_for_all("operations", check_operations);
}

/* ---- laws ------------------------------------------------------------------------------------------------------ */

struct shares {
    float *r_lower[LINK_SAMPLE_EDGES];
    double *to_bias, *absorbed;
};

/* Of all edges; those that there are not have no relevance. */
static struct shares sweep(struct link_sample *s, const float *r)
{
    size_t channels = s->link.upper.channels;
    struct shares out = {.to_bias = malloc(LINK_SAMPLE_IMAGES * channels * sizeof(double)),
                         .absorbed = malloc(LINK_SAMPLE_IMAGES * channels * sizeof(double))};

    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++) {
        out.r_lower[e] = link_sample_floats(LINK_SAMPLE_IMAGES * s->lower[e]);
        if (e >= link_edges(&s->plan))
            continue;
        link_sample_select(s, e);
        link_sample_backward(out.r_lower[e], out.to_bias, out.absorbed, s, r);
    }
    return out;
}

static void shares_free(struct shares *s)
{
    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++)
        free(s->r_lower[e]);
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
    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++)
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower[e]; i++) {
            gap -= (double)out->r_lower[e][i];
            *scale += fabs((double)out->r_lower[e][i]);
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

/* The first weight at the middle of a window. */
static size_t middle_weight(const struct link *link)
{
    return link->kind == LINK_CONVOLUTION ? link->window.height / 2 * link->window.width + link->window.width / 2 : 0;
}

/* One weight that is wrong in the backward pass, but was right in the denominators, must show. Under signed rules
 * the sums that are compared can be so large that a single weight is lost in their rounding. */
static void check_open_ledger(struct link_sample *s, const char *what)
{
    static const enum rule_kind signed_rules[] = {RULE_ZERO, RULE_EPSILON, RULE_GAMMA, RULE_ALPHABETA};

    size_t n = network_weight_floats(&s->link);
    float *wrong = link_sample_floats((RULE_MAX_PARTS + 1) * n), *own = wrong + RULE_MAX_PARTS * n;
    float off = 0.5f * (float)(1 + s->link.lower.channels / 32); /* of many weights, one must be more wrong to show */
    double scale;

    if (!network_has_rule(&s->link) || s->plan.backend == &link_add) /* which has no weights */
        goto done;
    for (size_t i = 0; i < LENGTH(signed_rules); i++)
        if (s->plan.rule.kind == signed_rules[i] && s->plan.bias_mode == BIAS_SPREAD)
            goto done;
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper;
         i++) /* relevance that passes the weight and does not cancel */
        s->r[i] = i / shape_positions(s->link.upper) % s->link.upper.channels == 0 ? fabsf(s->r[i]) : 0;
    for (size_t e = 0; e < link_edges(&s->plan); e++)
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower[e]; i++)
            s->a[e][i] = fabsf(s->a[e][i]) + 0.1f;
    link_sample_forward(s);
    for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper && s->arrival == ALIVE; i++)
        s->r[i] = s->activation[i] > 0 ? s->r[i] : 0;
    for (size_t p = 0; p < s->plan.parts.nparts; p++) { /* whichever branch acts */
        memcpy(wrong + p * n, s->plan.forms[p], n * sizeof *wrong);
        wrong[p * n + middle_weight(&s->link)] += off;
        s->plan.forms[p] = wrong + p * n;
    }
    memcpy(own, s->plan.weight, n * sizeof *own); /* by which some backends share relevance */
    own[middle_weight(&s->link)] += off;
    s->plan.weight = own;
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

/* sum R_lower v_lower = sum R_upper v_upper, of every edge. */
static void check_adjoint(struct link_sample *s, const char *what)
{
    struct shares out = sweep(s, s->r);
    float *v_upper = link_sample_floats(LINK_SAMPLE_IMAGES * s->upper);

    for (size_t e = 0; e < link_edges(&s->plan); e++) {
        double down = 0, up = 0, scale = 0;
        link_sample_select(s, e);
        link_sample_lift(v_upper, s);
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower[e]; i++) {
            down += (double)out.r_lower[e][i] * (double)s->v[e][i];
            scale += fabs((double)out.r_lower[e][i] * (double)s->v[e][i]);
        }
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->upper; i++) {
            up += (double)v_upper[i] * (double)s->r[i];
            scale += fabs((double)v_upper[i] * (double)s->r[i]);
        }
        assert_law(what, down, up, scale);
    }
    free(v_upper);
    shares_free(&out);
}

static void forward_is_the_adjoint_of_back(void **state)
{
    (void)state;
    link_sample_for_all("adjoint", check_adjoint);
}

/* A sum and that of its magnitudes. */
struct total {
    double sum, scale;
};

static void add_to(struct total *total, double v)
{
    total->sum += v;
    total->scale += fabs(v);
}

static void add_positions(struct total *total, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_to(total, (double)values[i]);
}

/* Flow between an upper and a lower channel of an edge: that of a diagonal link is between a channel and itself. */
static double flow_between(const struct link *link, const float *joint, size_t k, size_t c)
{
    if (network_diagonal(link))
        return k == c ? (double)joint[k] : 0;
    return (double)joint[k * link->lower.channels + c];
}

/* Column sums of an edge's flow are the lower channels' relevance; row sums of all edges' flows, with bias and
 * absorbed, the upper channels'. */
static void check_flow_sums(struct link_sample *s, const char *what)
{
    size_t upper = s->link.upper.channels, lower = s->link.lower.channels;
    size_t above = shape_positions(s->link.upper), below = shape_positions(s->link.lower);
    struct shares out = sweep(s, s->r);
    struct total rows[LINK_SAMPLE_CHANNELS] = {{0, 0}};
    float *joint = link_sample_floats(linear_joint_floats(&s->link));

    for (size_t e = 0; e < link_edges(&s->plan) && network_has_rule(&s->link); e++) {
        link_sample_select(s, e);
        link_sample_flow(joint, s, false, 0);
        for (size_t c = 0; c < lower; c++) {
            struct total want = {0, 0}, got = {0, 0};
            add_positions(&want, out.r_lower[e] + c * below, below);
            for (size_t k = 0; k < upper; k++) {
                add_to(&got, flow_between(&s->link, joint, k, c));
                add_to(&rows[k], flow_between(&s->link, joint, k, c));
            }
            assert_law(what, got.sum, want.sum, got.scale + want.scale);
        }
    }
    for (size_t k = 0; k < upper && network_has_rule(&s->link); k++) {
        struct total want = {0, 0};
        add_to(&rows[k], out.to_bias[k]);
        add_to(&rows[k], out.absorbed[k]);
        add_positions(&want, s->r + k * above, above);
        assert_law(what, rows[k].sum, want.sum, rows[k].scale + want.scale);
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
    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++)
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower[e]; i++)
            if (out.r_lower[e][i] != 0)
                fail_msg("%s: relevance %g out of nothing", what, (double)out.r_lower[e][i]);
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
    for (size_t e = 0; e < LINK_SAMPLE_EDGES; e++)
        for (size_t i = 0; i < LINK_SAMPLE_IMAGES * s->lower[e]; i++)
            if (twice.r_lower[e][i] != -2 * once.r_lower[e][i])
                fail_msg("%s: edge %zu is not linear at %zu", what, e, i);
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
        cmocka_unit_test(operations_equal_the_reference),  cmocka_unit_test(the_ledger_closes),
        cmocka_unit_test(a_wrong_weight_opens_the_ledger), cmocka_unit_test(forward_is_the_adjoint_of_back),
        cmocka_unit_test(flow_sums_are_the_marginals),     cmocka_unit_test(no_relevance_gives_no_relevance),
        cmocka_unit_test(back_is_linear_in_relevance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
