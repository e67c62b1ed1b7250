#include "pipeline/bench/bench.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

static const double GIGA = 1e-9, MILLI = 1e3;

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void print_machine(const struct bench_machine *machine)
{
    puts("\nmachine, one core                      GFLOP/s");
    for (size_t i = 0; i < machine->npeaks; i++)
        printf("  multiply-add peak, %-16s  %8.1f\n", machine->peaks[i].isa, machine->peaks[i].flops * GIGA);
    printf("  sgemm on the network's shapes       %8.1f\n", machine->product * GIGA);
    for (size_t i = 0; i < machine->nproducts; i++) {
        const struct bench_product *p = &machine->products[i];
        printf("    %-8s %5zu x %-5zu x %-5zu       %8.1f\n", p->layer, p->m, p->n, p->k, p->flops * GIGA);
    }
}

static void print_layers(const struct bench_results *results)
{
    double total[BENCH_OPERATIONS] = {0};

    printf("\n%-28s%-10s", "ms", "method");
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        printf("%10s", bench_operation_names[o]);
    printf("%10s%9s\n", "GFLOP/s", "share");
    for (size_t k = 0; k < results->net.nlinks; k++) {
        const struct bench_layer *l = &results->layers[k];
        double own = l->seconds[BENCH_FORWARD] + l->seconds[BENCH_BACKWARD];
        printf("%-28s%-10s", results->net.links[k].name, l->way ? l->way : "");
        for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
            printf("%10.3f", l->seconds[o] * MILLI);
            total[o] += l->seconds[o];
        }
        printf("%10.1f%8.1f%%\n", l->flops / own * GIGA, 100 * l->share);
    }
    printf("%-38s", "all");
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        printf("%10.3f", total[o] * MILLI);
    puts("\nGFLOP/s and share: of forward and backward, counted as direct convolution");
}

static void print_errors(const struct bench_results *results)
{
    printf("\n%-28s", "error");
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        printf("%10s", bench_operation_names[o]);
    putchar('\n');
    for (size_t k = 0; k < results->net.nlinks; k++) {
        const struct bench_layer *l = &results->layers[k];
        if (!l->compared)
            continue;
        printf("%-28s", results->net.links[k].name);
        for (size_t o = 0; o < BENCH_OPERATIONS; o++)
            printf("%10.1e", l->errors[o]);
        putchar('\n');
    }
    puts("largest |error| / largest |value| against the double reference (forward: activations and denominators), in\n"
         "16 channels of 12 x 12 neurons; flow: in 8 x 8 channels; backward of a dense layer: in 4 lower channels");
}

/* Whether the backend suits any of the layers. */
static bool any_way(const struct bench_results *results, size_t w)
{
    bool any = false;

    for (size_t k = 0; k < results->net.nlinks; k++)
        any = any || results->layers[k].ways[w] > 0;
    return any;
}

static void print_ways(const struct bench_results *results)
{
    printf("\n%-28s", "ms");
    for (size_t w = 0; w < LINK_BACKENDS; w++)
        if (any_way(results, w))
            printf("%11s", link_backend_name(link_backends[w]));
    putchar('\n');
    for (size_t k = 0; k < results->net.nlinks; k++) {
        const struct bench_layer *l = &results->layers[k];
        if (!l->tuned)
            continue;
        printf("%-28s", results->net.links[k].name);
        for (size_t w = 0; w < LINK_BACKENDS; w++)
            if (l->ways[w] > 0)
                printf("%10.3f%c", l->ways[w] * MILLI,
                       strcmp(l->way, link_backend_name(link_backends[w])) == 0 ? '*' : ' ');
            else if (any_way(results, w))
                printf("%10s ", "-");
        putchar('\n');
    }
    puts("forward and backward of a layer by every method that fits its rule; * marks the method of runs");
}

