/* Merging the stores of shards (data.shard). The result is the store of one run over all images, to the last bit. */
#ifndef NRMFLOW_PIPELINE_RUN_MERGE_H
#define NRMFLOW_PIPELINE_RUN_MERGE_H

#include "pipeline/run/merge_parts.h"
#include "pipeline/run/save.h"

/* Write the store of all shards.
 *
 *   summary  out  images, and how many of each status
 * Errors: FAIL_FORMAT (a damaged shard), FAIL_SYSTEM (memory, disk). A store that was there before stays whole on
 * failure. Not collective. */
enum status merge_stores(struct save_summary *summary, const struct merge_parts *parts, const char *output,
                         struct error *err);

#endif
