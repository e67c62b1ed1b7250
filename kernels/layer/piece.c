#include "kernels/layer/piece.h"

#include "kernels/base/number.h"

size_t piece_at(struct layout layout, const struct piece *piece, size_t block, size_t r)
{
    return layout_index(layout, block * LAYOUT_LANES, piece->row + r, 0);
}

struct ops_block piece_block(struct layout layout, const struct piece *piece, size_t block)
{
    return (struct ops_block){.channels = smaller(LAYOUT_LANES, layout.shape.channels - block * LAYOUT_LANES),
                              .height = piece->rows,
                              .width = layout.shape.width,
                              .row = layout.columns * LAYOUT_LANES,
                              .position = piece->row * layout.shape.width};
}

size_t piece_adjacent(struct layout layout, size_t rows)
{
    return layout_bordered(layout) ? 1 : rows;
}

void piece_clear_border(float *x, struct layout layout, size_t n)
{
    for (size_t i = 0; i < n && layout_bordered(layout); i++)
        layout_clear_border(x + i * layout_floats(layout), layout);
}
