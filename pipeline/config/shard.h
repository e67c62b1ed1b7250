/* Parts of a run's images for job arrays: whole blocks, so every block is computed as in a single run. */
#ifndef NRMFLOW_PIPELINE_CONFIG_SHARD_H
#define NRMFLOW_PIPELINE_CONFIG_SHARD_H

#include "pipeline/config/config.h"

#include <stddef.h>

/* Images first <= i < end of the dataset. */
struct shard_images {
    size_t first, end;
};

/* The images of a run, ignoring data.shard, in a dataset of `count` images; none if first >= end. */
struct shard_images shard_whole(const struct config *config, size_t count);

/* Number of blocks that contain any of the images, of which there must be at least one. */
size_t shard_blocks(struct shard_images images, size_t block);

/* The images of part `shard`: consecutive blocks, whose number differs by at most one between parts. There must be at
 * least as many blocks as parts. */
struct shard_images shard_part(struct shard_images whole, size_t block, struct config_shard shard);

#endif
