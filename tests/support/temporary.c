#include "tests/support/temporary.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A name for mkdtemp or mkstemp; false if it is too long. */
static bool name(char path[TEMPORARY_PATH])
{
    const char *base = getenv("TMPDIR");

    return snprintf(path, TEMPORARY_PATH, "%s/nrmflow-test-XXXXXX", base && *base ? base : P_tmpdir) < TEMPORARY_PATH;
}

static void fail(const char *path)
{
    perror(path);
    abort();
}

void temporary_folder(char path[TEMPORARY_PATH])
{
    if (!name(path) || !mkdtemp(path))
        fail(path);
}

int temporary_file(char path[TEMPORARY_PATH])
{
    int file = name(path) ? mkstemp(path) : -1;

    if (file < 0)
        fail(path);
    return file;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

int temporary_remove(const char *folder)
{
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
