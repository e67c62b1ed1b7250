/* Synthetic photographs for measurements: a folder of JPEG files with the usual size and detail of ImageNet's. */
#ifndef NRMFLOW_PIPELINE_BENCH_IMAGES_H
#define NRMFLOW_PIPELINE_BENCH_IMAGES_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"

#include <stddef.h>

enum { BENCH_IMAGES_PATH = 512 };

/* Create a folder with `count` files on every node, under the same path. Errors: FAIL_SYSTEM, on all ranks.
 * Collective; caller removes it with bench_images_remove, also after a failure. */
enum status bench_images_make(char folder[BENCH_IMAGES_PATH], size_t count, const struct node *node, struct error *err);

/* Remove the folder and the files in it. An empty path is fine. Collective. */
void bench_images_remove(const char *folder, const struct node *node);

#endif
