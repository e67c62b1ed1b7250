#include "io/export/html_page.h"

#include "io/base/fault.h"
#include "io/base/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

enum { PIECE = 1 << 15, LEVEL = 6 };

struct html_page {
    char *path, *temporary;
    FILE *file;
    z_stream stream;
    bool deflating;
    size_t added;           /* bytes into the stream */
    unsigned char carry[3]; /* bytes that do not fill a base64 group yet */
    size_t ncarry;
};

/* ---- the file -------------------------------------------------------------------------------------------------- */

static enum status put(struct html_page *page, const void *bytes, size_t count, struct error *err)
{
    if (!fault_hit(FAULT_WRITE) && fwrite(bytes, 1, count, page->file) == count)
        return OK;
    return error_system(err, "%s: cannot be written", page->temporary);
}

static enum status put_text(struct html_page *page, const char *text, struct error *err)
{
    return put(page, text, strlen(text), err);
}

static enum status open_file(struct html_page *page, struct error *err)
{
    struct stat there;

    if (stat(page->path, &there) == 0 && !S_ISREG(there.st_mode))
        return error_set(err, FAIL_CONFIG, "%s exists and is not a regular file; choose another name", page->path);
    int fd = fault_hit(FAULT_CREATE) ? -1 : open(page->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    page->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (page->file)
        return OK;
    enum status rc = error_system(err, "%s: cannot be created", page->temporary);

    if (fd >= 0) {
        close(fd);
        unlink(page->temporary);
    }
    return rc;
}

static enum status new_page(struct html_page **out, const char *path, struct error *err)
{
    struct html_page *page = calloc(1, sizeof *page);
    size_t n = 32;

    *out = page;
    if (page) {
        page->path = target_path(path);
        n += page->path ? strlen(page->path) : 0;
        page->temporary = malloc(n);
    }
    if (!page || !page->path || !page->temporary)
        return error_system(err, "%s: no memory for a page", path);
    snprintf(page->temporary, n, "%s.tmp-%ld", page->path, (long)getpid());
    return OK;
}

static void free_page(struct html_page *page)
{
    if (page->deflating)
        deflateEnd(&page->stream);
    free(page->path);
    free(page->temporary);
    free(page);
}

void html_page_discard(struct html_page *page)
{
    if (!page)
        return;
    if (page->file) {
        fclose(page->file);
        unlink(page->temporary);
    }
    free_page(page);
}

enum status html_page_create(struct html_page **out, const char *path, const unsigned char *head, size_t nhead,
                             struct error *err)
{
    enum status rc = OK;
    struct html_page *page = NULL;

    *out = NULL;
    TRY(new_page(&page, path, err));
    TRY(open_file(page, err));
    page->deflating = deflateInit(&page->stream, LEVEL) == Z_OK;
    if (!page->deflating)
        TRY(error_set(err, FAIL_RESOURCE, "%s: no memory to compress a page", path));
    TRY(put(page, head, nhead, err));
    TRY(put_text(page, "<script id=\"page-data\" type=\"application/octet-stream\">", err));
    *out = page;
    page = NULL;
done:
    html_page_discard(page);
    return rc;
}

/* ---- base64 ---------------------------------------------------------------------------------------------------- */

static void encode(char to[4], const unsigned char from[3])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned long word = (unsigned long)from[0] << 16 | (unsigned long)from[1] << 8 | from[2];

    for (int i = 0; i < 4; i++)
        to[i] = digits[word >> (18 - 6 * i) & 63];
}

static enum status put_base64(struct html_page *page, const unsigned char *bytes, size_t count, struct error *err)
{
    char text[4 * (PIECE / 3 + 2)];
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        page->carry[page->ncarry++] = bytes[i];
        if (page->ncarry == 3) {
            encode(text + n, page->carry);
            n += 4;
            page->ncarry = 0;
        }
    }
    return put(page, text, n, err);
}

static enum status end_base64(struct html_page *page, struct error *err)
{
    size_t n = page->ncarry;
    char text[4];

    if (n == 0)
        return OK;
    memset(page->carry + n, 0, 3 - n);
    encode(text, page->carry);
    memset(text + n + 1, '=', 3 - n);
    return put(page, text, 4, err);
}

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

static enum status compress_bytes(struct html_page *page, const unsigned char *bytes, size_t count, int flush,
                                  struct error *err)
{
    unsigned char out[PIECE];
    enum status rc = OK;

    page->stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
    page->stream.avail_in = (uInt)count;
    do {
        page->stream.next_out = out;
        page->stream.avail_out = PIECE;
        if (deflate(&page->stream, flush) == Z_STREAM_ERROR)
            return error_set(err, FAIL_SYSTEM, "%s: zlib cannot compress the page", page->path);
        rc = put_base64(page, out, PIECE - page->stream.avail_out, err);
    } while (rc == OK && page->stream.avail_out == 0);
    page->added += count;
    return rc;
}

enum status html_page_add_bytes(size_t *offset, struct html_page *page, const unsigned char *bytes, size_t count,
                                struct error *err)
{
    enum status rc = OK;

