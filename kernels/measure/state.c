#include "kernels/measure/state.h"

static float *floats_from(float *v, size_t n)
{
    return v ? v + n : NULL;
}

static struct channels_summary *summaries_from(struct channels_summary *summaries, size_t n)
{
    return summaries ? summaries + n : NULL;
}

struct variable_state state_variable(const struct variable_state *group, size_t slot)
{
    struct variable_stride stride = group->stride;

    return (struct variable_state){.a = floats_from(group->a, slot * stride.a),
                                   .r = floats_from(group->r, slot * stride.r),
                                   .m = floats_from(group->m, slot * stride.r),
                                   .h = floats_from(group->h, slot * stride.h),
                                   .summaries = summaries_from(group->summaries, slot * stride.channels),
                                   .weighted = summaries_from(group->weighted, slot * stride.channels),
                                   .stride = stride};
}

struct link_state state_link(const struct link_state *group, size_t slot)
{
    struct link_stride stride = group->stride;

    return (struct link_state){.c = floats_from(group->c, slot * stride.c),
                               .c_alone = group->c_alone,
                               .to_bias = group->to_bias + slot * stride.channels,
                               .absorbed = group->absorbed + slot * stride.channels,
                               .stride = stride};
}

float *state_joint(const struct edge_state *group, size_t slot)
{
    return floats_from(group->joint, slot * group->stride);
}
