#!/bin/sh
# Dependencies point down only: kernels and io know neither each other, nor the pipeline, nor MPI; io does not print.
# Usage: check_includes.sh SOURCE_DIR
cd "$1" || exit 1
status=0
refuse() { # PATTERN FOLDER REASON
    if grep -nE "$1" "$2"/*.[ch]; then
        echo "$2: $3"
        status=1
    fi
}
for folder in kernels io; do
    refuse 'include <mpi\.h>' $folder 'no MPI here'
    refuse '(^|[^a-z_])(printf|puts|putchar|exit|abort)\(' $folder 'no printing and no exits here'
    for header in pipeline/*.h; do
        refuse "include \"$(basename "$header")\"" $folder 'the pipeline is above'
    done
done
for header in io/*.h; do
    refuse "include \"$(basename "$header")\"" kernels 'kernels do not know io'
done
for header in kernels/*.h; do
    refuse "include \"$(basename "$header")\"" io 'io does not know kernels'
done
refuse 'include <hdf5' kernels 'no files here'
refuse '(malloc|calloc|realloc|aligned_alloc|fopen)\(' kernels 'no allocation and no files here'
exit $status
