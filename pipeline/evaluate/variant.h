/* A variant of a model: the same network with other weights, such as permuted ones, or some of them zero. Held once per
 * node, as the model's own are. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_VARIANT_H
#define NRMFLOW_PIPELINE_EVALUATE_VARIANT_H

#include "io/base/error.h"
#include "pipeline/mpi/node.h"
#include "pipeline/run/model.h"

struct variant {
    struct node_block weights, forms;
    struct measure_plan plan; /* bound to both; borrows the model's network */
    float low[IMAGE_MAX_CHANNELS], high[IMAGE_MAX_CHANNELS];
};

/* A copy of the model's weights, to be measured with these options. Caller frees with variant_free, also after a
 * failure. Errors, the same on all ranks: FAIL_SYSTEM without memory. Collective. */
enum status variant_init(struct variant *variant, const struct model *model, const struct measure_options *options,
                         const struct node *node, struct error *err);

/* The weights, for rank 0 to change while no rank uses the variant; then variant_update. NULL on other ranks. */
float *variant_weights(struct variant *variant, const struct node *node);

/* Send the weights of rank 0 to all nodes and derive from them what the measure needs. Collective. */
void variant_update(struct variant *variant, const struct node *node);

/* All zero is fine. Not collective. */
void variant_free(struct variant *variant);

#endif
