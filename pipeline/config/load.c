#include "pipeline/config/load.h"

#include "pipeline/mpi/agree.h"

#include <stdlib.h>
#include <string.h>

enum status config_load(struct config *out, const struct config_source *source, const struct node *node,
                        struct error *err)
{
    char *text = NULL;
    unsigned long long length = 0;
    enum status rc = OK;

    if (node->rank == 0) {
        rc = config_read(&text, source->path, err);
        length = rc == OK ? strlen(text) : 0;
    }
    TRY(agree(node->world, rc, err));
    MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, node->world);
    if (node->rank != 0)
        text = calloc((size_t)length + 1, 1);
    TRY(agree(node->world, text ? OK : error_set(err, FAIL_SYSTEM, "no memory for the configuration"), err));
    MPI_Bcast(text, (int)length, MPI_CHAR, 0, node->world);
    TRY(agree(node->world, config_parse(out, text, source->path, source->sets.items, source->sets.count, err), err));
done:
    free(text);
    return rc;
}
