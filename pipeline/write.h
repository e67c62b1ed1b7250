/* What a run leaves on disk: part files while it goes, and the store in the end. */
#ifndef NRMFLOW_WRITE_H
#define NRMFLOW_WRITE_H

#include "block.h"
#include "error.h"
#include "finish.h"
#include "model.h"
#include "node.h"
#include "rows.h"

/* The part files of a run: one for each epoch and node, in the folder <output>.parts. */
struct write_parts {
    char *folder; /* owned */
    size_t nepochs, nnodes;
};

/* Make the folder, and remove parts that an earlier run has left in it. Collective. Errors: FAIL_SYSTEM, on all ranks. */
enum status write_parts_create(struct write_parts *parts, const char *output, const struct node *node,
                               struct error *err);

/* Write the rows that the ranks of each node have gathered in an epoch; they are forgotten then. Collective.
 * Errors: FAIL_SYSTEM, on all ranks. */
enum status write_part(struct write_parts *parts, struct rows *rows, const struct node *node, struct error *err);

/* Remove folder and parts, if the store holds what they hold; else the folder only if it is empty. Collective. */
void write_parts_remove(const struct write_parts *parts, bool stored, const struct node *node);

void write_parts_free(struct write_parts *parts);

/* A run, as far as its store shows it. All borrowed. */
struct write_run {
    const struct config *config;
    const struct model *model;
    const struct dataset_listing *listing;
    size_t first, end; /* images of the dataset */
    const struct statistics *statistics;
    const struct rows_layout *layout;
    const struct write_parts *parts;
    char *const *class_names;     /* as write_read_names has them */
    double seconds[BLOCK_STAGES]; /* summed over ranks */
};

/* Names of the network's classes: from the user's file, else from the dataset if it has as many, else numbers.
 *
 *   names  out  [classes] each from malloc; caller frees with write_free_names
 * Errors: FAIL_SYSTEM. Not collective: rank 0 only. */
enum status write_read_names(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct error *err);
void write_free_names(char **names, size_t classes);

/* The listing's checksum in hexadecimal. */
void write_dataset_sha256(char hex[2 * DATASET_SHA256 + 1], const struct dataset_listing *listing);

/* Write the store from all sums and all parts; tells whether the condition is weak (finish.h). Not collective: rank 0 only.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT (a damaged part). A store that was there before stays whole on failure. */
enum status write_store(bool *weak_condition, const struct write_run *run, const struct sums *sums, const char *output,
                        struct error *err);

#endif
