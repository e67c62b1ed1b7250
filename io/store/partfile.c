/* HDF5 runs in a sandboxed process (io/base/sandbox.h), which answers one request after the other. */
#include "io/store/partfile_internal.h"

#include <stdlib.h>
#include <string.h>

struct partfile_reader {
    struct sandbox *sandbox;
    const struct partfile_column *columns; /* borrowed */
    size_t ncolumns;
};

struct partfile {
    struct partfile_reader *reader;
    char *path;
    size_t number; /* of the file in the sandboxed process */
    size_t nblocks, rows_per_block;
    int64_t *first_image, *nrows; /* [nblocks]; one allocation */
};

enum status partfile_reader_start(struct partfile_reader **out, const struct partfile_column *columns, size_t ncolumns,
                                  struct error *err)
{
    struct partfile_reader *reader = calloc(1, sizeof *reader);
    struct partfile_files files = {.columns = columns, .ncolumns = ncolumns};
    enum status rc = OK;

    *out = NULL;
    if (!reader)
        TRY(error_system(err, "no memory to read part files"));
    reader->columns = columns;
    reader->ncolumns = ncolumns;
    if (!partfile_good_columns(columns, ncolumns, 1))
        TRY(error_set(err, FAIL_LIMIT, "a part file cannot have these columns"));
    TRY(sandbox_start(&reader->sandbox, partfile_sandboxed_answer, &files, err));
    *out = reader;
    reader = NULL;
done:
    partfile_reader_end(reader);
    return rc;
}

void partfile_reader_end(struct partfile_reader *reader)
{
    if (!reader)
        return;
    sandbox_end(reader->sandbox);
    free(reader);
}

/* Take the list of blocks from a reply; false if it is not valid. */
static bool take_blocks(struct partfile *part, struct sandbox_reply *reply)
{
    size_t nblocks = reply->numbers[1], rows = reply->numbers[2];

    if (nblocks > PARTFILE_MAX_BLOCKS || reply->nbytes != 2 * nblocks * sizeof(int64_t) || rows < 1 ||
        rows > PARTFILE_MAX_BLOCK)
        return false;
    part->number = reply->numbers[0];
    part->nblocks = nblocks;
    part->rows_per_block = rows;
    part->first_image = reply->bytes;
    part->nrows = part->first_image + nblocks;
    reply->bytes = NULL;
    for (size_t b = 0; b < nblocks; b++)
        if (part->nrows[b] < 1 || part->nrows[b] > (int64_t)rows || part->first_image[b] < 0 ||
            part->first_image[b] > INT64_MAX - part->nrows[b])
            return false;
    return true;
}

enum status partfile_open(struct partfile **out, struct partfile_reader *reader, const char *path, struct error *err)
{
    const struct sandbox_request request = {.path = path, .op = PARTFILE_OP_OPEN, .texts = {path}};
    struct partfile *part = calloc(1, sizeof *part);
    struct sandbox_reply reply = {0};
    enum status rc = OK;

    *out = NULL;
    if (!part || !(part->path = strdup(path)))
        TRY(error_system(err, "%s: no memory to open it", path));
    part->reader = reader;
    TRY(sandbox_call(&reply, reader->sandbox, &request, err));
    if (!take_blocks(part, &reply))
        TRY(error_set(err, FAIL_FORMAT, "%s: its list of blocks is damaged", path));
    *out = part;
    part = NULL;
done:
    free(reply.bytes);
    if (part) {
        free(part->first_image);
        free(part->path);
        free(part);
    }
    return rc;
}

void partfile_close(struct partfile *part)
{
    if (!part)
        return;
    const struct sandbox_request request = {.path = part->path, .op = PARTFILE_OP_CLOSE, .numbers = {part->number}};

    (void)sandbox_call_into(NULL, 0, part->reader->sandbox, &request, NULL);
    free(part->first_image);
    free(part->path);
    free(part);
}

size_t partfile_nblocks(const struct partfile *part)
{
    return part->nblocks;
}

size_t partfile_rows_per_block(const struct partfile *part)
{
    return part->rows_per_block;
}

size_t partfile_first_image(const struct partfile *part, size_t block)
{
    return (size_t)part->first_image[block];
}

size_t partfile_nrows(const struct partfile *part, size_t block)
{
    return (size_t)part->nrows[block];
}

enum status partfile_read(void *out, const struct partfile *part, size_t block, size_t column, struct error *err)
{
    const struct partfile_column *c = &part->reader->columns[column];
    const struct sandbox_request request = {
        .path = part->path, .op = PARTFILE_OP_READ, .numbers = {part->number, block, column}};

    return sandbox_call_into(out, (size_t)part->nrows[block] * c->width * partfile_element_bytes[c->type],
                             part->reader->sandbox, &request, err);
}
