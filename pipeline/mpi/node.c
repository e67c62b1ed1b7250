#include "pipeline/mpi/node.h"

#include "io/base/fault.h"
#include "kernels/base/number.h"
#include "pipeline/mpi/agree.h"
#include "pipeline/mpi/huge_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { NAME = 64, NAMES_TRIED = 1000, CHUNK_BYTES = 1 << 26 };

/* A whole number for tests from rank 0's environment, the same on all ranks; 0 if it is not set. */
static int forced(MPI_Comm world, const char *variable)
{
    const char *text = getenv(variable);
    long value = text ? strtol(text, NULL, 10) : 0;
    int forced = value > 0 && value < 1 << 20 ? (int)value : 0;

    MPI_Bcast(&forced, 1, MPI_INT, 0, world);
    return forced;
}

static void split_node(struct node *node)
{
    int size = forced(node->world, "NRMFLOW_NODE_SIZE");
    MPI_Comm whole;

    MPI_Comm_split_type(node->world, MPI_COMM_TYPE_SHARED, node->rank, MPI_INFO_NULL, &whole);
    MPI_Comm_rank(whole, &node->local);
    MPI_Comm_split(whole, size ? node->local / size : 0, node->rank, &node->comm);
    MPI_Comm_free(&whole);
    MPI_Comm_rank(node->comm, &node->local);
    MPI_Comm_size(node->comm, &node->nlocal);
}

void node_init(struct node *node)
{
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    int where[2] = {0}, length;

    *node = (struct node){.leaders = MPI_COMM_NULL};
    MPI_Comm_dup(MPI_COMM_WORLD, &node->world);
    MPI_Comm_rank(node->world, &node->rank);
    MPI_Comm_size(node->world, &node->nranks);
    split_node(node);
    MPI_Comm_split(node->world, node->local == 0 ? 0 : MPI_UNDEFINED, node->rank, &node->leaders);
    if (node->local == 0) {
        MPI_Comm_rank(node->leaders, &where[0]);
        MPI_Comm_size(node->leaders, &where[1]);
    }
    MPI_Bcast(where, 2, MPI_INT, 0, node->comm);
    node->index = where[0];
    node->nnodes = where[1];
    MPI_Get_processor_name(host, &length);
    snprintf(node->host, sizeof node->host, "%.*s", NODE_HOST - 1, host);
}

void node_free(struct node *node)
{
    if (!node->nranks)
        return;
    if (node->leaders != MPI_COMM_NULL)
        MPI_Comm_free(&node->leaders);
    MPI_Comm_free(&node->comm);
    MPI_Comm_free(&node->world);
    *node = (struct node){0};
}

/* Did mpirun, or srun through PMIx or PMI, start this process? */
static bool is_launched(void)
{
    return getenv("PMIX_NAMESPACE") || getenv("PMI_RANK");
}

/* Without a launcher, Open MPI would start a daemon beside this process, which takes half a second. Without the daemon,
 * all such processes of a user would share a session folder, which a single process does not need, and the first to end
 * would remove it while another starts. So switch both off. */
static void prepare_singleton(void)
{
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
}

void node_begin(struct node *node)
{
    if (!is_launched())
        prepare_singleton();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &(int){0});
    node_init(node);
}

void node_end(struct node *node)
{
    node_free(node);
    MPI_Finalize();
}

void node_barrier(const struct node *node)
{
    MPI_Barrier(node->comm);
}

/* ---- shared blocks ----------------------------------------------------------------------------------------------
 *
 * A POSIX shared-memory object instead of MPI_Win_allocate_shared: posix_fallocate reserves its pages, so a full file
 * system is an error here and not a bus error at some later store. */

static enum status reserve(int file, size_t nbytes, struct error *err)
{
    struct statvfs room;
    int code;

    if (fstatvfs(file, &room) == 0 && (double)room.f_bavail * (double)room.f_frsize < (double)nbytes)
        return error_set(err, FAIL_SYSTEM, "the shared-memory file system has %.0f MB left and %.0f MB are needed",
                         (double)room.f_bavail * (double)room.f_frsize / 1e6, (double)nbytes / 1e6);
    do
        code = posix_fallocate(file, 0, (off_t)nbytes);
    while (code == EINTR);
    errno = code;
    return code == 0 ? OK : error_system(err, "cannot reserve %.0f MB of shared memory", (double)nbytes / 1e6);
}

