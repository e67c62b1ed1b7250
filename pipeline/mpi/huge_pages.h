/* Huge pages for large blocks of memory. */
#ifndef NRMFLOW_PIPELINE_MPI_HUGE_PAGES_H
#define NRMFLOW_PIPELINE_MPI_HUGE_PAGES_H

#include <stddef.h>

/* Ask the system for huge pages, before the memory is first used. Without them address translation makes an image of
 * ResNet-50 take 1.5 times as long (measured in a virtual machine). A system without huge pages is no failure. */
void huge_pages_prefer(void *memory, size_t nbytes);

/* Memory that prefers them, for an arena; to be freed by the caller. NULL if there is none. */
void *huge_pages_alloc(size_t nbytes);

#endif
