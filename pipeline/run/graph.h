/* The network in a store: the tables /network/links and /network/edges, a dataset for each column. Weights are not
 * stored. Not collective. */
#ifndef NRMFLOW_PIPELINE_RUN_GRAPH_H
#define NRMFLOW_PIPELINE_RUN_GRAPH_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "kernels/base/network.h"

/* Write the tables. Errors: as store_write. */
enum status graph_save(struct store *store, const struct network *net, struct error *err);

/* Whether a store has them; those of early versions have not, and are of VGG networks. */
bool graph_is_stored(const struct store_reader *store);

/* Rebuild the network from them, but for the places of weights and biases.
 *
 *   path  in  the store's, for messages
 * Errors: FAIL_FORMAT if they describe no network; as store_read_int. */
enum status graph_load(struct network *net, const struct store_reader *store, const char *path, struct error *err);

#endif