static void print_images(const struct bench_results *results)
{
    printf("\n%-20s%9s%9s%9s%9s%12s%11s%9s%20s\n", "one image, ms", "all", "decode", "wait", "measure", "statistics",
           "rank, MiB", "more", "least to most");
    for (size_t v = 0; v < results->variants; v++) {
        const struct bench_image *i = &results->images[v];
        const struct bench_round *t = &i->median;
        printf("%-20s%9.2f%9.2f%9.2f%9.2f%12.2f%11zu", bench_variants[v].name, t->total * MILLI, t->load * MILLI,
               t->stages[STAGE_DECODE] * MILLI, t->stages[STAGE_MEASURE] * MILLI, t->stages[STAGE_STATISTICS] * MILLI,
               i->rank_bytes >> 20);
        if (v > BENCH_PLAIN)
            printf("%8.1f%%%9.1f%% to %5.1f%%", 100 * i->more.median, 100 * i->more.least, 100 * i->more.most);
        putchar('\n');
    }
}

static void print_far(const struct bench_far *far)
{
    printf("\n%s of one image: %.3f s by %zu sweeps; by one sweep for each of %zu channels %.3f s (%zu measured);\n"
           "%.1f times faster, largest difference in a row %.1e\n",
           far->name, far->seconds, far->sweeps, far->channels, far->single_seconds, far->swept,
           far->single_seconds / far->seconds, far->error);
}

