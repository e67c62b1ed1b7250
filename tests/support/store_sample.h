/* A store with every field of the table, whose numbers follow from the field's place in the table and the element's. */
#ifndef NRMFLOW_TESTS_SUPPORT_STORE_SAMPLE_H
#define NRMFLOW_TESTS_SUPPORT_STORE_SAMPLE_H

#include "io/store/store.h"
#include "tests/support/store_files.h"

static const struct {
    const char *name;
    size_t length;
} sample_axes[] = {
    {"image", 700},    {"variable", 4}, {"channel", 6}, {"bin", 120},     {"edge", 121},         {"class", 9},
    {"flow_class", 3}, {"y", 12},       {"x", 11},      {"rank", 3},      {"upper_channel", 40}, {"lower_channel", 30},
    {"word", 1000},    {"weighted", 5}, {"size", 2},    {"part", 3},      {"link", 7},           {"connection", 8},
    {"outcome", 3},    {"likeness", 3}, {"half", 3},    {"fraction", 17}, {"draw", 16},          {"answer", 13},
};

static inline size_t sample_dims(size_t *dims, const struct store_field *field)
{
    size_t ndim = 0;

    for (const char *at = field->axes; *at; ndim++) {
        size_t length = strcspn(at, ",");

        dims[ndim] = 0;
        for (size_t i = 0; i < sizeof sample_axes / sizeof sample_axes[0]; i++)
            if (strlen(sample_axes[i].name) == length && strncmp(sample_axes[i].name, at, length) == 0)
                dims[ndim] = sample_axes[i].length;
        if (dims[ndim] == 0)
            fail_msg("the sample has no length of the axes %s", field->axes);
        at += length + (at[length] == ',');
    }
    return ndim;
}

static inline double sample_value(size_t field, size_t element)
{
    return (double)(100000 * field + element) / 8;
}

static inline void *sample_numbers(enum store_type type, size_t field, size_t count)
{
    void *data = calloc(count, 8);

    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        double value = sample_value(field, i);

        switch (type) {
        case STORE_F32:
            ((float *)data)[i] = (float)value;
            break;
        case STORE_F64:
            ((double *)data)[i] = value;
            break;
        case STORE_I32:
            ((int32_t *)data)[i] = (int32_t)(8 * value);
            break;
        case STORE_I64:
            ((int64_t *)data)[i] = (int64_t)(8 * value) << 20;
            break;
        case STORE_U64:
            ((uint64_t *)data)[i] = (uint64_t)(8 * value) << 20;
            break;
        default:
            ((uint8_t *)data)[i] = (uint8_t)(i % STORE_NSTATUS);
        }
    }
    return data;
}

/* "field.element", with letters beyond ASCII, of different lengths. */
static inline void sample_string(char *text, size_t nbytes, size_t field, size_t element)
{
    snprintf(text, nbytes, "%zu.%zu%s", field, element, element % 3 ? "" : " na\xc3\xafve \xe2\x82\xac");
}

static inline enum status sample_write_text(struct store *store, const char *path, size_t field, size_t count,
                                            struct error *err)
{
    char(*texts)[64] = calloc(count, sizeof *texts);
    const char **values = calloc(count, sizeof *values);

    assert_non_null(texts);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        sample_string(texts[i], sizeof texts[i], field, i);
        values[i] = texts[i];
    }
    enum status rc = store_write_text(store, path, values, count, err);

    free(values);
    free(texts);
    return rc;
}

/* The path of a field with "sample" for every star. */
static inline void sample_path(char *path, size_t nbytes, const struct store_field *field)
{
    size_t used = 0;

    for (const char *at = field->path; *at && used < nbytes; at++)
        used += (size_t)snprintf(path + used, nbytes - used, "%s", *at == '*' ? "sample" : (char[2]){*at, 0});
}

static inline enum status sample_write_field(struct store *store, size_t index, struct error *err)
{
    size_t nfields, dims[STORE_MAX_DIMS], count = 1;
    const struct store_field *field = &store_fields(&nfields)[index];
    size_t ndim = sample_dims(dims, field);
    char path[128];

    sample_path(path, sizeof path, field);
    for (size_t d = 0; d < ndim; d++)
        count *= dims[d];
    if (field->type == STORE_TEXT)
        return sample_write_text(store, path, index, count, err);
    void *data = sample_numbers(field->type, index, count);
    enum status rc = store_write(store, path, data, ndim, dims, err);

    free(data);
    return rc;
}

static inline void sample_write(const char *path)
{
    struct store *store;
    struct error err = {0};
    size_t nfields;

    store_fields(&nfields);
    assert_int_equal(store_create(&store, path, 4, &err), OK);
    assert_int_equal(store_set_text(store, "", "network", "vgg16", &err), OK);
    assert_int_equal(store_set_int(store, "", "seed", INT64_C(1) << 60, &err), OK);
    assert_int_equal(store_set_real(store, "", "seconds_back", 1.25, &err), OK);
    for (size_t i = 0; i < nfields; i++)
        if (sample_write_field(store, i, &err) != OK)
            fail_msg("%s", err.message);
    assert_int_equal(store_set_text(store, "flows/sample", "method", "exact", &err), OK);
    if (store_commit(store, &err) != OK)
        fail_msg("%s", err.message);
}

/* A new store of four images in the folder, and what it holds once it is committed. */
static inline struct store *sample_begin(const char *name)
{
    struct store *store;
    struct error err = {0};

    if (store_create(&store, files_path(name), 4, &err) != OK)
        fail_msg("%s", err.message);
    return store;
}

static inline struct store_reader *sample_finish(struct store *store, const char *name)
{
    struct store_reader *reader;
    struct error err = {0};

    if (store_commit(store, &err) != OK || store_open_read(&reader, files_path(name), &err) != OK)
        fail_msg("%s", err.message);
    return reader;
}

#endif
