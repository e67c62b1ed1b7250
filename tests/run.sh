#!/usr/bin/env bash
# Install what is missing, build, and run every test that is not labelled slow, slurm or browser.
# Usage: tests/run.sh [PRESET ...]     presets of CMakePresets.json; by default release, then asan
#        tests/run.sh browser          the report in Chromium; pictures of it in out/screenshots
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- release asan
if [ "$*" = browser ]; then
    jobs/setup.sh tests browser
    cmake --preset release -DNRMFLOW_REPORT=ON
    cmake --build --preset release
    SCREENSHOTS=$PWD/out/screenshots ctest --test-dir build/release -L browser --output-on-failure
    exit
fi
jobs/setup.sh tests
for preset in "$@"; do
    cmake --preset "$preset" -DNRMFLOW_TESTS=ON
    cmake --build --preset "$preset"
    ctest --preset "$preset"
done
