#include "pipeline/mpi/agree.h"

#include <stdio.h>
#include <string.h>

#undef agree /* what agree.h defines for clang-tidy */

/* On the lowest failing rank: write the error that all ranks return. */
static void describe(struct error *agreed, const struct error *mine, enum status status, int rank, int nranks,
                     int failed)
{
    char host[MPI_MAX_PROCESSOR_NAME] = "", source[MPI_MAX_PROCESSOR_NAME + 32] = "", others[48] = "";
    int length;

    MPI_Get_processor_name(host, &length);
    if (nranks > 1)
        snprintf(source, sizeof source, "rank %d on %s: ", rank, host);
    if (failed > 1)
        snprintf(others, sizeof others, " (and %d other rank%s failed)", failed - 1, failed > 2 ? "s" : "");
    int room = (int)(sizeof agreed->message - strlen(source) - strlen(others) - 1);
    snprintf(agreed->message, sizeof agreed->message, "%s%.*s%s", source, room,
             mine->status != OK ? mine->message : "failed for an unknown reason", others);
    agreed->status = status;
}

enum status agree(MPI_Comm comm, enum status mine, struct error *err)
{
    struct error agreed = {0};
    int rank, nranks, speaker, failed = mine != OK;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    int candidate = failed ? rank : nranks;
    MPI_Allreduce(&candidate, &speaker, 1, MPI_INT, MPI_MIN, comm);
    if (speaker == nranks)
        return OK;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_SUM, comm);
    if (rank == speaker)
        describe(&agreed, err, mine, rank, nranks, failed);
    MPI_Bcast(&agreed, sizeof agreed, MPI_BYTE, speaker, comm);
    *err = agreed;
    return agreed.status;
}
