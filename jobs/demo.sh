#!/usr/bin/env bash
# From a fresh Debian 12 to a store: installs packages, builds, and runs the demo on all cores.
# Usage: jobs/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."
store=out/demo.h5

# Cores that this process may use; fewer where a container is given a share of their time.
cores() {
    local count quota period
    count=$(nproc)
    if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [ "$quota" != max ]; then
        quota=$(((quota + period - 1) / period))
        count=$((quota < count ? quota : count))
    fi
    echo "$count"
}

jobs/setup.sh
# A newer compiler may warn of more than ours; that need not stop a demo.
cmake --preset release -DBUILD_TESTING=OFF --compile-no-warning-as-error
cmake --build --preset release --target nrmflow

# Open MPI asks root to mean it. Containers often forbid reading another process's memory, of which it would warn.
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_btl_vader_single_copy_mechanism=none

mkdir -p out
# Open MPI counts two hardware threads as one slot; nproc counts both.
mpirun --oversubscribe --bind-to none -n "$(cores)" build/release/nrmflow run jobs/demo/demo.ini --output "$store" \
    --restart </dev/null
printf '\nThe store is %s. What `nrmflow info` says of it:\n\n' "$PWD/$store"
build/release/nrmflow info "$store"
