/* Maps of a set expression: for every image, the relevance of the expression's walks through each neuron of one layer.
 *
 *   map(i) = R(walks that are counted, and pass i)        i a neuron of the layer; with `given`, the numerator
 *
 * The output is a store FOLDER/maps.h5 and a picture of every image, FOLDER/<number, 8 digits>.png, whose colours show
 * the sum over channels. Each rank draws the images that it computes. Rank 0 receives and writes the maps of every
 * round of blocks, so no rank holds more than one block of them.
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_MAPS_H
#define NRMFLOW_PIPELINE_ANALYSIS_MAPS_H

#include "pipeline/run/probe.h"
#include "pipeline/stats/queries.h"

/* Name of the query's group in the store. */
#define MAPS_QUERY "map"

struct maps_options {
    struct probe_options probe; /* with a query */
    const char *at;             /* the layer */
    const char *folder;         /* created if it does not exist */
};

struct maps_image {
    double sum;     /* of the map */
    double largest; /* of |sum over channels| at one position */
    bool drawn;     /* there is a picture: the layer has positions, and the condition is not too close to zero */
};

struct maps {
    struct probe probe;
    struct shape shape;        /* of the layer */
    char *path;                /* of the store; owned */
    struct queries_mean mean;  /* on rank 0 */
    struct maps_image *images; /* [probe.count], on rank 0; owned */
};

/* Compute and write the maps.
 *
 *   out  out  caller frees with maps_free on all ranks, also after a failure
 * Errors, the same on all ranks: as probe_begin and probe_run; FAIL_CONFIG if there is no such layer, or a file that
 * is no store at the store's path; FAIL_SYSTEM if a file cannot be written. After a failure the folder has no maps.h5,
 * or the old one. Collective. */
enum status maps_make(struct maps *out, const struct maps_options *options, const struct node *node, struct log *log,
                      struct error *err);

/* Path of an image's picture; path[n], cut off if it is longer. */
void maps_picture(char *path, size_t n, const char *folder, size_t image);

/* All zero is fine. Collective. */
void maps_free(struct maps *maps);

#endif
