#include "pipeline/evaluate/compute.h"

#include "kernels/ablation/ranking.h"
#include "kernels/base/number.h"
#include "kernels/measure/cost.h"
#include "kernels/measure/sample.h"
#include "pipeline/evaluate/randomised.h"

#include <math.h>
#include <string.h>

/* Channels of random draws that are not those of the random order. */
static const uint32_t DRAWS = UINT32_C(1) << 31;

/* ---- units ------------------------------------------------------------------------------------------------------- */

static void clear_units(struct evaluate_work *work)
{
    for (size_t k = 0; k <= work->plan.net->nlinks; k++)
        work->first[k] = work->source[k] = SIZE_MAX;
}

static struct trials_units units_of(const struct evaluate_work *work, size_t count, size_t from)
{
    return (struct trials_units){
        .count = count, .from = from, .first = work->first, .source = work->source, .value = work->means};
}

/* The channels of one variable. */
static struct trials_units layer_units(struct evaluate_work *work, size_t k)
{
    size_t spot = ablation_spot(&work->plan, k);

    clear_units(work);
    work->first[spot] = 0;
    work->source[spot] = k;
    return units_of(work, network_shape(work->plan.net, k).channels, spot);
}

/* Where copies of a test of all convolutions begin: at the first one if everything above comes from there. */
static size_t lowest_convolution(const struct design *design, const struct measure_plan *plan)
{
    size_t k = 1;

    while (!design_convolution(design, k))
        k++;
    return plan->net->cut[k] && ablation_spot(plan, k) == k ? k : 0;
}

static struct trials_units convolution_units(struct evaluate_work *work)
{
    size_t count = 0;

    clear_units(work);
    for (size_t k = 1; k < work->plan.net->nlinks; k++) {
        if (!design_convolution(work->design, k))
            continue;
        work->first[k] = count;
        work->source[k] = k;
        count += network_shape(work->plan.net, k).channels;
    }
    return units_of(work, count, lowest_convolution(work->design, &work->plan));
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

static bool known(const double *score, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(score[i]))
            return false;
    return true;
}

static void copy_outcome(float *to, const float *from)
{
    memcpy(to, from, CURVE_OUTCOMES * sizeof *to);
}

/* Trials for the curves of one order, whose scores are in work->score; their ends are known. */
static void add_curves(struct evaluate_work *work, const struct design_result *result, float *row, const float *all)
{
    for (size_t i = 0; i < result->floats; i++)
        row[result->at + i] = NAN;
    if (!known(work->score, result->units))
        return;
    ranking_order(work->order, work->scratch, work->score, result->units);
    for (enum curve_side side = CURVE_MORF; side < CURVE_SIDES; side++)
        for (size_t s = 0; s < result->nfractions; s++) {
            float *out = row + result->at + design_curve_at(result, side, s);
            size_t k = curve_count(result->fraction[s], result->units);
            if (k == 0 || k >= result->units)
                copy_outcome(out, k == 0 ? work->base : all);
            else
                curve_keep(trials_add(&work->trials, out), work->order, result->units, k, side);
        }
}

/* The outcome with all units replaced. */
static void replace_all(float all[CURVE_OUTCOMES], struct evaluate_work *work, size_t units)
{
    memset(trials_add(&work->trials, all), 0, units * sizeof(float));
    trials_finish(&work->trials);
}

/* The curves of some results of the same units; `score` fills work->score. */
static void run_curves(struct evaluate_work *work, float *row, size_t first, size_t end,
                       void (*score)(struct evaluate_work *work, const struct design_result *result))
{
    const struct design *design = work->design;
    float all[CURVE_OUTCOMES];

    replace_all(all, work, design->results[first].units);
    for (size_t i = first; i < end; i++) {
        score(work, &design->results[i]);
        add_curves(work, &design->results[i], row, all);
    }
    trials_finish(&work->trials);
}

