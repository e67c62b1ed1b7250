/* What is done to the pixels of an image before the network reads them: chosen from the configuration and the weights,
 * said when a run begins, and recorded in its store.
 *
 * A file of weights does not say whether its network was trained on pixels from 0 to 1 or from 0 to 255, nor in which
 * order it reads the colours. The keys data.scale and data.order do, or data.preprocessing, which names a library that
 * it was trained with; `auto` is what is usual for the file's format. Whatever the order, data.mean, data.std and the
 * channels of the store's input are red, green, blue: the first layer of a network that reads blue, green, red is
 * turned round when it is loaded.
 */
#ifndef NRMFLOW_PIPELINE_RUN_PIXELS_H
#define NRMFLOW_PIPELINE_RUN_PIXELS_H

#include "io/image/image.h"
#include "io/store/store.h"
#include "kernels/base/network.h"
#include "pipeline/config/config.h"

#include <stdbool.h>

enum { PIXELS_LINE = 512 };

/* Choose what is done to the pixels.
 *
 *   keras  in  the weights come from Keras: usually trained on 0 to 255, in the order blue, green, red
 * Errors: FAIL_CONFIG for keys that do not fit the network or each other. */
enum status pixels_choose(struct preprocessing *p, const struct config *config, const struct network *net, bool keras,
                          struct error *err);

/* Whose preprocessing it is, but for what other keys change. */
const char *pixels_name(const struct config *config, bool keras);

/* Whether the network as trained reads blue, green, red. */
bool pixels_bgr(const struct config *config, bool keras);

/* Swap red and blue in a first layer's weights, [out][3][taps]. */
void pixels_swap(float *weights, size_t out, size_t taps);

/* "the network reads (pixel - mean) / std preprocessing=torchvision pixels=0..1 order=rgb mean=0.485,..." */
void pixels_line(char line[PIXELS_LINE], const struct preprocessing *p, const char *name, bool bgr);

/* Write the attributes pixel_... of the root; or copy those of another store, as far as it has them. */
enum status pixels_save(struct store *store, const struct preprocessing *p, const char *name, bool bgr,
                        struct error *err);
enum status pixels_copy(struct store *store, const struct store_reader *from, struct error *err);

#endif
