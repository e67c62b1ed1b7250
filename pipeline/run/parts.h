/* The folder <output>.parts: a part file for each epoch and node, which a store lists until it is complete. */
#ifndef NRMFLOW_PIPELINE_RUN_PARTS_H
#define NRMFLOW_PIPELINE_RUN_PARTS_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/rows.h"

struct parts {
    char *folder; /* owned */
    size_t epoch; /* number of the next one */
    char **names; /* rank 0: [count] parts whose rows count, owned */
    size_t count;
    int lock; /* rank 0: descriptor of the locked file; -1 elsewhere */
};

/* Make the folder or enter the one that is there, and lock it, so that nobody else changes the store or its parts.
 *
 *   host  in  this one, for the note to others
 * Errors: FAIL_SYSTEM, and FAIL_CONFIG if another run holds the lock. Not collective. Caller frees with parts_free, also
 * after a failure. */
enum status parts_enter(struct parts *parts, const char *output, const char *host, struct error *err);

/* Take over the parts of an unfinished store, and remove what else is there: parts that `names` does not list, and files
 * that were not finished.
 *
 *   removed  out  how many files
 *   names    in   [count] copied
 * Errors: FAIL_SYSTEM. Not collective. */
enum status parts_keep(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                       struct error *err);

/* The same for a run, where rank 0 does it. Errors on all ranks. Collective. */
enum status parts_open(struct parts *parts, const char *output, const struct node *node, struct error *err);
enum status parts_adopt(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                        const struct node *node, struct error *err);

/* Write the rows that the ranks of each node have gathered in an epoch; they are forgotten then. Collective.
 * Errors: FAIL_SYSTEM, on all ranks. */
enum status parts_write(struct parts *parts, struct rows *rows, const struct node *node, struct error *err);

/* Open all parts for reading. Rank 0 only. Errors: as rows_parts_open. */
enum status parts_read(struct rows_parts *out, const struct parts *parts, const struct rows_layout *layout,
                       struct error *err);

/* Remove the parts and the folder, once a complete store holds their rows. Rank 0 only. */
void parts_remove(struct parts *parts);

/* Unlock and free; removes the folder if it is empty. Not collective. All zero but lock -1 is fine. */
void parts_free(struct parts *parts);

#endif
