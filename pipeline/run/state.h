/* The group state/ of a store: what an unfinished run needs to continue, and a merge to put shards together. It holds
 * the sums as they are in memory and the names of the part files. Not collective.
 */
#ifndef NRMFLOW_PIPELINE_RUN_STATE_H
#define NRMFLOW_PIPELINE_RUN_STATE_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/base/network.h"
#include "pipeline/stats/sums.h"

#include <stdbool.h>
#include <stddef.h>

/* Write the state.
 *
 *   parts     in  [nparts] names of the part files; a finished shard has none
 *   finished  in  rows that are finished: the root's attribute of this name
 * Errors: as store_write. */
enum status state_save(struct store *store, const struct sums *sums, const char *const *parts, size_t nparts,
                       size_t finished, struct error *err);

/* Read the sums of a store with `images` rows.
 *
 *   sums     out  contents are replaced
 *   has      out  whether the store has this section:
 *   section  in   one that stores of earlier versions lack; without it, it is empty
 * Errors: FAIL_FORMAT, FAIL_MISMATCH (sums of another plan), FAIL_SYSTEM. */
enum status state_load_sums(struct sums *sums, bool *has, size_t section, const struct store_reader *store,
                            size_t images, struct error *err);

/* Read sums and part files of an unfinished store.
 *
 *   sums     out  contents are replaced
 *   names    out  [count] part files; one free
 *   section  in   one that stores of earlier versions lack
 * Errors as state_load_sums, and FAIL_MISMATCH without the section: the sums would not be those of all images. */
enum status state_load(struct sums *sums, char ***names, size_t *count, size_t section, const char *output,
                       size_t images, struct error *err);

/* Rebuild the network from its tables (graph.h), or in stores of early versions from the sizes of its weighted layers.
 *
 *   path  in  the store's, for messages
 * Errors: FAIL_FORMAT if they describe no network; as store_read_int. */
enum status state_load_network(struct network *net, const struct store_reader *store, const char *path,
                               struct error *err);

#endif
