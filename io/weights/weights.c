#define _FILE_OFFSET_BITS 64
#include "io/weights/weights.h"

#include "io/base/fault.h"
#include "io/weights/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 16 };

/* Files that are often taken for weights. */
static const struct lookalike {
    const char *head, *what;
} lookalikes[] = {
    {"version https://", "it is a pointer of Git LFS, not the file: run `git lfs pull`"},
    {"<!DOCTYPE", "it is a web page, not the weights: the download failed, or needs a login"},
    {"<!doctype", "it is a web page, not the weights: the download failed, or needs a login"},
    {"<html", "it is a web page, not the weights: the download failed, or needs a login"},
    {"\x1f\x8b", "it is compressed with gzip: run `gunzip` on it"},
    {"\x93NUMPY", "it is a single array of NumPy, not the weights of a network"},
    {"MATLAB", "it is a file of MATLAB: convert it in Python with scipy.io.loadmat and torch.save"},
    {"{", "it is JSON; the weights are in the .safetensors files beside it"},
    {"\x80", "it is a pickle that torch.save did not write, in Python: import pickle, torch; torch.save({k: "
             "torch.as_tensor(v) for k, v in pickle.load(open(\"FILE\", \"rb\")).items()}, \"weights.pth\")"},
};

static const struct weights_format *const formats[] = {
    &weights_keras_format,
    &weights_pth_zip_format,
    &weights_pth_stream_format,
    &weights_safetensors_format,
};

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static enum status check_duplicates(const struct weights *w, struct error *err)
{
    const char **names = calloc(w->nrecords + 1, sizeof *names);
    enum status rc = OK;

    if (!names)
        return error_system(err, "%s", w->path);
    for (size_t i = 0; i < w->nrecords; i++)
        names[i] = w->records[i].info.name;
    qsort(names, w->nrecords, sizeof *names, compare_names);
    for (size_t i = 1; i < w->nrecords && rc == OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = error_set(err, FAIL_FORMAT, "%s: there are two tensors named '%s'", w->path, names[i]);
    free(names);
    return rc;
}

static enum status open_file(struct weights *w, struct error *err)
{
    struct stat st;

    w->fd = fault_hit(FAULT_OPEN) ? -1 : open(w->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return error_system(err, "%s: cannot open the weights", w->path);
    if (S_ISDIR(st.st_mode))
        return error_set(
            err, FAIL_SYSTEM,
            "%s: it is a folder; name the file in it (model.safetensors, pytorch_model.bin), or save a "
            "model of TensorFlow as one file, in Python: keras.models.load_model(\"FOLDER\").save(\"FILE.h5\")",
            w->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, FAIL_SYSTEM, "%s: not a regular file", w->path);
    w->nbytes = (uint64_t)st.st_size;
    return OK;
}

static enum status refuse_format(const struct weights *w, const unsigned char *head, struct error *err)
{
    const char *what = "convert the weights to one of these formats";

    for (size_t i = sizeof lookalikes / sizeof lookalikes[0]; i-- > 0;)
        if (memcmp(head, lookalikes[i].head, strlen(lookalikes[i].head)) == 0)
            what = lookalikes[i].what;
    return error_set(err, FAIL_UNSUPPORTED,
                     "%s: the first bytes are not those of ONNX, safetensors, HDF5 (Keras) or torch.save; %s", w->path,
                     what);
}

static enum status find_format(struct weights *w, struct error *err)
{
    unsigned char head[HEAD];

    if (w->nbytes < HEAD)
        return error_set(err, FAIL_FORMAT, "%s: %llu bytes are too few for a weights file", w->path,
                         (unsigned long long)w->nbytes);
    enum status rc = weights_pread(head, w, 0, HEAD, err);
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->recognise(head, HEAD)) {
            w->format = formats[i];
            return OK;
        }
    return refuse_format(w, head, err);
}

enum status weights_open_container(struct weights **out, const char *path, struct error *err)
{
    struct weights *w = calloc(1, sizeof *w);
    enum status rc;

    *out = NULL;
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return error_system(err, "%s", path);
    }
    w->fd = -1;
    TRY(open_file(w, err));
    TRY(find_format(w, err));
    TRY(w->format->open(w, err));
    TRY(check_duplicates(w, err));
    *out = w;
    w = NULL;
done:
    weights_close(w);
    return rc;
}

enum status weights_recognise(struct weights *w, struct error *err)
{
    return weights_names_recognise(w, err);
}

enum status weights_open(struct weights **out, const char *path, struct error *err)
{
    enum status rc;

    TRY(weights_open_container(out, path, err));
    TRY(weights_recognise(*out, err));
done:
    if (rc != OK) {
        weights_close(*out);
        *out = NULL;
    }
    return rc;
}

void weights_close(struct weights *w)
{
    if (!w)
        return;
    if (w->format)
        w->format->close(w);
    for (size_t i = 0; i < w->nrecords; i++)
        free(w->records[i].name);
    free(w->records);
    for (size_t i = 0; i < w->nremarks; i++) {
        free(w->remarks[i].key);
        free(w->remarks[i].value);
    }
    free(w->remarks);
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w);
}

const char *weights_format_name(const struct weights *w)
{
    return w->format->name;
}

const char *weights_place(const struct weights *w)
{
    return w->place;
}

size_t weights_ntensors(const struct weights *w)
{
    return w->nrecords;
}

const struct weights_tensor *weights_tensor(const struct weights *w, size_t tensor)
{
    return &w->records[tensor].info;
}

const char *weights_metadata(const struct weights *w, const char *key)
{
    for (size_t i = 0; i < w->nremarks; i++)
        if (strcmp(w->remarks[i].key, key) == 0)
            return w->remarks[i].value;
    return NULL;
}

size_t weights_nlayers(const struct weights *w)
{
    return w->nlayers;
}

const struct weights_layer *weights_layers(const struct weights *w)
{
    return w->layers;
}

size_t weights_floats(const struct weights *w)
{
    return w->nfloats;
}

bool weights_keras_preprocessing(const struct weights *w)
{
    return w->format->keras;
}

double weights_epsilon(const struct weights *w)
{
    for (size_t i = 0; i < w->nlayers; i++)
        if (w->layers[i].batchnorm)
            return w->layers[i].epsilon;
    return 0;
}

bool weights_batchnorm(const struct weights *w)
{
    return weights_epsilon(w) > 0;
}

void weights_set_epsilon(struct weights *w, double epsilon)
{
    for (size_t i = 0; i < w->nlayers; i++)
        if (w->layers[i].batchnorm)
            w->layers[i].epsilon = epsilon;
}

enum status weights_sha256(char hex[SHA256_HEX], const struct weights *w, struct error *err)
{
    enum { BUFFER = 1 << 18 };
    struct sha256 *s = NULL;
    unsigned char *buffer = malloc(BUFFER);
    enum status rc;

    if (!buffer) {
        rc = error_system(err, "%s", w->path);
        goto done;
    }
    TRY(sha256_create(&s, err));
    for (uint64_t at = 0; at < w->nbytes;) {
        size_t n = w->nbytes - at < BUFFER ? (size_t)(w->nbytes - at) : BUFFER;
        TRY(weights_pread(buffer, w, at, n, err));
        TRY(sha256_update(s, buffer, n, err));
        at += n;
    }
    TRY(sha256_finish(hex, s, err));
done:
    sha256_destroy(s);
    free(buffer);
    return rc;
}
