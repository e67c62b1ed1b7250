/* HDF5 runs in a sandboxed process (io/base/sandbox.h), which answers one request after the other. */
#include "io/store/sandboxed.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 28 };

struct store_reader {
    char *path;
    uint64_t nbytes;
    struct sandbox *sandbox;
};

static enum status damaged(const struct store_reader *reader, const char *path, struct error *err)
{
    return error_set(err, FAIL_FORMAT, "%s: /%s is damaged", reader->path, path);
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static enum status start_sandbox(struct store_reader *reader, const char *path, struct error *err)
{
    struct store_sandboxed state = {.path = path, .file = H5I_INVALID_HID};
    const struct sandbox_request request = {.path = reader->path, .op = STORE_OP_OPEN};
    struct sandbox_reply reply;
    enum status rc;

    TRY(sandbox_start(&reader->sandbox, store_sandboxed_answer, &state, err));
    TRY(sandbox_call(&reply, reader->sandbox, &request, err));
    reader->nbytes = reply.numbers[0];
    free(reply.bytes);
done:
    return rc;
}

enum status store_open_read(struct store_reader **out, const char *path, struct error *err)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    enum status rc = OK;

    *out = NULL;
    if (!reader || !(reader->path = strdup(path)))
        TRY(error_system(err, "%s: no memory to open it", path));
    TRY(start_sandbox(reader, path, err));
    *out = reader;
    reader = NULL;
done:
    store_close(reader);
    return rc;
}

void store_close(struct store_reader *reader)
{
    if (!reader)
        return;
    sandbox_end(reader->sandbox);
    free(reader->path);
    free(reader);
}

uint64_t store_file_bytes(const struct store_reader *reader)
{
    return reader->nbytes;
}

/* ---- questions about an object --------------------------------------------------------------------------------- */

static enum status ask(struct sandbox_reply *reply, const struct store_reader *reader, enum store_op op,
                       const char *object, const char *name, struct error *err)
{
    const struct sandbox_request request = {.path = reader->path, .op = op, .texts = {object, name}};

    return sandbox_call(reply, reader->sandbox, &request, err);
}

static bool is_true(const struct store_reader *reader, enum store_op op, const char *object, const char *name)
{
    struct sandbox_reply reply;
    bool yes = ask(&reply, reader, op, object, name, NULL) == OK && reply.numbers[0] == 1;

    free(reply.bytes);
    return yes;
}

bool store_has(const struct store_reader *reader, const char *path)
{
    return is_true(reader, STORE_OP_HAS, path, NULL);
}

bool store_has_attribute(const struct store_reader *reader, const char *object, const char *name)
{
    return is_true(reader, STORE_OP_HAS_ATTRIBUTE, object, name);
}

enum status store_get_text(char **out, const struct store_reader *reader, const char *object, const char *name,
                           struct error *err)
{
    struct sandbox_reply reply;
    enum status rc = ask(&reply, reader, STORE_OP_GET_TEXT, object, name, err);

    *out = reply.bytes;
    return rc;
}

static enum status get_number(void *out, const struct store_reader *reader, enum store_op op, const char *object,
                              const char *name, struct error *err)
{
    const struct sandbox_request request = {.path = reader->path, .op = op, .texts = {object, name}};

    return sandbox_call_into(out, 8, reader->sandbox, &request, err);
}

enum status store_get_int(int64_t *out, const struct store_reader *reader, const char *object, const char *name,
                          struct error *err)
{
    return get_number(out, reader, STORE_OP_GET_INT, object, name, err);
}

