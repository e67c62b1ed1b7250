#!/usr/bin/env bash
# Every target reads its corpus and changed copies of it: about 500, or fewer where HDF5 is called in a process apart.
# Usage: replay.sh REPLAY PYTHON
set -euo pipefail

replay=$1
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
"$2" -B "$(dirname "$0")/make_corpus.py" "$replay" "$corpus"
declare -A counts=([hdf5]=100 [part]=200 [store]=50)
for target in $("$replay" --list); do
    files=("$corpus/$target"/*)
    "$replay" "$target" $((${counts[$target]:-500} / ${#files[@]})) "${files[@]}"
done
