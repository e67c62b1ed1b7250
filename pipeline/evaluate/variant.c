#include "pipeline/evaluate/variant.h"

#include <string.h>

enum status variant_init(struct variant *variant, const struct model *model, const struct measure_options *options,
                         const struct node *node, struct error *err)
{
    enum status rc = OK;

    *variant = (struct variant){.weights = {NULL}};
    model_bounds(&model->preprocessing, variant->low, variant->high);
    TRY(node_shared_alloc(node, &variant->weights, model->weights.nbytes, err));
    measure_plan_init(&variant->plan, &model->net, options, variant->weights.memory);
    TRY(node_shared_alloc(node, &variant->forms, measure_forms_floats(&variant->plan) * sizeof(float), err));
    measure_forms_bind(&variant->plan, variant->forms.memory);
    if (variant_weights(variant, node))
        memcpy(variant_weights(variant, node), model->weights.memory, model->weights.nbytes);
    variant_update(variant, node);
done:
    return rc;
}

float *variant_weights(struct variant *variant, const struct node *node)
{
    return node->rank == 0 ? variant->weights.memory : NULL;
}

void variant_update(struct variant *variant, const struct node *node)
{
    node_broadcast(node, &variant->weights);
    if (variant->forms.holder)
        measure_forms_compute(&variant->plan, variant->forms.memory, (struct link_bounds){variant->low, variant->high});
    MPI_Barrier(node->world);
}

void variant_free(struct variant *variant)
{
    node_shared_free(&variant->weights);
    node_shared_free(&variant->forms);
}