static enum status map(struct node_block *block, int file, struct error *err)
{
    void *memory = mmap(NULL, block->nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    if (memory == MAP_FAILED)
        return error_system(err, "cannot map %.0f MB of shared memory", (double)block->nbytes / 1e6);
    block->memory = memory;
    block->mapped = block->nbytes;
    return OK;
}

/* On local rank 0. `name` stays empty if there is no object for the others to open. */
static enum status create(struct node_block *block, char name[NAME], struct error *err)
{
    enum status rc;
    int file = -1;

    for (int i = 0; i < NAMES_TRIED && file < 0; i++) {
        snprintf(name, NAME, "/nrmflow-%ld-%d", (long)getpid(), i);
        file = fault_hit(FAULT_SHARE) ? -1 : shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (file < 0 && errno != EEXIST)
            break;
    }
    if (file < 0) {
        rc = error_system(err, "cannot create a shared-memory object");
        name[0] = '\0';
        return rc;
    }
    TRY(reserve(file, block->nbytes, err));
    TRY(map(block, file, err));
done:
    close(file);
    if (rc != OK) {
        shm_unlink(name);
        name[0] = '\0';
    }
    return rc;
}

static enum status attach(struct node_block *block, const char *name, struct error *err)
{
    int file = shm_open(name, O_RDWR, 0600);

    if (file < 0)
        return error_system(err, "cannot open the shared-memory object of this node's first rank");
    enum status rc = map(block, file, err);
    close(file);
    return rc;
}

/* The object's name is removed as soon as all ranks have opened it, so nothing is left behind however the program
 * ends. */
static enum status share(const struct node *node, struct node_block *block, struct error *err)
{
    char name[NAME] = "";
    enum status rc = OK;

    if (node->local == 0)
        rc = create(block, name, err);
    MPI_Bcast(name, NAME, MPI_CHAR, 0, node->comm);
    if (node->local != 0 && name[0])
        rc = attach(block, name, err);
    MPI_Barrier(node->comm);
    if (node->local == 0 && name[0])
        shm_unlink(name);
    return rc;
}

/* malloc may grant more memory than the machine has, and the kernel then kills the process that uses it: check
 * first. */
static enum status allocate_private(const struct node *node, struct node_block *block, struct error *err)
{
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double megabytes = (double)block->nbytes / 1e6;

    if (1e6 * megabytes * node->nlocal > machine)
        return error_set(err, FAIL_SYSTEM, "%d ranks need %.0f MB each, and this machine has %.0f MB in all",
                         node->nlocal, megabytes, machine / 1e6);
    /* calloc knows which pages are zero already; unlike memset it does not make them resident. */
    block->heap = block->nbytes < SIZE_MAX - NODE_ALIGNMENT ? calloc(1, block->nbytes + NODE_ALIGNMENT) : NULL;
    if (!block->heap)
        return error_set(err, FAIL_SYSTEM, "no memory for %.0f MB", megabytes);
    huge_pages_prefer(block->heap, block->nbytes + NODE_ALIGNMENT);
    block->memory = (char *)block->heap + (NODE_ALIGNMENT - (size_t)block->heap % NODE_ALIGNMENT) % NODE_ALIGNMENT;
    return OK;
}

static void release(struct node_block *block)
{
    if (block->mapped)
        munmap(block->memory, block->mapped);
    free(block->heap);
    block->memory = block->heap = NULL;
    block->mapped = 0;
}

enum status node_shared_alloc(const struct node *node, struct node_block *block, size_t nbytes, struct error *err)
{
    struct error why = {0};
    enum status rc;

    *block = (struct node_block){.nbytes = nbytes ? nbytes : 1, .shared = true, .holders = node->leaders};
    if (forced(node->world, "NRMFLOW_NODE_PRIVATE"))
        rc = error_set(&why, FAIL_SYSTEM, "NRMFLOW_NODE_PRIVATE is set");
    else
        rc = node->nlocal > 1 ? share(node, block, &why) : allocate_private(node, block, &why);
    if (agree(node->world, rc, &why) != OK) {
        snprintf(block->why, sizeof block->why, "%.*s", NODE_WHY - 1, why.message);
        release(block);
        block->shared = false;
        block->holders = node->world;
        rc = agree(node->world, allocate_private(node, block, err), err);
    }
    block->holder = block->holders != MPI_COMM_NULL;
    return rc;
}

void node_broadcast(const struct node *node, const struct node_block *block)
{
    char *memory = block->memory;

    for (size_t at = 0; block->holder && at < block->nbytes; at += CHUNK_BYTES) {
        int part = (int)smaller(block->nbytes - at, CHUNK_BYTES);
        MPI_Bcast(memory + at, part, MPI_BYTE, 0, block->holders);
    }
    node_barrier(node);
}

void node_shared_free(struct node_block *block)
{
    if (block) {
        release(block);
        *block = (struct node_block){0};
    }
}
