/* Parts of a run's images for job arrays: whole blocks, so that every block is computed as in one run. */
#ifndef NRMFLOW_PIPELINE_CONFIG_SHARD_H
#define NRMFLOW_PIPELINE_CONFIG_SHARD_H

#include "pipeline/config/config.h"

#include <stddef.h>

/* Images first <= i < end of the dataset. */
struct shard_images {
    size_t first, end;
};

/* The images that a run covers, without regard to data.shard, of a dataset of `count`; none if first >= end. */
struct shard_images shard_whole(const struct config *config, size_t count);

/* Number of blocks that hold some of the images, of which there is at least one. */
size_t shard_blocks(struct shard_images images, size_t block);

/* Those of part `shard` of the images: consecutive blocks, as many as in any other part or one more or less. There must
 * be no fewer blocks than parts. */
struct shard_images shard_part(struct shard_images whole, size_t block, struct config_shard shard);

#endif
