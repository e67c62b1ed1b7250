#include "kernels/base/shape.h"

size_t shape_neurons(struct shape s)
{
    return s.channels * s.height * s.width;
}

size_t shape_positions(struct shape s)
{
    return s.height * s.width;
}
