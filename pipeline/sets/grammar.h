/* The grammar of set expressions, see sets.h. */
#ifndef NRMFLOW_PIPELINE_SETS_GRAMMAR_H
#define NRMFLOW_PIPELINE_SETS_GRAMMAR_H

#include "pipeline/sets/sets.h"

/* Read an expression into the sets that it names and the clauses through them, as they are written.
 *
 *   out    in/out  gets the sets, and whether there is a condition; net is set
 *   value  out     what stands before `given`; for dnf_free
 *   given  out     what stands after it, if anything does; for dnf_free
 * Errors as sets_parse; value and given are left alone then. */
enum status sets_grammar(struct sets *out, struct dnf *value, struct dnf *given, const char *text, struct error *err);

#endif