/* One past the last result of the place of result `first`. */
static size_t end_of_place(const struct design *design, size_t first, size_t end)
{
    size_t i = first;

    while (i < end && strcmp(design->results[i].place, design->results[first].place) == 0)
        i++;
    return i;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void score_layer(struct evaluate_work *work, const struct design_result *result)
{
    evaluate_work_score(work->score, work, result->order, result->variable);
}

static void run_channels(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    const struct design *design = work->design;

    for (size_t i = first, next; i < end && design->results[i].kind == DESIGN_CURVES; i = next) {
        next = end_of_place(design, i, end);
        trials_enter(&work->trials, layer_units(work, design->results[i].variable));
        run_curves(work, row, i, next, score_layer);
    }
}

static void score_convolutions(struct evaluate_work *work, const struct design_result *result)
{
    size_t at = 0;

    for (size_t k = 1; k < work->plan.net->nlinks; k++) {
        if (!design_convolution(work->design, k))
            continue;
        evaluate_work_score(work->score + at, work, result->order, k);
        at += network_shape(work->plan.net, k).channels;
    }
}

static void run_layers(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    trials_enter(&work->trials, convolution_units(work));
    run_curves(work, row, first, end, score_convolutions);
}

/* Copies begin at the variable that the link reads. */
static struct trials_units edge_units(const struct evaluate_work *work, size_t k)
{
    const struct network *net = work->plan.net;

    return (struct trials_units){.count = cut_edges_of(&net->links[k - 1]).count,
                                 .from = network_edge(net, k - 1, 0)->lower,
                                 .edges = true,
                                 .link = k - 1};
}

static void score_edges(struct evaluate_work *work, const struct design_result *result)
{
    evaluate_work_score_edges(work->score, work, result->order, result->variable);
}

static void run_flows(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    const struct design *design = work->design;

    for (size_t i = first, next; i < end && design->results[i].kind == DESIGN_CURVES; i = next) {
        next = end_of_place(design, i, end);
        trials_enter(&work->trials, edge_units(work, design->results[i].variable));
        run_curves(work, row, i, next, score_edges);
    }
}

static double pixel_score(const struct evaluate_work *work, enum order order, size_t i)
{
    if (order == ORDER_MAGNITUDE)
        return fabs((double)work->planar[i]);
    return work->predicted.pixels[order][i];
}

static void score_squares(struct evaluate_work *work, const struct design_result *result)
{
    struct shape shape = work->plan.net->input;
    size_t patch = work->design->patch, across = design_squares_across(work->design);

    layout_to_planar(work->planar, work->image.a[0], network_layout(work->plan.net, 0));
    for (size_t i = 0; i < result->units; i++)
        work->score[i] =
            result->order == ORDER_RANDOM ? sample_uniform(work->design->seed, work->index, 0, (uint32_t)i) : 0;
    for (size_t i = 0; i < shape_neurons(shape) && result->order != ORDER_RANDOM; i++) {
        size_t y = i / shape.width % shape.height, x = i % shape.width;
        work->score[y / patch * across + x / patch] += pixel_score(work, result->order, i);
    }
}

static void run_pixels(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    struct trials_units squares = {.count = work->design->results[first].units, .patch = work->design->patch};

    trials_enter(&work->trials, squares);
    run_curves(work, row, first, end, score_squares);
}

static void put_similarity(float *row, const struct design_result *result, struct similarity s)
{
    const double values[DESIGN_VALUES] = {s.cosine, s.pearson, s.spearman};

    for (size_t i = 0; i < DESIGN_VALUES; i++)
        row[result->at + i] = (float)values[i];
}

static void run_targets(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        const struct design_result *result = &work->design->results[i];
        size_t at = work->plan.channel[result->variable];
        const double *u = work->predicted.pixels[result->order], *v = work->second.pixels[result->order];
        if (result->variable > 0) {
            u = work->predicted.channels[result->order] + at;
            v = work->second.channels[result->order] + at;
        }
        put_similarity(row, result, similarity_of(u, v, result->units, &work->similarity));
    }
}

/* Numbers of the channels that are drawn, ascending, to the place of the result's channels. */
static void draw_channels(struct evaluate_work *work, const struct design_result *result, float *row)
{
    size_t channels = network_shape(work->plan.net, result->variable).channels, at = result->at;

    for (size_t c = 0; c < channels; c++)
        work->score[c] =
            sample_uniform(work->design->seed, work->index, (uint32_t)result->variable, DRAWS | (uint32_t)c);
    ranking_order(work->order, work->scratch, work->score, channels);
    for (size_t c = 0; c < channels; c++)
        work->score[c] = 0;
    for (size_t i = 0; i < result->units; i++)
        work->score[work->order[i]] = 1;
    for (size_t c = 0; c < channels; c++)
        if (work->score[c] > 0)
            row[at++] = (float)c;
}

