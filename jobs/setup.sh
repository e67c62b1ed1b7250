#!/usr/bin/env bash
# Install the Debian packages that building (and, with the argument `tests`, testing) needs. Does nothing if all are there.
set -euo pipefail
packages=(build-essential cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-dev libopenblas-dev zlib1g-dev
    libjpeg-dev libpng-dev libzip-dev libarchive-dev libinih-dev libjansson-dev libssl-dev)
if [ "${1:-}" = tests ]; then
    packages+=(libcmocka-dev python3 python3-numpy python3-h5py python3-pil python3-torch python3-pandas hdf5-tools clang-format)
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
