/* Stores, finished or not, and part files, as `info`, `run` and others read them. */
#include "partfile.h"
#include "samples.h"
#include "store.h"
#include "summary.h"
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 3, PATH = 512, WORDS = 16 };

static void read_attributes(const struct store_reader *reader, const char *object)
{
    struct store_names names;
    int64_t integer;
    double real;
    char *text;

    if (store_list_attributes(&names, reader, object, NULL) != OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        if (store_get_text(&text, reader, object, names.names[i], NULL) == OK)
            free(text);
        (void)store_get_int(&integer, reader, object, names.names[i], NULL);
        (void)store_get_real(&real, reader, object, names.names[i], NULL);
    }
    store_names_free(&names);
}

/* Rows are read as wide as the dataset says, from one to three of them. */
static void read_rows(const struct store_reader *reader, const char *path, const size_t *dims, size_t ndim)
{
    size_t width = 1, nrows = dims[0] < 3 ? dims[0] : 3;

    for (size_t d = 1; d < ndim; d++)
        if (__builtin_mul_overflow(width, dims[d], &width))
            return;
    double *rows = width < 1 << 20 ? malloc(nrows * width * sizeof *rows + 1) : NULL;
    if (rows)
        (void)store_read_rows(rows, reader, path, dims[0] - nrows, nrows, width, NULL);
    free(rows);
}

static void read_dataset(const struct store_reader *reader, const char *path)
{
    size_t ndim, dims[STORE_MAX_DIMS], count = STORE_ANY;
    uint64_t words[WORDS];
    int64_t *integers;
    double *reals;
    float *floats;
    char **texts;

    if (store_shape(&ndim, dims, reader, path, NULL) != OK)
        return;
    if (store_read_real(&reals, reader, path, ndim, dims, NULL) == OK)
        free(reals);
    if (store_read_float(&floats, reader, path, ndim, dims, NULL) == OK)
        free(floats);
    if (store_read_int(&integers, reader, path, ndim, dims, NULL) == OK)
        free(integers);
    if (store_read_text(&texts, reader, path, &count, NULL) == OK) {
        for (size_t i = 0; i < count; i++)
            (void)strlen(texts[i]);
        free(texts);
    }
    (void)store_read_words(words, reader, path, WORDS, NULL);
    if (ndim > 0)
        read_rows(reader, path, dims, ndim);
}

static void read_object(const struct store_reader *reader, const char *path, int depth)
{
    struct store_names names;
    char child[PATH];

    read_attributes(reader, path);
    read_dataset(reader, path);
    if (depth == 0 || store_list(&names, reader, path, NULL) != OK)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (snprintf(child, sizeof child, "%s%s%s", path, path[0] ? "/" : "", names.names[i]) < PATH)
            read_object(reader, child, depth - 1);
    store_names_free(&names);
}

void fuzz_store(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct store_reader *reader;
    struct summary summary;
    struct error err = {0}, why = {0};
    enum status rc = store_open_read(&reader, path, &err);

    (void)bytes, (void)nbytes;
    fuzz_check(rc, &err);
    if (rc != OK)
        return;
    read_object(reader, "", DEPTH);
    store_close(reader);
    fuzz_check(summary_read(&summary, path, &why), &why);
    summary_free(&summary);
}

void fuzz_part(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct partfile_reader *reader;
    struct partfile *part = NULL;
    struct error err = {0};
    enum status rc = partfile_reader_start(&reader, samples_columns, SAMPLES_COLUMNS, &err);

    (void)bytes, (void)nbytes;
    if (rc == OK)
        rc = partfile_open(&part, reader, path, &err);
    fuzz_check(rc, &err);
    for (size_t b = 0; rc == OK && b < partfile_nblocks(part) && b < 4; b++)
        for (size_t c = 0; c < SAMPLES_COLUMNS; c++) {
            struct error why = {0};
            void *rows = malloc(partfile_nrows(part, b) * samples_columns[c].width * sizeof(double));

            if (rows)
                fuzz_check(partfile_read(rows, part, b, c, &why), &why);
            free(rows);
        }
    partfile_close(part);
    partfile_reader_end(reader);
}
