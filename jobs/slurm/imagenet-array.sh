#!/usr/bin/env bash
# One store from an array of Slurm jobs and a last one that merges their shards. From the repository's folder:
#     jobs/slurm/imagenet-array.sh SHARDS [CONFIG [STORE [OPTION ...]]]
# OPTIONs are those of `nrmflow run`. Each job computes its share of the images as jobs/slurm/imagenet.sbatch does; the result is
# the store of one job, to the last bit. Environment: as for jobs/slurm/imagenet.sbatch; and SBATCH, options for it, as
# SBATCH="--nodes=4 --ntasks-per-node=32 --time=4:00:00".
# Where shard K has failed: SHARDS=SHARDS sbatch --array=K jobs/slurm/imagenet.sbatch CONFIG STORE, and jobs/slurm/merge.sbatch.
set -euo pipefail
if [[ ! "${1:-}" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: jobs/slurm/imagenet-array.sh SHARDS [CONFIG [STORE [OPTION ...]]]" >&2
    exit 2
fi
export SHARDS=$1
config=${2:-jobs/slurm/imagenet.ini}
store=${3:-out/imagenet.h5}
here=$(dirname "$0")
shift $(($# < 3 ? $# : 3))
read -ra options <<<"${SBATCH:-}"

shards=()
for ((k = 1; k <= SHARDS; k++)); do
    shards+=("${store%.h5}.shard-$k.h5")
done
# sbatch prints NUMBER or NUMBER;CLUSTER
array=$(sbatch --parsable --array="1-$SHARDS" "${options[@]}" "$here/imagenet.sbatch" "$config" "$store" "$@")
array=${array%%;*}
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$here/merge.sbatch" "$store" \
    "${shards[@]}")
echo "job $array computes $SHARDS shards, job ${merge%%;*} then merges them into $store"
