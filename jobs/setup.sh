#!/usr/bin/env bash
# Install the Debian packages that building and (with the argument `tests`) testing need; with `slurm` also the Slurm that
# the tests of that label start on this machine, with `tests browser` also a browser. Does nothing if all are there.
# Usage: jobs/setup.sh [tests|tests browser|slurm]
set -euo pipefail

# README.md, "Other systems", has the names that other distributions give these.
packages=(build-essential cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-dev libopenblas-dev zlib1g-dev
    libjpeg-dev libpng-dev libzip-dev libarchive-dev libinih-dev libjansson-dev libssl-dev librandom123-dev)
test_packages=(libcmocka-dev python3 python3-numpy python3-h5py python3-pil python3-torch python3-pandas
    python3-matplotlib python3-torchvision libonnx-testdata hdf5-tools clang-format groff-base zsh)
slurm_packages=(slurmctld slurmd slurm-client munge)
# The page of `nrmflow report`; any Node.js with npm will do.
command -v npm >/dev/null || test_packages+=(nodejs npm)
case "$*" in
    "") ;;
    tests) packages+=("${test_packages[@]}") ;;
    slurm) packages+=("${test_packages[@]}" "${slurm_packages[@]}") ;;
    "tests browser") packages+=("${test_packages[@]}" chromium) ;;
    *)
        echo "usage: jobs/setup.sh [tests|tests browser|slurm]" >&2
        exit 2
        ;;
esac

fail() {
    echo "jobs/setup.sh: $*" >&2
    exit 1
}

# Elsewhere than on Debian only the tools are looked for; CMake names a library that is missing.
other_system() {
    local tool missing=()
    for tool in cmake ninja mpicc mpirun pkg-config; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] && exit 0
    fail "this system has no apt-get, and these are not on the path: ${missing[*]}. Install the packages that README.md" \
        "names under \"Other systems\" (on a cluster, load their modules), then start again."
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    other_system
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "only root may install packages, and there is no sudo. As root: apt-get update &&" \
        "apt-get install ${missing[*]}"
    as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "${missing[@]}"
