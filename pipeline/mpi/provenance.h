/* What the last bits of a store's numbers depend on besides data and configuration: the instruction set, OpenBLAS's
 * kernels and the program's version.
 *
 * A store records them in attributes. An attribute lists several if the store was computed with several: "Haswell,
 * Zen".
 *
 * Not collective.
 */
#ifndef NRMFLOW_PIPELINE_MPI_PROVENANCE_H
#define NRMFLOW_PIPELINE_MPI_PROVENANCE_H

#include "io/base/error.h"
#include "io/store/store.h"

#include <stdbool.h>
#include <stddef.h>

enum provenance_trait { PROVENANCE_ISA, PROVENANCE_BLAS_CORE, PROVENANCE_PROGRAM, PROVENANCE_TRAITS };

enum { PROVENANCE_TEXT = 256 };

/* Lists of names, each separated by ", ", in order of appearance. */
struct provenance {
    char traits[PROVENANCE_TRAITS][PROVENANCE_TEXT];
};

/* Of this process, with the kernels of an instruction set. */
void provenance_here(struct provenance *out, const char *isa);

/* Does `mine` have a name that `stored` does not list? message[n] then names it: "OpenBLAS kernels: Haswell, not
 * Zen". */
bool provenance_differs(char *message, size_t n, const struct provenance *mine, const struct provenance *stored);

/* True if more than one instruction set, BLAS core or program version contributed. */
bool provenance_mixed(const struct provenance *provenance);

/* Add the names of `from` that are missing; names that do not fit into the text become "...". */
void provenance_join(struct provenance *into, const struct provenance *from);

/* The attributes isa, blas_core and program_version of a store. Errors: as store_set_text, store_get_text. */
enum status provenance_write(struct store *store, const struct provenance *provenance, struct error *err);
enum status provenance_read(struct provenance *out, const struct store_reader *store, struct error *err);

#endif
