#include "pipeline/util/version.h"

#include "io/base/libraries.h"
#include "kernels/ops/ops.h"

#include <stdio.h>
#include <string.h>

#include <cblas.h>
#include <mpi.h>

const char *version_string(void)
{
    return NRMFLOW_VERSION;
}

const char *version_build_type(void)
{
    return NRMFLOW_BUILD_TYPE;
}

const char *version_compiler(void)
{
    return NRMFLOW_COMPILER;
}

const char *version_sanitizers(void)
{
    return *NRMFLOW_SANITIZERS ? NRMFLOW_SANITIZERS : "none";
}

/* The version in "OpenBLAS 0.3.21 DYNAMIC_ARCH ... MAX_THREADS=64", and the kernels in use. */
static void blas(char out[VERSION_TEXT])
{
    const char *config = openblas_get_config();
    size_t skip = strncmp(config, "OpenBLAS ", 9) == 0 ? 9 : 0;

    snprintf(out, VERSION_TEXT, "%.*s, %s kernels", (int)strcspn(config + skip, " "), config + skip,
             openblas_get_corename());
}

/* The first part of "Open MPI v4.1.4, package: ..." */
static void mpi(char out[VERSION_TEXT])
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;

    MPI_Get_library_version(text, &length);
    snprintf(out, VERSION_TEXT, "%.*s", (int)strcspn(text, ",\n"), text);
}

const char *version_library(char out[VERSION_TEXT], size_t i)
{
    static const struct {
        const char *name;
        void (*version)(char out[VERSION_TEXT]);
    } rows[] = {{"MPI", mpi}, {"OpenBLAS", blas}};

    enum { OWN = sizeof rows / sizeof rows[0] };

    if (i >= OWN)
        return libraries_version(out, VERSION_TEXT, i - OWN);
    rows[i].version(out);
    return rows[i].name;
}

const char *version_instructions(void)
{
    return ops_select(NULL)->name;
}
