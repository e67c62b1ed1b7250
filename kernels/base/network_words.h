/* Kinds of links and activations as words, as stores have them. */
#ifndef NRMFLOW_KERNELS_BASE_NETWORK_WORDS_H
#define NRMFLOW_KERNELS_BASE_NETWORK_WORDS_H

#include "kernels/base/network.h"

/* "convolution", "dense", ...; "none", "relu", ... */
const char *network_kind_word(enum link_kind kind);
const char *network_activation_word(enum activation_kind kind);

/* Kind of the link that writes variable k; "input" for 0. */
const char *network_variable_word(const struct network *net, size_t k);

/* The kind of a word; false if there is none. */
bool network_find_kind(enum link_kind *kind, const char *word);
bool network_find_activation(enum activation_kind *kind, const char *word);

#endif
