#!/usr/bin/env bash
# The figures of docs/explanation/circuits.md: flows of the demo's images 0 to 7999, tested on images 8000 to 9999.
# Usage: tests/bench/circuits.sh PROGRAM FOLDER [RANKS]      ten minutes on two cores; text in FOLDER, and on standard output
set -euo pipefail
program=$(realpath "$1") folder=$2 ranks=${3:-2}
demo=$(dirname "$0")/../../jobs/demo/demo.ini
mkdir -p "$folder"

nrmflow() {
    mpirun --oversubscribe --bind-to none -n "$ranks" "$program" "$@" </dev/null
}

for composite in epsilon_gamma_box zero; do
    [ -e "$folder/$composite.h5" ] || nrmflow run "$demo" --output "$folder/$composite.h5" --set data.images=0:8000 \
        --set measure.given=none --set measure.flows=dense --set measure.composite="$composite" --set store.per_image=none
done
evaluate() {
    printf '\n---- nrmflow evaluate demo.ini --images 8000:10000 %s\n' "${*//$folder\//}"
    nrmflow evaluate "$demo" --images 8000:10000 --set measure.given=none "$@"
}
{
    evaluate --circuit "$folder/epsilon_gamma_box.h5" --circuit "$folder/zero.h5" --own 256
    evaluate --circuit "$folder/epsilon_gamma_box.h5" --circuit "$folder/zero.h5" --unit-layers
    evaluate --circuit "$folder/epsilon_gamma_box.h5" --by mean
    evaluate --prune "$folder/epsilon_gamma_box.h5" --by absolute --unit-layers --rates 0:0.5:0.1
    evaluate --prune "$folder/epsilon_gamma_box.h5" --rates 0:0.5:0.1
} | tee "$folder/circuits.txt"
