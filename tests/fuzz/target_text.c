/* What users write: configurations and set expressions. */
#include "kernels/base/network_vgg.h"
#include "pipeline/config/config.h"
#include "pipeline/sets/sets.h"
#include "tests/fuzz/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 11, CONVOLUTIONS = 8, COLOURS = 3 };

static char *text_of(const unsigned char *bytes, size_t nbytes)
{
    char *text = malloc(nbytes + 1);

    if (!text)
        abort();
    memcpy(text, bytes, nbytes);
    text[nbytes] = '\0';
    return text;
}

void fuzz_config(const char *path, const unsigned char *bytes, size_t nbytes)
{
    char *text = text_of(bytes, nbytes);
    struct config config;
    struct error err = {0};

    (void)path;
    fuzz_check(config_parse(&config, text, "fuzz.ini", NULL, 0, &err), &err);
    config_free(&config);
    free(text);
}

/* VGG11 on 3 x 32 x 32. */
static void make_network(struct network *net)
{
    static const size_t widths[LAYERS] = {4, 6, 8, 8, 8, 8, 8, 8, 10, 12, 7};
    struct network_layer layers[LAYERS];
    char message[128];

    for (size_t i = 0, in = COLOURS; i < LAYERS; in = widths[i++])
        layers[i] = (struct network_layer){.convolution = i < CONVOLUTIONS, .out = widths[i], .in = in};
    if (!network_vgg_init(net, message, sizeof message, layers, LAYERS))
        abort();
}

void fuzz_sets(const char *path, const unsigned char *bytes, size_t nbytes)
{
    char *text = text_of(bytes, nbytes);
    struct network net;
    struct error err = {0};
    struct sets sets;

    (void)path;
    make_network(&net);
    fuzz_check(sets_parse(&sets, text, &net, &err), &err);
    sets_free(&sets);
    float *masks[NETWORK_MAX_VARIABLES] = {0};
    struct error none = {0};
    fuzz_check(sets_masks(masks, text, &net, &none), &none);
    sets_masks_free(masks);
    free(text);
}
