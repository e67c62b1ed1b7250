/* The file of circuits and pruning while they are computed: its lock, and the answers that an unfinished one knows. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_STORES_OUTPUT_H
#define NRMFLOW_PIPELINE_EVALUATE_STORES_OUTPUT_H

#include "pipeline/evaluate/answers_file.h"
#include "pipeline/run/parts.h"

struct stores_output {
    const char *path; /* borrowed, as plan, settings and node */
    const struct run_plan *plan;
    const char *settings; /* of the evaluation, answers_file.h; rank 0 */
    const struct node *node;
    struct parts lock; /* rank 0: keeps other evaluations off the file */
    struct stop stop;
    struct answers_record record;
    bool complete; /* the file is there, and nothing is left to do */
};

/* Lock the file, and read what an evaluation of the same settings has left; path, plan, settings and node are set.
 *
 *   restart  in  what is there is replaced
 * Errors, the same on all ranks: as answers_file_read, parts_enter and stop_start. Collective. Caller frees with
 * stores_output_free, also after a failure. */
enum status stores_output_enter(struct stores_output *output, bool restart, struct log *log, struct error *err);

/* Write the tables of a finished evaluation. Errors, the same on all ranks: as answers_file_write. Collective. */
enum status stores_output_write(struct stores_output *output, const struct answers_contents *contents,
                                struct error *err);

/* All zero is fine. */
void stores_output_free(struct stores_output *output);

#endif
