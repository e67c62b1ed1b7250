#include "pipeline/mpi/isa.h"

#include "pipeline/mpi/agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Index of an instruction set; the most portable one is first. */
static int index_of(const char *name)
{
    int i = 0;

    while (strcmp(ops_name((size_t)i), name) != 0)
        i++;
    return i;
}

static enum status unknown(const char *wanted, struct error *err)
{
    char names[64] = "";

    for (size_t i = 0; ops_name(i); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", ops_name(i));
        if (strcmp(ops_name(i), wanted) == 0)
            return error_set(err, FAIL_CONFIG, "NRMFLOW_ISA=%s: this machine does not support it", wanted);
    }
    return error_set(err, FAIL_CONFIG,
                     "NRMFLOW_ISA=%s: unknown instruction set; choose one of %s; generic always works", wanted, names);
}

enum status isa_choose(const struct ops **ops, const struct node *node, struct error *err)
{
    const char *wanted = getenv("NRMFLOW_ISA");
    const struct ops *mine = ops_select(wanted && *wanted ? wanted : NULL);
    int lowest = mine ? index_of(mine->name) : 0;
    enum status rc = mine ? OK : unknown(wanted ? wanted : "", err);

    TRY(agree(node->world, rc, err));
    MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, node->world);
    *ops = ops_select(ops_name((size_t)lowest));
done:
    return rc;
}
