#include "kernels/base/number.h"
#include "kernels/ops/peak.h"
#include "pipeline/bench/bench.h"
#include "pipeline/bench/timing.h"
#include "pipeline/mpi/agree.h"

#include <stdlib.h>
#include <string.h>

#include <cblas.h>

/* PEAK_ROUNDS take about 10 ms. A product has at most MAX_COLUMNS: more columns only repeat the same work. */
enum { PEAK_ROUNDS = 2000000, PEAK_REPEATS = 5, MAX_COLUMNS = 4096 };

static double measure_peak(size_t i)
{
    double rates[PEAK_REPEATS];

    peak_run(i, PEAK_ROUNDS / 10);
    for (size_t r = 0; r < PEAK_REPEATS; r++) {
        double start = log_seconds(), operations = peak_run(i, PEAK_ROUNDS);
        rates[r] = operations / (log_seconds() - start);
    }
    return bench_median(rates, PEAK_REPEATS);
}

double bench_peak(const char *isa, const struct node *node)
{
    size_t i = 0;

    while (peak_name(i) && strcmp(peak_name(i), isa) != 0)
        i++;
    return peak_name(i) && peak_available(i) ? 1 / bench_slowest(1 / measure_peak(i), node) : 0;
}

static void measure_peaks(struct bench_machine *out, const char *isa, const struct node *node)
{
    for (size_t i = 0; peak_name(i) && out->npeaks < BENCH_MAX_PEAKS; i++) {
        if (!peak_available(i))
            continue;
        double flops = bench_peak(peak_name(i), node);
        out->peaks[out->npeaks++] = (struct bench_peak){peak_name(i), flops};
        out->peak = strcmp(peak_name(i), isa) == 0 ? flops : out->peak;
    }
}

/* The product of a convolution by im2col, or of a dense layer on a group of images. */
static struct bench_product product_of(const struct link *link)
{
    size_t positions = shape_positions(link->upper);

    if (link->kind == LINK_DENSE)
        return (struct bench_product){link->name, BLOCK_GROUP, link->upper.channels, shape_neurons(link->lower), 0};
    return (struct bench_product){link->name, link->upper.channels, smaller(positions, MAX_COLUMNS),
                                  network_weight_floats(link) / link->upper.channels, 0};
}

static bool same_shape(const struct bench_product *a, const struct bench_product *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k;
}

/* Every shape once, named after its first layer. */
static void list_products(struct bench_machine *out, const struct network *net)
{
    for (size_t k = 0; k < net->nlinks; k++) {
        struct bench_product product = product_of(&net->links[k]);
        size_t i = 0;
        while (i < out->nproducts && !same_shape(&product, &out->products[i]))
            i++;
        if (i == out->nproducts && (net->links[k].kind == LINK_CONVOLUTION || net->links[k].kind == LINK_DENSE))
            out->products[out->nproducts++] = product;
    }
}

/* Median seconds of a product whose operands are all the same array. */
static double measure_product(const struct bench_product *p, const float *in, float *out, size_t repeats)
{
    double seconds[BENCH_MAX_REPEATS];

    for (size_t r = 0; r <= repeats; r++) {
        double start = log_seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->m, (int)p->n, (int)p->k, 1, in, (int)p->k, in,
                    (int)p->n, 0, out, (int)p->n);
        seconds[r ? r - 1 : 0] = log_seconds() - start; /* the first is not counted */
    }
    return bench_median(seconds, repeats);
}

static enum status measure_products(struct bench_machine *out, size_t repeats, const struct node *node,
                                    struct error *err)
{
    size_t in_floats = 0, out_floats = 0;
    double operations = 0, seconds = 0;
    float *in, *result;
    enum status rc = OK;

    for (size_t i = 0; i < out->nproducts; i++) {
        const struct bench_product *p = &out->products[i];
        in_floats = larger(in_floats, larger(p->m * p->k, p->k * p->n));
        out_floats = larger(out_floats, p->m * p->n);
    }
    in = malloc(in_floats * sizeof *in);
    result = malloc(out_floats * sizeof *result);
    if (!in || !result)
        rc = error_set(err, FAIL_SYSTEM, "no memory for matrix products of %zu MiB", in_floats >> 18);
    TRY(agree(node->world, rc, err));
    for (size_t i = 0; i < in_floats; i++)
        in[i] = (float)(i % 17) - 8;
    for (size_t i = 0; i < out->nproducts; i++) {
        struct bench_product *p = &out->products[i];
        double once = bench_slowest(measure_product(p, in, result, repeats), node);
        double all = 2 * (double)p->m * (double)p->n * (double)p->k;
        p->flops = all / once;
        operations += all;
        seconds += once;
    }
    out->product = operations / seconds;
done:
    free(in);
    free(result);
    return rc;
}

enum status bench_machine(struct bench_machine *out, const struct network *net, const char *isa, size_t repeats,
                          const struct node *node, struct error *err)
{
    *out = (struct bench_machine){0};
    measure_peaks(out, isa, node);
    list_products(out, net);
    return measure_products(out, repeats, node, err);
}
