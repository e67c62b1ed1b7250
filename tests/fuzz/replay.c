/* Give targets files and changed copies of them, without a fuzzer:
 *
 *     replay --samples FOLDER          write stores and part files to start from
 *     replay --list                    names of the targets
 *     replay TARGET ROUNDS FILE...     each file as it is, and ROUNDS times with a few bytes changed
 */
#include "tests/fuzz/samples.h"
#include "tests/fuzz/targets.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANGES = 6, MAX_BYTES = 1 << 20, HEAD = 2048 };

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* Change bytes of a copy, half of them where files have their structure; every fourth time its end is missing. */
static size_t change(unsigned char *bytes, size_t nbytes, uint64_t *seed)
{
    size_t changes = 1 + draw(seed) % MAX_CHANGES;

    for (size_t i = 0; i < changes; i++) {
        size_t range = draw(seed) % 2 && nbytes > HEAD ? HEAD : nbytes;
        uint64_t random = draw(seed);

        bytes[draw(seed) % range] = (unsigned char)(random & 256 ? random : random & 512 ? 0xff : 0);
    }
    return draw(seed) % 4 ? nbytes : 1 + draw(seed) % nbytes;
}

static size_t read_file(unsigned char *bytes, const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file)
        fuzz_fail(path);
    size_t nbytes = fread(bytes, 1, MAX_BYTES, file);
    fclose(file);
    return nbytes;
}

static size_t replay(const struct fuzz_target *target, uint64_t rounds, const char *path)
{
    static unsigned char bytes[MAX_BYTES], copy[MAX_BYTES];
    size_t nbytes = read_file(bytes, path), runs = 1;
    uint64_t seed = nbytes;

    fuzz_target_run(target, bytes, nbytes);
    for (; nbytes > 0 && runs <= rounds; runs++) {
        memcpy(copy, bytes, nbytes);
        size_t changed = change(copy, nbytes, &seed);
        if (target->mend)
            target->mend(copy, changed);
        fuzz_target_run(target, copy, changed);
    }
    return runs;
}

static int list_targets(void)
{
    size_t count;
    const struct fuzz_target *targets = fuzz_targets(&count);

    for (size_t i = 0; i < count; i++)
        puts(targets[i].name);
    return 0;
}

int main(int argc, char **argv)
{
    const struct fuzz_target *target = argc > 3 ? fuzz_target_find(argv[1]) : NULL;
    size_t runs = 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list_targets();
    if (argc == 3 && strcmp(argv[1], "--samples") == 0) {
        samples_write(argv[2]);
        return 0;
    }
    if (!target) {
        fprintf(stderr, "usage: replay TARGET ROUNDS FILE... | --list | --samples FOLDER\n");
        return 2;
    }
    for (int i = 3; i < argc; i++)
        runs += replay(target, strtoull(argv[2], NULL, 10), argv[i]);
    printf("%s: %zu inputs from %d files\n", target->name, runs, argc - 3);
    return 0;
}
