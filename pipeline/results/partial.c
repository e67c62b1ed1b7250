#include "pipeline/results/partial.h"

#include <stdio.h>
#include <stdlib.h>

bool partial_complete(const struct store_reader *store)
{
    int64_t complete = 0;

    return store_get_int(&complete, store, "", "complete", NULL) == OK && complete != 0;
}

bool partial_describe(char *message, size_t n, const struct store_reader *store)
{
    int64_t finished = 0;
    size_t ndim = 0, dims[STORE_MAX_DIMS] = {0};
    char *shard = NULL;

    if (!partial_complete(store) && store_get_int(&finished, store, "", "finished", NULL) == OK &&
        store_shape(&ndim, dims, store, "images/status", NULL) == OK)
        snprintf(message, n, "is unfinished: its numbers are of %lld of %zu images; start the run again to continue",
                 (long long)finished, dims[0]);
    else if (!partial_complete(store))
        snprintf(message, n, "is unfinished; start the run again to continue");
    else if (store_has_attribute(store, "", "shard") && store_get_text(&shard, store, "", "shard", NULL) == OK)
        snprintf(message, n, "is shard %.32s of a run; `nrmflow merge` puts all together", shard);
    else
        message[0] = '\0';
    free(shard);
    return message[0] != '\0';
}

void partial_warn(const struct store_reader *store, const char *path)
{
    char message[256];

    if (partial_describe(message, sizeof message, store))
        fprintf(stderr, "nrmflow: warning: %s %s\n", path, message);
}
