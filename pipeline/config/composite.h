/* What evaluations found of the composites (docs/explanation/reading-results.md): with which condition their order of
 * channels misleads, and how far down relevance depends on the class. Rules of thumb; measure.rule is not looked at. */
#ifndef NRMFLOW_PIPELINE_CONFIG_COMPOSITE_H
#define NRMFLOW_PIPELINE_CONFIG_COMPOSITE_H

#include <stdbool.h>

/* One sentence if a composite and measure.given (none, input or a set expression) are misleading together, without a
 * full stop; else NULL. Static. */
const char *composite_warning(const char *composite, const char *given);

/* Layers up to this share of the network's weighted layers, from the input, have nearly the same relevance, but for
 * sign and size, whatever class, or contrast of two classes, is explained. 0: none; of a composite that is not known,
 * too. */
double composite_class_share(const char *composite, bool contrast);

#endif