    *offset = page->added;
    for (size_t done = 0; rc == OK && done < count; done += PIECE)
        rc = compress_bytes(page, bytes + done, count - done < PIECE ? count - done : PIECE, Z_NO_FLUSH, err);
    return rc;
}

/* Add `count` words byte by byte: the lowest bytes of all words first. */
static enum status add_words(size_t *offset, struct html_page *page, const uint32_t *words, size_t count,
                             struct error *err)
{
    enum status rc = OK;
    unsigned char piece[PIECE];

    *offset = page->added;
    for (unsigned plane = 0; plane < 4; plane++)
        for (size_t first = 0; rc == OK && first < count; first += PIECE) {
            size_t n = count - first < PIECE ? count - first : PIECE;
            for (size_t i = 0; i < n; i++)
                piece[i] = (unsigned char)(words[first + i] >> (8 * plane));
            rc = compress_bytes(page, piece, n, Z_NO_FLUSH, err);
        }
    return rc;
}

static enum status new_words(uint32_t **words, const struct html_page *page, size_t count, struct error *err)
{
    *words = calloc(count + 1, sizeof **words);
    return *words ? OK : error_system(err, "%s: no memory for an array of the page", page->path);
}

/* The nearest float with `bits` bits of fraction; ties away from zero. */
static uint32_t rounded(double value, int bits)
{
    float single = (float)value;
    uint32_t word, unit = (uint32_t)1 << (PAGE_ALL_BITS - bits), exponent = 0x7f800000;

    memcpy(&word, &single, sizeof word);
    if ((word & exponent) == exponent || unit == 1)
        return word;
    word += unit / 2; /* may carry into the exponent, as it should */
    return word & ~(unit - 1);
}

enum status html_page_add_real(size_t *offset, struct html_page *page, const double *values, size_t count, int bits,
                               struct error *err)
{
    uint32_t *words;
    enum status rc = new_words(&words, page, count, err);

    if (rc == OK) {
        for (size_t i = 0; i < count; i++)
            words[i] = rounded(values[i], bits);
        rc = add_words(offset, page, words, count, err);
    }
    free(words);
    return rc;
}

enum status html_page_add_int(size_t *offset, struct html_page *page, const int64_t *values, size_t count,
                              struct error *err)
{
    uint32_t *words;
    enum status rc = new_words(&words, page, count, err);

    for (size_t i = 0; rc == OK && i < count; i++) {
        if (values[i] < INT32_MIN || values[i] > INT32_MAX)
            rc = error_set(err, FAIL_LIMIT, "%s: the integer %lld is too large for a page", page->path,
                           (long long)values[i]);
        words[i] = (uint32_t)values[i];
    }
    if (rc == OK)
        rc = add_words(offset, page, words, count, err);
    free(words);
    return rc;
}

/* ---- end ------------------------------------------------------------------------------------------------------- */

/* JSON inside of HTML must not contain '<'; in JSON it occurs in strings only, where it can be escaped. */
static enum status put_json(struct html_page *page, const char *json, struct error *err)
{
    enum status rc = OK;

    for (size_t n; rc == OK && *json; json += n) {
        n = strcspn(json, "<");
        rc = put(page, json, n, err);
        if (rc == OK && json[n] == '<') {
            rc = put_text(page, "\\u003c", err);
            n++;
        }
    }
    return rc;
}

/* Sync the file to disk and close it. */
static enum status close_file(size_t *nbytes, struct html_page *page, struct error *err)
{
    struct stat written;
    bool synced = fflush(page->file) == 0 && !fault_hit(FAULT_SYNC) && target_sync(fileno(page->file)) &&
                  fstat(fileno(page->file), &written) == 0;
    enum status rc = synced ? OK : error_system(err, "%s: cannot be written", page->temporary);
    bool closed = fclose(page->file) == 0;

    page->file = NULL;
    if (rc == OK && !closed)
        rc = error_system(err, "%s: cannot be written", page->temporary);
    if (rc == OK)
        *nbytes = (size_t)written.st_size;
    return rc;
}

enum status html_page_commit(size_t *nbytes, struct html_page *page, const char *json, const unsigned char *tail,
                             size_t ntail, struct error *err)
{
    enum status rc = OK;

    TRY(compress_bytes(page, NULL, 0, Z_FINISH, err));
    TRY(end_base64(page, err));
    TRY(put_text(page, "</script>\n<script id=\"page-json\" type=\"application/json\">", err));
    TRY(put_json(page, json, err));
    TRY(put_text(page, "</script>\n", err));
    TRY(put(page, tail, ntail, err));
    TRY(close_file(nbytes, page, err));
    if (fault_hit(FAULT_RENAME) || rename(page->temporary, page->path) != 0)
        rc = error_system(err, "%s: cannot be renamed to %s", page->temporary, page->path);
done:
    if (rc != OK && !page->file)
        unlink(page->temporary);
    if (rc == OK)
        free_page(page);
    else
        html_page_discard(page);
    return rc;
}
