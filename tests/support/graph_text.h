/* Networks from a small text form, so that tests can write a graph of any shape in ten lines, with random weights.
 *
 * The first line is the input's shape, every other one a link: its name, its kind, the variables that it reads, and
 * what else there is to say.
 *
 *     input 3x9x11
 *     stem convolution input out=4 window=7 stride=2 pad=3 relu
 *     half pool stem window=3 stride=2 pad=1
 *     same convolution half out=4 window=3 pad=1 groups=2
 *     sum add same,half relu
 *     all channels sum,half:1:2
 *     mean average all
 *     how convolution mean out=6 window=1 sigmoid
 *     some gate all gate=how
 *     norm pass some weighted relu
 *     fc dense norm out=5
 *
 *   kinds        convolution dense pool average add channels gate pass
 *   inputs       names with commas; of channels name:lower:count[:upper:step], where a name alone is all channels, and
 *                upper channels begin where those of the piece before end
 *   out=K        channels; else as below
 *   upper=HxW    positions of the upper map; else as many as there are windows
 *   window=HxW   and stride=HxW: one number for both; an average without a window is global
 *   pad=N        or pad=top,left,bottom,right
 *   groups=N     counted (averages count padding)   gate=name   weighted (of a pass)
 *   activations  relu clip=a:b leaky=a sigmoid hard_sigmoid=a:b silu hard_swish gelu elu=a:b
 *                tanh softplus mish
 *
 * A text that is not of this form ends the test; what the network refuses is returned.
 */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_TEXT_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_TEXT_H

#include "kernels/base/network.h"
#include "tests/support/guarded.h"

/* Start a network with the first line, and append a link with one of the others. Offsets of weights and biases follow
 * each other. graph_text_push returns false with network_push's message. */
void graph_text_start(struct network *net, const char *line);
bool graph_text_push(struct network *net, const char *line, char *message, size_t nmessage);

/* A whole network, finished; false with the message of network_push or network_finish. */
bool graph_text_read(struct network *net, const char *text, char *message, size_t nmessage);

/* Floats of all weights and biases. */
size_t graph_text_floats(const struct network *net);

/* That many random floats, so large that variables neither die out nor grow; the caller frees them. Biases have both
 * signs. */
float *graph_text_weights(const struct network *net, struct random *random);

#endif
