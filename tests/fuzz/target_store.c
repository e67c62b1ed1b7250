/* Stores, finished or not, and part files, as `info`, `run` and others read them. */
#include "io/store/partfile.h"
#include "io/store/store.h"
#include "pipeline/results/summary.h"
#include "tests/fuzz/samples.h"
#include "tests/fuzz/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 3, PATH = 512, WORDS = 16, ATTRIBUTES = 8 };

/* Requests cost time, as they go to another process: every object is read in one of several ways, and another input, or
 * another object of this one, in another. */
static void read_attribute(const struct store_reader *reader, const char *object, const char *name, size_t way)
{
    int64_t integer;
    double real;
    char *text = NULL;

    if (way % 3 == 0)
        (void)store_get_text(&text, reader, object, name, NULL);
    else if (way % 3 == 1)
        (void)store_get_int(&integer, reader, object, name, NULL);
    else
        (void)store_get_real(&real, reader, object, name, NULL);
    free(text);
}

static void read_attributes(const struct store_reader *reader, const char *object, size_t way)
{
    struct store_names names;

    if (store_list_attributes(&names, reader, object, NULL) != OK)
        return;
    for (size_t i = 0; i < names.count && i < ATTRIBUTES; i++)
        read_attribute(reader, object, names.names[i], way + i);
    store_names_free(&names);
}

/* Rows are read as wide as the dataset says, from one to three of them. */
static void read_rows(const struct store_reader *reader, const char *path, const size_t *dims, size_t ndim)
{
    size_t width = 1, nrows = ndim == 0 ? 0 : dims[0] < 3 ? dims[0] : 3;

    for (size_t d = 1; d < ndim; d++)
        if (__builtin_mul_overflow(width, dims[d], &width))
            return;
    double *rows = width < 1 << 20 && ndim > 0 ? malloc(nrows * width * sizeof *rows + 1) : NULL;
    if (rows)
        (void)store_read_rows(rows, reader, path, dims[0] - nrows, nrows, width, NULL);
    free(rows);
}

static void read_texts(const struct store_reader *reader, const char *path)
{
    size_t count = STORE_ANY;
    char **texts;

    if (store_read_text(&texts, reader, path, &count, NULL) != OK)
        return;
    for (size_t i = 0; i < count; i++)
        (void)strlen(texts[i]);
    free(texts);
}

static void read_dataset(const struct store_reader *reader, const char *path, size_t way)
{
    size_t ndim, dims[STORE_MAX_DIMS];
    uint64_t words[WORDS];
    void *elements = NULL;

    if (store_shape(&ndim, dims, reader, path, NULL) != OK)
        return;
    if (way % 6 == 0)
        (void)store_read_real((double **)&elements, reader, path, ndim, dims, NULL);
    else if (way % 6 == 1)
        (void)store_read_float((float **)&elements, reader, path, ndim, dims, NULL);
    else if (way % 6 == 2)
        (void)store_read_int((int64_t **)&elements, reader, path, ndim, dims, NULL);
    else if (way % 6 == 3)
        read_texts(reader, path);
    else if (way % 6 == 4)
        (void)store_read_words(words, reader, path, WORDS, NULL);
    else
        read_rows(reader, path, dims, ndim);
    free(elements);
}

static void read_object(const struct store_reader *reader, const char *path, int depth, size_t way)
{
    struct store_names names;
    char child[PATH];

    read_attributes(reader, path, way);
    if (depth == 0 || store_list(&names, reader, path, NULL) != OK) {
        read_dataset(reader, path, way);
        return;
    }
    for (size_t i = 0; i < names.count; i++)
        if (snprintf(child, sizeof child, "%s%s%s", path, path[0] ? "/" : "", names.names[i]) < PATH)
            read_object(reader, child, depth - 1, way + i);
    store_names_free(&names);
}

void fuzz_store(const char *path, const unsigned char *bytes, size_t nbytes)
{
    struct store_reader *reader;
    struct summary summary;
    struct error err = {0}, why = {0};
    enum status rc = store_open_read(&reader, path, &err);

    fuzz_check(rc, &err);
    if (rc != OK)
        return;
    read_object(reader, "", DEPTH, nbytes > 0 ? bytes[nbytes / 2] : 0);
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
