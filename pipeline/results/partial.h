/* Stores whose numbers are not those of all images that their run is about: whoever shows numbers says so. */
#ifndef NRMFLOW_PIPELINE_RESULTS_PARTIAL_H
#define NRMFLOW_PIPELINE_RESULTS_PARTIAL_H

#include "io/store/store.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a store is unfinished, or one shard of a run; message[n] then says so, "" otherwise. */
bool partial_describe(char *message, size_t n, const struct store_reader *store);

/* Warn on standard error, as "nrmflow: warning: out/demo.h5 is unfinished: ..." */
void partial_warn(const struct store_reader *store, const char *path);

/* The attribute `complete`. */
bool partial_complete(const struct store_reader *store);

#endif