enum status store_get_real(double *out, const struct store_reader *reader, const char *object, const char *name,
                           struct error *err)
{
    return get_number(out, reader, STORE_OP_GET_REAL, object, name, err);
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

static enum status copy_names(struct store_names *out, const struct sandbox_reply *reply,
                              const struct store_reader *reader, const char *path, struct error *err)
{
    const char *at = reply->bytes, *end = at + reply->nbytes;
    size_t count = reply->numbers[0];

    if (count > STORE_MAX_NAMES)
        return damaged(reader, path, err);
    out->names = calloc(count + 1, sizeof *out->names);
    if (!out->names)
        return error_system(err, "%s: no memory for a list of names", reader->path);
    for (; out->count < count; out->count++) {
        if (at >= end)
            return damaged(reader, path, err);
        out->names[out->count] = strdup(at); /* a NUL follows all bytes */
        if (!out->names[out->count])
            return error_system(err, "%s: no memory for a list of names", reader->path);
        at += strlen(at) + 1;
    }
    return OK;
}

static enum status get_names(struct store_names *out, const struct store_reader *reader, enum store_op op,
                             const char *path, struct error *err)
{
    struct sandbox_reply reply;
    enum status rc;

    *out = (struct store_names){0};
    TRY(ask(&reply, reader, op, path, NULL, err));
    rc = copy_names(out, &reply, reader, path, err);
    free(reply.bytes);
done:
    if (rc != OK)
        store_names_free(out);
    return rc;
}

enum status store_list(struct store_names *out, const struct store_reader *reader, const char *group, struct error *err)
{
    return get_names(out, reader, STORE_OP_LIST, group, err);
}

enum status store_list_attributes(struct store_names *out, const struct store_reader *reader, const char *object,
                                  struct error *err)
{
    return get_names(out, reader, STORE_OP_ATTRIBUTES, object, err);
}

/* ---- datasets -------------------------------------------------------------------------------------------------- */

enum status store_shape(size_t *ndim, size_t *dims, const struct store_reader *reader, const char *path,
                        struct error *err)
{
    struct sandbox_reply reply;
    enum status rc;

    TRY(ask(&reply, reader, STORE_OP_SHAPE, path, NULL, err));
    free(reply.bytes);
    *ndim = reply.numbers[0];
    if (*ndim > STORE_MAX_DIMS)
        TRY(damaged(reader, path, err));
    memcpy(dims, &reply.numbers[1], *ndim * sizeof *dims);
done:
    return rc;
}

uint64_t store_dataset_bytes(const struct store_reader *reader, const char *path)
{
    struct sandbox_reply reply;

    if (ask(&reply, reader, STORE_OP_BYTES, path, NULL, NULL) != OK)
        return 0;
    free(reply.bytes);
    return reply.numbers[0];
}

/* Accept the lengths of a reply: they must match the expected ones and, times `element_bytes`, the size of the reply.
 * */
static bool take_dims(size_t *dims, const struct sandbox_reply *reply, size_t ndim, size_t element_bytes)
{
    size_t nbytes = element_bytes;

    for (size_t d = 0; d < ndim; d++) {
        size_t found = reply->numbers[d + 1];

        if ((dims[d] != STORE_ANY && dims[d] != found) || __builtin_mul_overflow(nbytes, found, &nbytes))
            return false;
        dims[d] = found;
    }
    return nbytes == reply->nbytes;
}

static enum status read_numbers(void **out, const struct store_reader *reader, enum store_op op, size_t element_bytes,
                                const char *path, size_t ndim, size_t *dims, struct error *err)
{
    struct sandbox_request request = {.path = reader->path, .op = op, .numbers = {ndim}, .texts = {path}};
    struct sandbox_reply reply = {0};
    enum status rc = OK;

    *out = NULL;
    if (ndim > STORE_MAX_DIMS)
        TRY(error_set(err, FAIL_FORMAT, "%s: /%s cannot have %zu axes", reader->path, path, ndim));
    for (size_t d = 0; d < ndim; d++)
        request.numbers[d + 1] = dims[d];
    TRY(sandbox_call(&reply, reader->sandbox, &request, err));
    if (!take_dims(dims, &reply, ndim, element_bytes))
        TRY(damaged(reader, path, err));
    *out = reply.bytes;
    reply.bytes = NULL;
done:
    free(reply.bytes);
    return rc;
}

enum status store_read_real(double **out, const struct store_reader *reader, const char *path, size_t ndim,
                            size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, reader, STORE_OP_REAL, sizeof **out, path, ndim, dims, err);

    *out = data;
    return rc;
}

enum status store_read_float(float **out, const struct store_reader *reader, const char *path, size_t ndim,
                             size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, reader, STORE_OP_FLOAT, sizeof **out, path, ndim, dims, err);

    *out = data;
    return rc;
}

enum status store_read_int(int64_t **out, const struct store_reader *reader, const char *path, size_t ndim,
                           size_t *dims, struct error *err)
{
    void *data;
    enum status rc = read_numbers(&data, reader, STORE_OP_INT, sizeof **out, path, ndim, dims, err);

    *out = data;
    return rc;
}

