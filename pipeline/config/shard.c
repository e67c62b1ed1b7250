#include "pipeline/config/shard.h"

#include "kernels/base/number.h"

struct shard_images shard_whole(const struct config *config, size_t count)
{
    const struct range *images = &config->data.images;

    return (struct shard_images){images->first, smaller(images->end, count)};
}

size_t shard_blocks(struct shard_images images, size_t block)
{
    return (images.end - 1) / block + 1 - images.first / block;
}

/* The first image of block b of the whole. */
static size_t block_start(struct shard_images whole, size_t block, size_t b)
{
    size_t at = (whole.first / block + b) * block;

    return smaller(larger(at, whole.first), whole.end);
}

struct shard_images shard_part(struct shard_images whole, size_t block, struct config_shard shard)
{
    size_t n = shard_blocks(whole, block), each = n / shard.count, rest = n % shard.count, before = shard.index - 1;
    size_t first = before * each + smaller(before, rest), own = each + (before < rest);

    return (struct shard_images){block_start(whole, block, first), block_start(whole, block, first + own)};
}