void bench_print(const struct bench_results *results)
{
    struct shape input = network_shape(&results->net, 0);

    printf("%s, %zu x %zu x %zu, %s, %zu rank%s, blocks of %zu, kernels %s, OpenBLAS %s\n", results->net.name,
           input.channels, input.height, input.width, results->composite, results->ranks,
           results->ranks == 1 ? "" : "s", results->block, results->isa, results->blas_core);
    print_machine(&results->machine);
    print_layers(results);
    if (results->layers[0].compared)
        print_errors(results);
    if (results->layers[0].tuned)
        print_ways(results);
    print_images(results);
    puts("decode: by a second thread; wait: the time that the rank waits for it; medians");
    if (results->variants > 1)
        puts("more: than the first line's blocks just before and after; median, least and most of the rounds");
    if (results->has_far)
        print_far(&results->far);
    if (results->variants == BENCH_VARIANTS)
        printf("\nan epoch's store          %.2f s, %.1f MiB; every %.0f s\n", results->store.seconds,
               results->store.bytes / 0x1p20, results->epoch);
    printf("\nfloor                     %.1f GFLOP at the peak of %s: %.2f ms\n", results->floor * GIGA,
           results->peak_isa, results->floor / results->images[BENCH_PLAIN].median.peak * MILLI);
    printf("floor / own time          %.2f (%.2f to %.2f)\n", results->floor_ratio.median, results->floor_ratio.least,
           results->floor_ratio.most);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *integer(size_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *json_peaks(const struct bench_machine *machine)
{
    json_t *list = json_array();

    for (size_t i = 0; i < machine->npeaks; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:f}", "isa", machine->peaks[i].isa, "gflops", machine->peaks[i].flops * GIGA));
    return list;
}

static json_t *json_products(const struct bench_machine *machine)
{
    json_t *list = json_array();

    for (size_t i = 0; i < machine->nproducts; i++) {
        const struct bench_product *p = &machine->products[i];
        json_array_append_new(list, json_pack("{s:s, s:[ooo], s:f}", "layer", p->layer, "shape", integer(p->m),
                                              integer(p->n), integer(p->k), "gflops", p->flops * GIGA));
    }
    return list;
}

static json_t *json_errors(const struct bench_layer *layer)
{
    json_t *object = json_object();

    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        json_object_set_new(object, bench_operation_names[o], json_real(layer->errors[o]));
    return object;
}

static json_t *json_ways(const struct bench_layer *layer)
{
    json_t *object = json_object();

    for (size_t w = 0; w < LINK_BACKENDS; w++)
        if (layer->ways[w] > 0)
            json_object_set_new(object, link_backend_name(link_backends[w]), json_real(layer->ways[w]));
    return object;
}

static json_t *json_layers(const struct bench_results *results)
{
    json_t *list = json_array();

    for (size_t k = 0; k < results->net.nlinks; k++) {
        const struct bench_layer *l = &results->layers[k];
        json_t *item = json_pack("{s:s, s:f, s:f}", "name", results->net.links[k].name, "gflop", l->flops * GIGA,
                                 "share", l->share);
        for (size_t o = 0; o < BENCH_OPERATIONS; o++)
            json_object_set_new(item, bench_operation_names[o], json_real(l->seconds[o]));
        if (l->compared)
            json_object_set_new(item, "errors", json_errors(l));
        if (l->way)
            json_object_set_new(item, "way", json_string(l->way));
        if (l->tuned)
            json_object_set_new(item, "ways", json_ways(l));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *json_spread(const struct bench_spread *spread)
{
    return json_pack("{s:f, s:f, s:f}", "median", spread->median, "least", spread->least, "most", spread->most);
}

static json_t *json_rounds(const struct bench_image *image)
{
    json_t *list = json_array();

    for (size_t i = 0; i < image->nrounds; i++) {
        const struct bench_round *r = &image->rounds[i];
        json_array_append_new(list, json_pack("{s:f, s:f, s:f, s:o}", "seconds", r->total, "cpu_seconds", r->cpu,
                                              "peak_gflops", r->peak * GIGA, "ratio",
                                              r->ratio > 0 ? json_real(r->ratio) : json_null()));
    }
    return list;
}

static json_t *json_images(const struct bench_results *results)
{
    json_t *list = json_array();

    for (size_t v = 0; v < results->variants; v++) {
        const struct bench_image *i = &results->images[v];
        const struct bench_round *t = &i->median;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o}", "given", bench_variants[v].given,
                            "flows", bench_variants[v].flows, "seconds", t->total, "decode", t->load, "wait",
                            t->stages[STAGE_DECODE], "measure", t->stages[STAGE_MEASURE], "statistics",
                            t->stages[STAGE_STATISTICS], "rank_bytes", integer(i->rank_bytes), "shared_bytes",
                            integer(i->shared_bytes), "more", v > BENCH_PLAIN ? json_spread(&i->more) : json_null(),
                            "rounds", json_rounds(i)));
    }
    return list;
}

static json_t *json_far(const struct bench_results *results)
{
    const struct bench_far *far = &results->far;

    if (!results->has_far)
        return json_null();
    return json_pack("{s:s, s:o, s:f, s:o, s:f, s:f, s:f}", "pair", far->name, "sweeps", integer(far->sweeps),
                     "seconds", far->seconds, "channels", integer(far->channels), "single_seconds", far->single_seconds,
                     "ratio", far->single_seconds / far->seconds, "difference", far->error);
}

/* null: the variant was not measured */
static json_t *json_overhead(const struct bench_results *results, enum bench_variant variant)
{
    return variant < results->variants ? json_real(results->images[variant].more.median) : json_null();
}

bool bench_print_json(const struct bench_results *results)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:f, s:o, s:f, s:o, s:f, s:f, s:o, s:f, s:o, s:o, s:f, s:f, s:f, "
        "s:o, s:o, s:o}",
        "network", results->net.name, "composite", results->composite, "ranks", integer(results->ranks), "block",
        integer(results->block), "isa", results->isa, "blas_core", results->blas_core, "peak_isa", results->peak_isa,
        "peak_gflops", results->machine.peak * GIGA, "peaks", json_peaks(&results->machine), "sgemm_gflops",
        results->machine.product * GIGA, "sgemm", json_products(&results->machine), "floor_gflop",
        results->floor * GIGA, "floor_ratio", results->floor_ratio.median, "floor_ratio_spread",
        json_spread(&results->floor_ratio), "image_seconds", results->images[BENCH_PLAIN].median.total,
        "flows_overhead", json_overhead(results, BENCH_FLOWS), "given_overhead", json_overhead(results, BENCH_INPUT),
        "store_seconds", results->store.seconds, "store_bytes", results->store.bytes, "epoch_seconds", results->epoch,
        "far", json_far(results), "images", json_images(results), "layers", json_layers(results));
    bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;

    putchar('\n');
    json_decref(root);
    return printed;
}