/* What the logit loses without each drawn channel. */
static void run_trials(struct evaluate_work *work, const struct design_result *result, float *row)
{
    float outcome[CURVE_OUTCOMES * TRIALS_AT_ONCE], *channel = row + result->at, *value = channel + result->units;
    size_t channels = network_shape(work->plan.net, result->variable).channels;

    trials_enter(&work->trials, layer_units(work, result->variable));
    for (size_t i = 0; i < result->units;) {
        size_t n = smaller(result->units - i, TRIALS_AT_ONCE);
        for (size_t j = 0; j < n; j++) {
            float *keep = trials_add(&work->trials, outcome + j * CURVE_OUTCOMES);
            for (size_t c = 0; c < channels; c++)
                keep[c] = c == (size_t)channel[i + j] ? 0 : 1;
        }
        trials_finish(&work->trials);
        for (size_t j = 0; j < n; j++, i++)
            value[i] = work->base[CURVE_LOGIT] - outcome[j * CURVE_OUTCOMES + CURVE_LOGIT];
    }
}

static void compare_damage(struct evaluate_work *work, const struct design_result *result,
                           const struct design_result *damages, float *row)
{
    const float *channel = row + damages->at, *value = channel + damages->units;

    evaluate_work_score(work->score, work, result->order, result->variable);
    for (size_t i = 0; i < damages->units; i++) {
        work->score[i] = work->score[(size_t)channel[i]]; /* ascending: never one that was overwritten */
        work->values[i] = (double)value[i];
    }
    put_similarity(row, result, similarity_of(work->score, work->values, damages->units, &work->similarity));
}

static void run_damage(struct evaluate_work *work, float *row, size_t first, size_t end)
{
    const struct design_result *results = work->design->results, *damages = NULL;

    for (size_t i = first; i < end; i++) {
        if (results[i].kind == DESIGN_DAMAGES) {
            damages = &results[i];
            draw_channels(work, damages, row);
            run_trials(work, damages, row);
        } else if (results[i].kind == DESIGN_SIMILARITY) {
            compare_damage(work, &results[i], damages, row);
        }
    }
}

static void (*const runners[TESTS])(struct evaluate_work *work, float *row, size_t first, size_t end) = {
    [TEST_TARGETS] = run_targets, [TEST_DAMAGE] = run_damage, [TEST_CHANNELS] = run_channels,
    [TEST_LAYERS] = run_layers,   [TEST_FLOWS] = run_flows,   [TEST_PIXELS] = run_pixels,
    [TEST_RANDOMISED] = NULL, /* of all images together, later: randomised.h */
};

enum status compute_image(struct evaluate_work *work, float *row, size_t index, struct error *err)
{
    const struct design *design = work->design;
    enum status rc = OK;

    TRY(evaluate_work_measure(work, row, index, err));
    if ((enum store_status)row[ROW_STATUS] != STORE_IMAGE_OK)
        goto done;
    trials_begin(&work->trials, &work->image, work->result.target);
    for (size_t t = 0; t < TESTS; t++)
        if (design->tests[t] && runners[t])
            runners[t](work, row, design->first[t], design->first[t + 1]);
done:
    return rc;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

/* Of the curves or damages of one result. */
static double result_flops(const struct design *design, const struct measure_plan *plan,
                           const struct design_result *result)
{
    double trials = 0;
    size_t from = result->test == TEST_PIXELS   ? 0
                  : result->test == TEST_LAYERS ? lowest_convolution(design, plan)
                  : result->test == TEST_FLOWS  ? network_edge(plan->net, result->variable - 1, 0)->lower
                                                : ablation_spot(plan, result->variable);

    if (result->kind == DESIGN_DAMAGES)
        trials = (double)result->units;
    for (size_t s = 0; s < result->nfractions && result->kind == DESIGN_CURVES; s++) {
        size_t k = curve_count(result->fraction[s], result->units);
        trials += k > 0 && k < result->units ? CURVE_SIDES : 0;
    }
    return trials > 0 ? trials * ablation_flops(plan, from) : 0;
}

double compute_flops(const struct design *design, const struct measure_plan *plan)
{
    double measures = (design->tests[TEST_TARGETS] ? 2 : 1) * (design->orders[ORDER_GRADIENT] ? 2 : 1);
    double flops = measures * cost_floor(plan) + (design->mean ? ablation_flops(plan, 0) : 0);
    size_t stages[NETWORK_MAX_LINKS], images = design->run->images.end - design->run->images.first;

    if (design->tests[TEST_RANDOMISED])
        flops += (double)(randomised_stages(stages, plan->net) * (design->orders[ORDER_GRADIENT] ? 2 : 1)) *
                 cost_floor(plan) * (double)design_randomised(design) / (double)images;

    for (size_t i = 0; i < design->nresults; i++)
        flops += result_flops(design, plan, &design->results[i]);
    return flops;
}
