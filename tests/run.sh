#!/usr/bin/env bash
# Install what is missing, build, and run every test that is not slow, in the presets release and asan.
# Usage: tests/run.sh [PRESET ...]
set -euo pipefail
cd "$(dirname "$0")/.."
jobs/setup.sh tests
for preset in "${@:-release}"; do
    cmake --workflow --preset "$preset"
done
