#!/usr/bin/env bash
# clang-tidy on the sources, with the checks of .clang-tidy; exits 1 with what it finds.
# Usage: tests/tidy.sh FOLDER [FILE...]   a build folder, such as build/release; by default all files but those of tests
set -euo pipefail

folder=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
if ! command -v clang-tidy >/dev/null; then
    echo "tests/tidy.sh: clang-tidy is missing; on Debian: apt-get install clang-tidy"
    exit 77
fi
[ $# -gt 0 ] || set -- kernels/*/*.c io/*/*.c pipeline/*/*.c
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$folder" --quiet 2>/dev/null
echo "clang-tidy: $# files without a finding"
