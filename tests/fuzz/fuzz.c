/* libFuzzer's entry points; NRMFLOW_FUZZ_TARGET names the target. */
#include "tests/fuzz/targets.h"

#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t nbytes, size_t most);

static const struct fuzz_target *target;

/* A process that the program has started to read HDF5 may end in any way: the reader must say so, and the input is no
 * finding by itself. */
static void in_child(void)
{
    __sanitizer_set_death_callback(NULL);
    if (!freopen("/dev/null", "w", stderr))
        _Exit(1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("NRMFLOW_FUZZ_TARGET");

    (void)argc, (void)argv;
    target = name ? fuzz_target_find(name) : NULL;
    if (!target) {
        fprintf(stderr, "fuzz: NRMFLOW_FUZZ_TARGET names no target\n");
        exit(2);
    }
    return pthread_atfork(NULL, NULL, in_child);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes)
{
    fuzz_target_run(target, bytes, nbytes);
    return 0;
}

/* One in eight inputs keeps its wrong checksums. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t most, unsigned seed)
{
    size_t changed = LLVMFuzzerMutate(bytes, nbytes, most);

    if (target->mend && seed % 8 != 0)
        target->mend(bytes, changed);
    return changed;
}