/* One block: the pointers, then the strings as they are in the reply, each with a NUL. */
static enum status place_strings(char ***out, const struct sandbox_reply *reply, const struct store_reader *reader,
                                 const char *path, struct error *err)
{
    size_t count = reply->numbers[0];

    if (count > reply->nbytes)
        return damaged(reader, path, err);
    char **values = malloc((count + 1) * sizeof *values + reply->nbytes), *text = (char *)(values + count + 1);
    char *end = text + reply->nbytes;
    if (!values)
        return error_system(err, "%s: no memory for /%s", reader->path, path);
    memcpy(text, reply->bytes, reply->nbytes);
    for (size_t i = 0; i < count; i++) {
        char *nul = memchr(text, '\0', (size_t)(end - text));

        if (!nul) {
            free(values);
            return damaged(reader, path, err);
        }
        values[i] = text;
        text = nul + 1;
    }
    *out = values;
    return OK;
}

enum status store_read_text(char ***out, const struct store_reader *reader, const char *path, size_t *count,
                            struct error *err)
{
    const struct sandbox_request request = {
        .path = reader->path, .op = STORE_OP_TEXT, .numbers = {*count}, .texts = {path}};
    struct sandbox_reply reply;
    enum status rc;

    *out = NULL;
    TRY(sandbox_call(&reply, reader->sandbox, &request, err));
    if (*count == STORE_ANY || *count == reply.numbers[0])
        rc = place_strings(out, &reply, reader, path, err);
    else
        rc = damaged(reader, path, err);
    *count = reply.numbers[0];
    free(reply.bytes);
done:
    return rc;
}

enum status store_read_words(void *out, const struct store_reader *reader, const char *path, size_t n,
                             struct error *err)
{
    size_t most = PIECE_BYTES / sizeof(uint64_t), first = 0;
    enum status rc;

    do {
        size_t count = n - first < most ? n - first : most;
        const struct sandbox_request request = {
            .path = reader->path, .op = STORE_OP_WORDS, .numbers = {n, first, count}, .texts = {path}};

        TRY(sandbox_call_into((uint64_t *)out + first, count * sizeof(uint64_t), reader->sandbox, &request, err));
        first += count;
    } while (first < n);
done:
    return rc;
}

enum status store_read_slab(void *out, const struct store_reader *reader, const char *path,
                            const struct store_slab *slab, struct error *err)
{
    size_t row_bytes = slab->width * slab->element_bytes, end = slab->first + slab->nrows;
    size_t most = row_bytes && row_bytes < PIECE_BYTES ? PIECE_BYTES / row_bytes : 1;
    struct store_slab piece = *slab;
    char *to = out;
    enum status rc;

    do {
        piece.nrows = end - piece.first < most ? end - piece.first : most;
        const struct sandbox_request request = {
            .path = reader->path, .op = STORE_OP_SLAB, .texts = {path}, .bytes = &piece, .nbytes = sizeof piece};

        TRY(sandbox_call_into(to, piece.nrows * row_bytes, reader->sandbox, &request, err));
        to += piece.nrows * row_bytes;
        piece.first += piece.nrows;
    } while (piece.first < end);
done:
    return rc;
}

enum status store_read_rows(double *out, const struct store_reader *reader, const char *path, size_t first,
                            size_t nrows, size_t width, struct error *err)
{
    const struct store_slab slab = {first, nrows, width, STORE_F64, sizeof *out, true};

    return store_read_slab(out, reader, path, &slab, err);
}

/* ---- problems -------------------------------------------------------------------------------------------------- */

/* The reply is place and problem in turn, each with a NUL; another NUL follows all bytes. */
static enum status copy_problems(struct store_problems *problems, const struct sandbox_reply *reply,
                                 const struct store_reader *reader, struct error *err)
{
    const char *at = reply->bytes, *end = at + reply->nbytes;

    for (size_t i = 0; i < reply->numbers[0]; i++) {
        const char *what = at < end ? at + strlen(at) + 1 : end;

        if (what >= end || *at != '/')
            return damaged(reader, "", err);
        store_problem_add(problems, at + 1, "%s", what);
        at = what + strlen(what) + 1;
    }
    problems->left_out += reply->numbers[1];
    problems->datasets = reply->numbers[2];
    problems->unreadable = reply->numbers[3] != 0;
    return OK;
}

enum status store_check(struct store_problems *problems, const struct store_reader *reader, struct error *err)
{
    struct sandbox_reply reply;
    enum status rc;

    TRY(ask(&reply, reader, STORE_OP_CHECK, NULL, NULL, err));
    rc = copy_problems(problems, &reply, reader, err);
    free(reply.bytes);
done:
    return rc;
}
