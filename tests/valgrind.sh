#!/usr/bin/env bash
# Unit tests that are serial and quick, under valgrind: no error, no lost memory.
# Usage: tests/valgrind.sh FOLDER   the folder of the test programs, build/release/tests
set -euo pipefail

tests=(config exact image_resize log option reader sandbox sets sha256 suggest toplist)
if ! command -v valgrind >/dev/null; then
    echo "tests/valgrind.sh: valgrind is missing"
    exit 77
fi
failed=0
for name in "${tests[@]}"; do
    log=$(mktemp)
    if valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$1/unit_$name" >"$log" 2>&1; then
        echo "unit_$name: no errors"
    else
        cat "$log"
        failed=1
    fi
    rm -f "$log"
done
exit $failed
