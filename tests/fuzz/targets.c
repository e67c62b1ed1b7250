#include "tests/fuzz/targets.h"

#include "tests/fuzz/mend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 128 };

static const struct fuzz_target targets[] = {
    {"safetensors", "w.safetensors", fuzz_weights, NULL},
    {"pickle", NULL, fuzz_pickle, NULL},
    {"pth_zip", "w.pth", fuzz_weights, mend_zip},
    {"pth_stream", "w.pth", fuzz_weights, NULL},
    {"keras", "w.h5", fuzz_weights, NULL},
    {"onnx", "net.onnx", fuzz_onnx, NULL},
    {"jpeg", NULL, fuzz_image, mend_jpeg},
    {"png", NULL, fuzz_image, mend_png},
    {"webp", NULL, fuzz_image, NULL},
    {"idx", "images.idx", fuzz_idx, NULL},
    {"list", "list.txt", fuzz_list, NULL},
    {"tar", "shard.tar", fuzz_tar, mend_tar},
    {"hdf5", "images.h5", fuzz_hdf5, mend_hdf5},
    {"store", "store.h5", fuzz_store, mend_hdf5},
    {"part", "part.h5", fuzz_part, mend_hdf5},
    {"config", NULL, fuzz_config, NULL},
    {"sets", NULL, fuzz_sets, NULL},
};

enum { TARGETS = sizeof targets / sizeof targets[0] };

const struct fuzz_target *fuzz_target_find(const char *name)
{
    for (size_t i = 0; i < TARGETS; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

const struct fuzz_target *fuzz_targets(size_t *count)
{
    *count = TARGETS;
    return targets;
}

/* ---- the folder of this process -------------------------------------------------------------------------------- */

static char folder[PATH];
static long owner;

static void remove_folder(void)
{
    char path[2 * PATH];

    if ((long)getpid() != owner)
        return;
    for (size_t i = 0; i < TARGETS; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, targets[i].file ? targets[i].file : "");
        if (targets[i].file)
            unlink(path);
    }
    rmdir(folder);
}

void fuzz_fail(const char *what)
{
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static void make_folder(void)
{
    struct stat info;

    owner = (long)getpid();
    snprintf(folder, sizeof folder, "%s/nrmflow-fuzz-XXXXXX", stat("/dev/shm", &info) == 0 ? "/dev/shm" : P_tmpdir);
    if (!mkdtemp(folder))
        fuzz_fail("cannot make a folder for files");
    atexit(remove_folder);
}

static void write_file(const char *path, const unsigned char *bytes, size_t nbytes)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, nbytes, file) != nbytes || fclose(file) != 0)
        fuzz_fail("cannot write a file");
}

void fuzz_target_run(const struct fuzz_target *target, const unsigned char *bytes, size_t nbytes)
{
    unsigned char *copy = malloc(nbytes ? nbytes : 1);
    char path[2 * PATH] = "";

    if (!copy)
        fuzz_fail("no memory");
    if (nbytes)
        memcpy(copy, bytes, nbytes);
    if (target->file) {
        if (!folder[0])
            make_folder();
        snprintf(path, sizeof path, "%s/%s", folder, target->file);
        write_file(path, copy, nbytes);
    }
    target->run(path, copy, nbytes);
    free(copy);
}

void fuzz_check(enum status rc, const struct error *err)
{
    if (rc != err->status)
        fuzz_fail("a status and its record differ");
    if (rc != OK && !err->message[0])
        fuzz_fail("a failure without a message");
}
