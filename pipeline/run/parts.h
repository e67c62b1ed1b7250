/* The folder <output>.parts, with a part file for each epoch and node. An unfinished store lists those that count. */
#ifndef NRMFLOW_PIPELINE_RUN_PARTS_H
#define NRMFLOW_PIPELINE_RUN_PARTS_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/rows.h"

#include <stdbool.h>

struct parts {
    char *folder; /* owned */
    size_t epoch; /* number of the next one */
    char **names; /* rank 0: [count] the part files that count, owned */
    size_t count;
    struct lock *lock; /* rank 0: on the folder, owned */
};

/* Create the folder, or use an existing one, and lock it (lock.h): nobody else may change the store or its parts.
 *
 *   host  in  this computer's name, for the note in the lock file
 *   mode  in  which kind of lock
 *   log   in  as lock_take
 * Errors: FAIL_SYSTEM, and FAIL_CONFIG if another run holds the lock. Not collective. Caller frees with parts_free,
 * also after a failure. */
enum status parts_enter(struct parts *parts, const char *output, const char *host, enum config_lock mode,
                        struct log *log, struct error *err);

/* Take over the parts of an unfinished store, and remove all other files: parts that `names` does not list, and
 * temporary files of a run that was killed.
 *
 *   removed  out  number of removed files
 *   names    in   [count] copied
 * Errors: FAIL_SYSTEM. Not collective. */
enum status parts_keep(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                       struct error *err);

/* The same for a run: rank 0 does the work. Errors are the same on all ranks. Collective. */
enum status parts_open(struct parts *parts, const char *output, const struct node *node, enum config_lock mode,
                       struct log *log, struct error *err);
enum status parts_adopt(struct parts *parts, size_t *removed, const char *output, char *const *names, size_t count,
                        const struct node *node, struct error *err);

/* Write the rows that the ranks of each node have kept in an epoch, and empty `rows`. Errors: FAIL_SYSTEM, on all
 * ranks. Collective. */
enum status parts_write(struct parts *parts, struct rows *rows, const struct node *node, struct error *err);

/* Open all parts for reading. Rank 0 only. Errors: as rows_parts_open. */
enum status parts_read(struct rows_parts *out, const struct parts *parts, const struct rows_layout *layout,
                       struct error *err);

/* Remove the parts once a complete store holds their rows; parts_free then removes the folder. Rank 0 only. */
void parts_remove(struct parts *parts);

/* Unlock and free, and remove the folder if it has no parts. Not collective. All zero is fine. */
void parts_free(struct parts *parts);

#endif
