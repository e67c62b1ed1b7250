#include "io/store/sandboxed.h"

#include <stdlib.h>
#include <string.h>

static enum status no_memory(const struct store_sandboxed *reader, struct error *err)
{
    return error_set(err, FAIL_RESOURCE, "%s: no memory to read it", reader->path);
}

/* A reply of a few bytes. */
static enum status reply_copy(struct sandbox_reply *reply, const void *bytes, size_t nbytes,
                              const struct store_sandboxed *reader, struct error *err)
{
    reply->bytes = malloc(nbytes);
    if (!reply->bytes)
        return no_memory(reader, err);
    memcpy(reply->bytes, bytes, nbytes);
    reply->nbytes = nbytes;
    return OK;
}

static enum status reply_number(struct sandbox_reply *reply, const struct store_sandboxed *reader,
                                const struct sandbox_request *r, struct error *err)
{
    int64_t integer = 0;
    double real = 0;
    bool whole = r->op == STORE_OP_GET_INT;
    enum status rc = OK;

    TRY(whole ? store_sandboxed_get_int(&integer, reader, r->texts[0], r->texts[1], err)
              : store_sandboxed_get_real(&real, reader, r->texts[0], r->texts[1], err));
    rc = whole ? reply_copy(reply, &integer, sizeof integer, reader, err)
               : reply_copy(reply, &real, sizeof real, reader, err);
done:
    return rc;
}

static enum status reply_text(struct sandbox_reply *reply, const struct store_sandboxed *reader,
                              const struct sandbox_request *r, struct error *err)
{
    char *text = NULL;
    enum status rc = store_sandboxed_get_text(&text, reader, r->texts[0], r->texts[1], err);

    reply->bytes = text;
    reply->nbytes = text ? strlen(text) : 0;
    return rc;
}

static enum status reply_names(struct sandbox_reply *reply, const struct store_sandboxed *reader,
                               const struct sandbox_request *r, struct error *err)
{
    struct store_names names = {0};
    size_t nbytes = 0;
    char *text = NULL;
    enum status rc;

    TRY(r->op == STORE_OP_LIST ? store_sandboxed_list(&names, reader, r->texts[0], err)
                               : store_sandboxed_list_attributes(&names, reader, r->texts[0], err));
    for (size_t i = 0; i < names.count; i++)
        nbytes += strlen(names.names[i]) + 1;
    text = malloc(nbytes + 1);
    if (!text)
        TRY(no_memory(reader, err));
    reply->bytes = text;
    reply->nbytes = nbytes;
    reply->numbers[0] = names.count;
    for (size_t i = 0; i < names.count; i++, text += strlen(text) + 1)
        memcpy(text, names.names[i], strlen(names.names[i]) + 1);
done:
    store_names_free(&names);
    return rc;
}

static enum status reply_check(struct sandbox_reply *reply, const struct store_sandboxed *reader, struct error *err)
{
    struct store_problems problems = {0};
    size_t nbytes = 0;
    enum status rc = OK;

    TRY(store_sandboxed_check(&problems, reader, err));
    for (size_t i = 0; i < problems.count; i++)
        nbytes += strlen(problems.items[i].place) + strlen(problems.items[i].what) + 2;
    char *at = malloc(nbytes + 1);
    if (!at)
        TRY(no_memory(reader, err));
    reply->bytes = at;
    reply->nbytes = nbytes;
    reply->numbers[0] = problems.count;
    reply->numbers[1] = problems.left_out;
    reply->numbers[2] = problems.datasets;
    reply->numbers[3] = problems.unreadable;
    for (size_t i = 0; i < problems.count; i++) {
        at = stpcpy(at, problems.items[i].place) + 1;
        at = stpcpy(at, problems.items[i].what) + 1;
    }
done:
    store_problems_free(&problems);
    return rc;
}

static enum status reply_words(struct sandbox_reply *reply, const struct store_sandboxed *reader,
                               const struct sandbox_request *r, struct error *err)
{
    reply->nbytes = r->numbers[2] * sizeof(uint64_t);
    return store_sandboxed_read_words(&reply->bytes, reader, r->texts[0], r->numbers[0], r->numbers[1], r->numbers[2],
                                      err);
}

static enum status reply_slab(struct sandbox_reply *reply, const struct store_sandboxed *reader,
                              const struct sandbox_request *r, struct error *err)
{
    struct store_slab slab;

    memcpy(&slab, r->bytes, sizeof slab);
    reply->nbytes = slab.nrows * slab.width * slab.element_bytes;
    return store_sandboxed_read_slab(&reply->bytes, reader, r->texts[0], &slab, err);
}

/* A request whose path is that of this version. */
static struct sandbox_request place_request(const struct store_sandboxed *reader, const struct sandbox_request *request)
{
    struct sandbox_request placed = *request;

    if (placed.texts[0])
        placed.texts[0] = store_path_in(placed.texts[0], reader->version);
    return placed;
}

enum status store_sandboxed_answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *request,
                                   struct error *err)
{
    struct store_sandboxed *reader = state;
    const struct sandbox_request placed = place_request(reader, request), *r = &placed;
    enum status rc = OK;

    memcpy(reply->numbers, r->numbers, sizeof reply->numbers);
    switch ((enum store_op)r->op) {
    case STORE_OP_OPEN:
        rc = store_sandboxed_open(reader, err);
        reply->numbers[0] = (size_t)reader->nbytes;
        return rc;
    case STORE_OP_HAS:
        reply->numbers[0] = store_sandboxed_has(reader, r->texts[0]);
        return OK;
    case STORE_OP_HAS_ATTRIBUTE:
        reply->numbers[0] = store_sandboxed_has_attribute(reader, r->texts[0], r->texts[1]);
        return OK;
    case STORE_OP_GET_TEXT:
        return reply_text(reply, reader, r, err);
    case STORE_OP_GET_INT:
    case STORE_OP_GET_REAL:
        return reply_number(reply, reader, r, err);
    case STORE_OP_LIST:
    case STORE_OP_ATTRIBUTES:
        return reply_names(reply, reader, r, err);
    case STORE_OP_SHAPE:
        return store_sandboxed_shape(&reply->numbers[0], &reply->numbers[1], reader, r->texts[0], err);
    case STORE_OP_BYTES:
        reply->numbers[0] = store_sandboxed_bytes(reader, r->texts[0]);
        return OK;
    case STORE_OP_REAL:
    case STORE_OP_FLOAT:
    case STORE_OP_INT:
        return store_sandboxed_read(&reply->bytes, &reply->nbytes, reader, r->texts[0], (enum store_op)r->op,
                                    r->numbers[0], &reply->numbers[1], err);
    case STORE_OP_TEXT:
        return store_sandboxed_read_text(&reply->bytes, &reply->nbytes, reader, r->texts[0], &reply->numbers[0], err);
    case STORE_OP_WORDS:
        return reply_words(reply, reader, r, err);
    case STORE_OP_CHECK:
        return reply_check(reply, reader, err);
    case STORE_OP_SLAB:
        return reply_slab(reply, reader, r, err);
    case STORE_NOPS:
        break;
    }
    return error_set(err, FAIL_FORMAT, "%s: %zu is not an operation on a store", reader->path, r->op);
}
