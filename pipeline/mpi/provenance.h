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

enum machine_trait { MACHINE_ISA, MACHINE_BLAS_CORE, MACHINE_PROGRAM, MACHINE_TRAITS };

enum { MACHINE_TEXT = 256 };

/* Lists of names, each separated by ", ", in the order in which they came. */
struct machine {
    char traits[MACHINE_TRAITS][MACHINE_TEXT];
};

/* This program with the kernels of an instruction set. */
void machine_here(struct machine *out, const char *isa);

/* Whether `mine` has a name that `stored` does not list; message[n] then says which, as "OpenBLAS' kernels: Haswell, not
 * Zen". */
bool machine_differs(char *message, size_t n, const struct machine *mine, const struct machine *stored);

/* Whether a machine is several of a kind. */
bool machine_mixed(const struct machine *machine);

/* Add the names of `from` that are missing; what does not fit into the text becomes "...". */
void machine_join(struct machine *into, const struct machine *from);

/* The attributes isa, blas_core and program_version of a store. Errors: as store_set_text, store_get_text. */
enum status machine_write(struct store *store, const struct machine *machine, struct error *err);
enum status machine_read(struct machine *out, const struct store_reader *store, struct error *err);

#endif
