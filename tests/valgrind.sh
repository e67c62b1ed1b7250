#!/usr/bin/env bash
# The unit tests with the label `valgrind` (tests/CMakeLists.txt) under valgrind: no error, no lost memory.
# Usage: tests/valgrind.sh FOLDER   the folder of the test programs, build/release/tests
set -euo pipefail

if ! command -v valgrind >/dev/null; then
    echo "tests/valgrind.sh: valgrind is missing"
    exit 77
fi
mapfile -t tests < <(ctest --test-dir "$1" --show-only -L '^valgrind$' | sed -n 's/^ *Test *#[0-9]*: *//p')
if [ ${#tests[@]} -eq 0 ]; then
    echo "tests/valgrind.sh: no test in $1 has the label valgrind"
    exit 1
fi
failed=0
for name in "${tests[@]}"; do
    log=$(mktemp)
    if valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$1/$name" >"$log" 2>&1; then
        echo "$name: no errors"
    else
        cat "$log"
        failed=1
    fi
    rm -f "$log"
done
exit $failed
