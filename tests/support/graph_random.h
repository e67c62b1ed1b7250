/* Random graphs as texts of graph_text.h. */
#ifndef NRMFLOW_TESTS_SUPPORT_GRAPH_RANDOM_H
#define NRMFLOW_TESTS_SUPPORT_GRAPH_RANDOM_H

#include "tests/support/graph_case.h"
#include "tests/support/guarded.h"

/* A tiny graph of any links: adds of two or three and of a variable with itself, concatenations, slices, shuffles, long
 * skips, strides, groups, all pools, averages, gates, passes, all activations. Few of them have more than 20,000
 * walks. */
void graph_random_small(char text[GRAPH_TEXT], struct random *random);

enum graph_family { GRAPH_RESNET, GRAPH_DENSENET, GRAPH_MOBILENET, GRAPH_INCEPTION, GRAPH_FAMILIES };

/* A network like those of the family, some twenty links with maps of odd sizes. */
void graph_random_large(char text[GRAPH_TEXT], enum graph_family family, struct random *random);

#endif
