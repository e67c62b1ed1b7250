#include "pipeline/mpi/node.h"
#include "tests/mpi/check.h"

#include <stdint.h>
#include <string.h>

enum { NBYTES = 100003 };

static void set_forced(const char *variable, const char *value)
{
    if (value)
        setenv(variable, value, 1);
    else
        unsetenv(variable);
}

static void ranks_are_numbered_within_nodes_and_leaders(const struct node *node, int size)
{
    int leaders = 0, leader = node->local == 0, first = node->rank;

    assert_true(node->nlocal <= size || size == 0);
    assert_true(node->rank != 0 || (node->index == 0 && node->local == 0));
    assert_int_equal(node->leaders != MPI_COMM_NULL, leader);
    MPI_Allreduce(&leader, &leaders, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    assert_int_equal(node->nnodes, leaders);
    if (size)
        assert_true(node->nnodes >= (node->nranks + size - 1) / size);
    MPI_Bcast(&first, 1, MPI_INT, 0, node->comm);
    assert_true(first <= node->rank);
}

static void all_ranks_of_a_node_write_into_one_block(const struct node *node)
{
    struct node_block block;
    struct error err = {0};

    assert_int_equal(node_shared_alloc(node, &block, NBYTES, &err), OK);
    assert_int_equal((size_t)block.memory % NODE_ALIGNMENT, 0);
    unsigned char *bytes = block.memory;
    for (size_t i = 0; i < NBYTES; i++)
        assert_int_equal(bytes[i], 0);
    node_barrier(node);
    for (size_t i = (size_t)node->local; i < NBYTES; i += (size_t)node->nlocal)
        bytes[i] = (unsigned char)(1 + node->local);
    node_barrier(node);
    for (size_t i = 0; block.shared && i < NBYTES; i++)
        assert_int_equal(bytes[i], 1 + i % (size_t)node->nlocal);
    for (size_t i = 0; !block.shared && i < NBYTES; i++)
        assert_int_equal(bytes[i], i % (size_t)node->nlocal == (size_t)node->local ? 1 + node->local : 0);
    node_shared_free(&block);
}

static void a_broadcast_reaches_every_rank(const struct node *node)
{
    const size_t nbytes = ((size_t)1 << 26) + 12345; /* more than one chunk */
    struct node_block block;
    struct error err = {0};

    assert_int_equal(node_shared_alloc(node, &block, nbytes, &err), OK);
    unsigned *words = block.memory;
    for (size_t i = 0; node->rank == 0 && i < nbytes / sizeof *words; i++)
        words[i] = (unsigned)(i * 2654435761u);
    node_broadcast(node, &block);
    for (size_t i = 0; i < nbytes / sizeof *words; i++)
        if (words[i] != (unsigned)(i * 2654435761u))
            assert_true(!"the word is what rank 0 wrote");
    node_shared_free(&block);
}

static void holders_speak_for_each_copy_once(const struct node *node, bool private)
{
    struct node_block block;
    struct error err = {0};
    int size = 0;

    assert_int_equal(node_shared_alloc(node, &block, 1, &err), OK);
    assert_true(block.shared == !private && (block.why[0] != '\0') == private);
    assert_int_equal(block.holder, private || node->local == 0);
    assert_int_equal(block.holders != MPI_COMM_NULL, block.holder);
    if (block.holder)
        MPI_Comm_size(block.holders, &size);
    assert_true(!block.holder || size == (private ? node->nranks : node->nnodes));
    node_shared_free(&block);
}

static void an_impossible_size_is_an_error_on_all_ranks(const struct node *node)
{
    struct node_block block;
    struct error err = {0};

    assert_int_equal(node_shared_alloc(node, &block, SIZE_MAX / 2, &err), FAIL_SYSTEM);
    assert_true(err.message[0] != '\0');
    node_shared_free(&block);
}

static void everything_holds(const char *size, const char *private)
{
    struct node node;

    set_forced("NRMFLOW_NODE_SIZE", size);
    set_forced("NRMFLOW_NODE_PRIVATE", private);
    node_init(&node);
    ranks_are_numbered_within_nodes_and_leaders(&node, size ? atoi(size) : 0);
    all_ranks_of_a_node_write_into_one_block(&node);
    a_broadcast_reaches_every_rank(&node);
    holders_speak_for_each_copy_once(&node, private != NULL);
    an_impossible_size_is_an_error_on_all_ranks(&node);
    node_free(&node);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    everything_holds(NULL, NULL);
    everything_holds("1", NULL);
    everything_holds("2", NULL);
    everything_holds("3", NULL);
    everything_holds("2", "1");
    MPI_Finalize();
    return 0;
}
