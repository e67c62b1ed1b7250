#include "kernels/base/network_words.h"

#include <string.h>

static const char *const kinds[] = {[LINK_CONVOLUTION] = "convolution",
                                    [LINK_DENSE] = "dense",
                                    [LINK_POOL] = "pool",
                                    [LINK_AVERAGE] = "average",
                                    [LINK_ADD] = "add",
                                    [LINK_CHANNELS] = "channels",
                                    [LINK_GATE] = "gate",
                                    [LINK_PASS] = "pass"};

static const char *const activations[] = {[ACTIVATION_NONE] = "none",       [ACTIVATION_RELU] = "relu",
                                          [ACTIVATION_CLIP] = "clip",       [ACTIVATION_LEAKY] = "leaky",
                                          [ACTIVATION_SIGMOID] = "sigmoid", [ACTIVATION_HARD_SIGMOID] = "hard_sigmoid",
                                          [ACTIVATION_SILU] = "silu",       [ACTIVATION_HARD_SWISH] = "hard_swish",
                                          [ACTIVATION_GELU] = "gelu",       [ACTIVATION_ELU] = "elu",
                                          [ACTIVATION_TANH] = "tanh",       [ACTIVATION_SOFTPLUS] = "softplus",
                                          [ACTIVATION_MISH] = "mish"};

enum { KINDS = sizeof kinds / sizeof kinds[0], ACTIVATIONS = sizeof activations / sizeof activations[0] };

const char *network_kind_word(enum link_kind kind)
{
    return kinds[kind];
}

const char *network_activation_word(enum activation_kind kind)
{
    return activations[kind];
}

const char *network_variable_word(const struct network *net, size_t k)
{
    return k ? kinds[net->links[k - 1].kind] : "input";
}

/* Number of a word; n if there is none. */
static size_t find(const char *const *words, size_t n, const char *word)
{
    size_t i = 0;

    while (i < n && strcmp(words[i], word) != 0)
        i++;
    return i;
}

bool network_find_kind(enum link_kind *kind, const char *word)
{
    size_t i = find(kinds, KINDS, word);

    *kind = (enum link_kind)(i < KINDS ? i : 0);
    return i < KINDS;
}

bool network_find_activation(enum activation_kind *kind, const char *word)
{
    size_t i = find(activations, ACTIVATIONS, word);

    *kind = (enum activation_kind)(i < ACTIVATIONS ? i : 0);
    return i < ACTIVATIONS;
}
