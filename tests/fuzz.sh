#!/usr/bin/env bash
# Fuzz the readers: tests/fuzz.sh MINUTES [TARGET...], by default all targets, one after the other.
#
# Needs clang with libFuzzer (Debian: clang libclang-rt-14-dev). The corpus grows in build/fuzz/corpus and is kept from run
# to run; what fails is left in build/fuzz/findings. Prints executions and failures of each target; exits 1 if there are any.
set -euo pipefail

if ! [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
    sed -n '2,5s/^# \?//p' "$0" >&2
    exit 2
fi
minutes=$1
shift
cd "$(dirname "$0")/.."
if ! command -v clang >/dev/null; then
    echo "tests/fuzz.sh: clang is missing; on Debian: apt-get install clang libclang-rt-14-dev" >&2
    exit 2
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
build=$PWD/build/fuzz
mkdir -p "$build/findings"
"$(command -v /usr/bin/python3 || command -v python3)" -B tests/fuzz/make_corpus.py "$build/tests/replay" "$build/seeds"
export ASAN_OPTIONS=allocator_may_return_null=1
failed=0

fuzz() { # TARGET
    local log=$build/$1.log
    mkdir -p "$build/corpus/$1"
    # A fork server's child finds, the parent goes on: one failure does not end the time of a target.
    NRMFLOW_FUZZ_TARGET=$1 "$build/tests/fuzz" -fork=1 -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1 \
        -max_total_time=$((60 * minutes)) -timeout=90 -rss_limit_mb=4096 -max_len=65536 \
        -artifact_prefix="$build/findings/$1-" "$build/corpus/$1" "$build/seeds/$1" >"$log" 2>&1 || true
    local runs failures
    runs=$(sed -n 's/^#\([0-9]*\): cov.*/\1/p' "$log" | tail -1)
    failures=$(find "$build/findings" -name "$1-*" ! -name '*-slow-unit-*' | wc -l)
    printf '%-12s %12s executions %4s failures\n' "$1" "${runs:-0}" "$failures"
    if [ "${runs:-0}" -eq 0 ] || [ "$failures" -ne 0 ]; then
        failed=1
    fi
}

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <("$build/tests/replay" --list)
for target in "${targets[@]}"; do
    fuzz "$target"
done
exit $failed
