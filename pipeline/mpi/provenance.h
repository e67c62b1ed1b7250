/* What the last bits of a store's numbers depend on besides its run: the instruction set, OpenBLAS' kernels, the program.
 *
 * A store names them in attributes. Where it was computed by several of a kind, its attribute lists them: "Haswell, Zen".
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

/* Lists of names, each separated by ", ", in the order in which they came. */
struct provenance {
    char traits[PROVENANCE_TRAITS][PROVENANCE_TEXT];
};

/* This program with the kernels of an instruction set. */
void provenance_here(struct provenance *out, const char *isa);

/* Whether `mine` has a name that `stored` does not list; message[n] then says which, as "OpenBLAS' kernels: Haswell, not
 * Zen". */
bool provenance_differs(char *message, size_t n, const struct provenance *mine, const struct provenance *stored);

/* True if more than one instruction set, BLAS core or program version contributed. */
bool provenance_mixed(const struct provenance *provenance);

/* Add the names of `from` that are missing; what does not fit into the text becomes "...". */
void provenance_join(struct provenance *into, const struct provenance *from);

/* The attributes isa, blas_core and program_version of a store. Errors: as store_set_text, store_get_text. */
enum status provenance_write(struct store *store, const struct provenance *provenance, struct error *err);
enum status provenance_read(struct provenance *out, const struct store_reader *store, struct error *err);

#endif
