/* The grammar of set expressions, see sets.h. */
#ifndef NRMFLOW_PIPELINE_SETS_GRAMMAR_H
#define NRMFLOW_PIPELINE_SETS_GRAMMAR_H

#include "pipeline/sets/sets.h"

/* Read an expression into the sets that it names and the clauses of them, as written.
 *
 *   out    in/out  gets the sets, and whether there is a condition; net is set
 *   value  out     the part before `given`; to be freed with dnf_free
 *   given  out     the part after it, if there is one; to be freed with dnf_free
 * Errors as sets_parse; value and given are unchanged then. */
enum status sets_grammar(struct sets *out, struct dnf *value, struct dnf *given, const char *text, struct error *err);

#endif
