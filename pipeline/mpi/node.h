/* The nodes of a run and the memory that the ranks of a node share.
 *
 * MPI errors are fatal (MPI_ERRORS_ARE_FATAL), so no function here checks what MPI returns.
 *
 * For tests, NRMFLOW_NODE_SIZE=n splits every node into pretend nodes of n ranks, and NRMFLOW_NODE_PRIVATE=1 makes
 * sharing fail.
 */
#ifndef NRMFLOW_PIPELINE_MPI_NODE_H
#define NRMFLOW_PIPELINE_MPI_NODE_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#include <mpi.h>

enum { NODE_HOST = 64, NODE_ALIGNMENT = 4096, NODE_WHY = 256 };

struct node {
    MPI_Comm world;    /* all ranks, in the order of MPI_COMM_WORLD; owned */
    MPI_Comm comm;     /* ranks of this node; owned */
    MPI_Comm leaders;  /* local rank 0 of every node; MPI_COMM_NULL elsewhere; owned */
    int rank, nranks;  /* in `world` */
    int local, nlocal; /* in `comm` */
    int index, nnodes; /* this node, 0 <= index < nnodes; world rank 0 leads node 0 */
    char host[NODE_HOST];
};

/* A block of memory that the ranks of a node share; if sharing failed, every rank has a copy. */
struct node_block {
    void *memory; /* aligned to NODE_ALIGNMENT */
    size_t nbytes;
    bool shared;        /* false: every rank has a copy; the same on all ranks */
    bool holder;        /* does this rank represent its copy? One rank does for each copy */
    MPI_Comm holders;   /* the ranks that represent a copy, world rank 0 first; MPI_COMM_NULL elsewhere; borrowed */
    size_t mapped;      /* bytes of the shared mapping; 0: there is none */
    void *heap;         /* the private allocation; NULL: there is none */
    char why[NODE_WHY]; /* the reason why it is not shared, for a warning; empty if it is */
};

/* Initialise MPI, then node_init: the first step of a command that computes. Collective over all ranks. */
void node_begin(struct node *node);

/* node_free, then finalise MPI. Collective over all ranks. */
void node_end(struct node *node);

/* Find out which ranks share a node. Collective over MPI_COMM_WORLD. */
void node_init(struct node *node);

/* Free the communicators. Collective. A node that was never initialised (all zero) is fine. */
void node_free(struct node *node);

/* Wait for the ranks of this node; afterwards all see what any has written to shared blocks. Collective over the node.
 */
void node_barrier(const struct node *node);

/* Allocate a block of zeros. If some node has no room for a shared one, every rank of the world gets memory of its own
 * and block->why gives the reason. Errors: FAIL_SYSTEM, on all ranks, if there is no memory at all. Collective over the
 * world, the same size everywhere. Caller frees with node_shared_free, also after a failure. */
enum status node_shared_alloc(const struct node *node, struct node_block *block, size_t nbytes, struct error *err);

/* Send world rank 0's contents to every copy, and let all ranks wait for it. Collective over the world. */
void node_broadcast(const struct node *node, const struct node_block *block);

/* Free this rank's view of a block; all zero is fine. Not collective: the memory goes with its last view. */
void node_shared_free(struct node_block *block);

#endif
