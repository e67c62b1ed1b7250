#!/usr/bin/env bash
# Install what is missing, build, and run every test that is not labelled slow, slurm or browser.
# Usage: tests/run.sh [PRESET ...]     presets of CMakePresets.json; by default release, then asan
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- release asan
jobs/setup.sh tests
for preset in "$@"; do
    cmake --workflow --preset "$preset"
done
