#include "pipeline/mpi/blas.h"

#include "pipeline/mpi/agree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

enum { CORE_NAME = 64 };

/* Odd sizes reach full kernels and their edges; with small whole numbers float32 is exact. */
enum { ROWS = 67, COLUMNS = 131, DEPTH = 259 };

const char *blas_core(void)
{
    return openblas_get_corename();
}

static float small_number(size_t i)
{
    return (float)((i * 7 + i / 5) % 9) - 4;
}

static enum status check_product(struct error *err)
{
    float *a = malloc(ROWS * DEPTH * sizeof *a), *b = malloc(DEPTH * COLUMNS * sizeof *b);
    float *c = malloc(ROWS * COLUMNS * sizeof *c);
    enum status rc = OK;

    if (!a || !b || !c)
        TRY(error_set(err, FAIL_SYSTEM, "no memory to check OpenBLAS"));
    for (size_t i = 0; i < ROWS * DEPTH; i++)
        a[i] = small_number(i);
    for (size_t i = 0; i < DEPTH * COLUMNS; i++)
        b[i] = small_number(i + 3);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ROWS, COLUMNS, DEPTH, 1, a, DEPTH, b, COLUMNS, 0, c,
                COLUMNS);
    for (size_t i = 0; i < ROWS * COLUMNS && rc == OK; i++) {
        double want = 0;
        for (size_t k = 0; k < DEPTH; k++)
            want += (double)a[i / COLUMNS * DEPTH + k] * (double)b[k * COLUMNS + i % COLUMNS];
        if (!(fabs((double)c[i] - want) < 0.5))
            rc = error_set(err, FAIL_UNSUPPORTED,
                           "OpenBLAS (%s, %s kernels) computes a wrong matrix product on this processor; set "
                           "OPENBLAS_CORETYPE to an older one, such as Haswell, or use another OpenBLAS",
                           openblas_get_config(), openblas_get_corename());
    }
done:
    free(a);
    free(b);
    free(c);
    return rc;
}

enum status blas_init(MPI_Comm comm, struct error *err)
{
    char mine[CORE_NAME] = "", first[CORE_NAME];
    enum status rc;

    openblas_set_num_threads(1);
    rc = check_product(err);
    strncpy(mine, blas_core(), sizeof mine - 1);
    memcpy(first, mine, sizeof first);
    MPI_Bcast(first, sizeof first, MPI_CHAR, 0, comm);
    if (rc == OK && strcmp(mine, first) != 0)
        rc = error_set(err, FAIL_MISMATCH,
                       "OpenBLAS uses %s kernels here and %s on rank 0, whose results differ in the last bits; set "
                       "OPENBLAS_CORETYPE to the same value on all nodes",
                       mine, first);
    return agree(comm, rc, err);
}
