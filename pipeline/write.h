/* What a run leaves on disk: part files while it goes, and the store in the end. */
#ifndef NRMFLOW_WRITE_H
#define NRMFLOW_WRITE_H

#include "block.h"
#include "error.h"
#include "finish.h"
#include "model.h"
#include "node.h"
#include "rows.h"

/* The folder <output>.parts. */
struct write_parts {
    char *folder; /* owned */
};

/* Make the folder, and remove parts that an earlier run has left in it. Collective. Errors: FAIL_SYSTEM, on all ranks. */
enum status write_parts_create(struct write_parts *parts, const char *output, const struct node *node,
                               struct error *err);

/* Write the rows that the ranks of each node have gathered in an epoch; they are forgotten then. Collective.
 * Errors: FAIL_SYSTEM, on all ranks. */
enum status write_part(const struct write_parts *parts, struct rows *rows, size_t epoch, const struct node *node,
                       struct error *err);

/* Remove folder and parts, after all ranks are done with them. Collective. */
void write_parts_remove(const struct write_parts *parts, const struct node *node);

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
    double seconds[BLOCK_STAGES]; /* summed over ranks */
};

/* Write the store from all sums and all parts; tells whether the condition is weak (finish.h). Not collective: rank 0 only.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT (a damaged part). A store that was there before stays whole on failure. */
enum status write_store(bool *weak_condition, const struct write_run *run, const struct sums *sums, const char *output,
                        struct error *err);

#endif
