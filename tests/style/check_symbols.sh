#!/bin/sh
# Every global symbol is a source file's name or begins with its first word: io/weights/keras.c exports weights_*.
# Usage: check_symbols.sh LIBRARY.a ...
status=0
for library in "$@"; do
    nm -A -g --defined-only "$library" | sed 's/^[^:]*:\([^:]*\)\.c\.o:[^ ]* [A-Z] /\1 /' | grep -v -e '^[^ ]* __' -e ':' |
        awk '{ split($1, words, "_"); if ($2 != $1 && index($2, words[1] "_") != 1) { print $1 ".c exports " $2; bad = 1 } } END { exit bad }' ||
        status=1
done
exit $status
