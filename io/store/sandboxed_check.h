/* The checks of store_check, in the sandboxed process (sandboxed.h); private to io/store/. */
#ifndef NRMFLOW_IO_STORE_SANDBOXED_CHECK_H
#define NRMFLOW_IO_STORE_SANDBOXED_CHECK_H

#include "io/store/check.h"
#include "io/store/sandboxed.h"

enum { STORE_PATH = 4 * STORE_NAME };

/* Check description, units, labels and scales of a dataset that has the type and axes of the table.
 *
 *   dataset  in  open
 *   dims     in  [axes] */
void store_sandboxed_check_dataset(struct store_problems *problems, const struct store_sandboxed *reader,
                                   const char *path, const struct store_field *field, hid_t dataset,
                                   const size_t *dims);

/* Check that a link such as "layers/conv1_1/class" leads to the scale of this name in the root. */
void store_sandboxed_check_link(struct store_problems *problems, const struct store_sandboxed *reader,
                                const char *path);

/* Check the NeXus attributes of a group of the table ("" for the root), and its entries in the table of attributes. */
void store_sandboxed_check_group(struct store_problems *problems, const struct store_sandboxed *reader,
                                 const char *path);

/* Whether it is a store of maps or of an evaluation, which has images but no statistics of a run. */
bool store_sandboxed_partial(const struct store_sandboxed *reader);

#endif
