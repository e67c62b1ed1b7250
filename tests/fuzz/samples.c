#include "tests/fuzz/samples.h"

#include "io/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 5, LONGEST = 64, PATH = 512, BLOCK = 4 };

const struct partfile_column samples_columns[SAMPLES_COLUMNS] = {{"images.mass", PARTFILE_F64, 3},
                                                                 {"images.status", PARTFILE_I32, 1},
                                                                 {"layers.conv1_1.relevance", PARTFILE_F32, 2}};

static void check(enum status rc, const struct error *err)
{
    if (rc == OK)
        return;
    fprintf(stderr, "fuzz: %s\n", err->message);
    exit(1);
}

/* Lengths by what the axes of the store's table are called; matrices of flows have several chunks. */
static size_t axis_length(const char *name, size_t length)
{
    static const struct {
        const char *name;
        size_t length;
    } axes[] = {{"image", IMAGES}, {"variable", 3},      {"channel", 4},      {"bin", 6},
                {"edge", 7},       {"class", 3},         {"flow_class", 2},   {"y", 2},
                {"x", 2},          {"upper_channel", 6}, {"lower_channel", 5}};

    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        if (strlen(axes[i].name) == length && memcmp(axes[i].name, name, length) == 0)
            return axes[i].length;
    return 2;
}

/* Every kind of type and shape, but no more of each than it takes. */
static bool is_wanted(const struct store_field *field)
{
    static const char *const wanted[] = {
        "variable",          "class",        "images/",       "layers/*/channel", "layers/*/mean", "layers/*/histogram",
        "layers/*/map_mean", "flows/*/mean", "flows/*/draws", "queries/",         "state/"};

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (strncmp(field->path, wanted[i], strlen(wanted[i])) == 0)
            return true;
    return false;
}

static void write_field(struct store *store, const struct store_field *field)
{
    static const char *const texts[] = {"n01/a.jpg", "n02/b.png", "c", "na\xc3\xafve", "e", "f"};
    static const double zeros[LONGEST * 4] = {1.5};
    const char *star = strchr(field->path, '*');
    struct error err = {0};
    char path[PATH];
    size_t dims[STORE_MAX_DIMS], ndim = 0;

    for (const char *at = field->axes; *at; ndim++) {
        size_t length = strcspn(at, ",");

        dims[ndim] = axis_length(at, length);
        at += length + (at[length] == ',');
    }
    snprintf(path, sizeof path, "%.*s%s%s", star ? (int)(star - field->path) : (int)strlen(field->path), field->path,
             star && strncmp(field->path, "flows", 5) == 0 ? "input-conv1_1"
             : star                                        ? "conv1_1"
                                                           : "",
             star ? star + 1 : "");
    if (field->type == STORE_TEXT)
        check(store_write_text(store, path, texts, dims[0], &err), &err);
    else
        check(store_write(store, path, zeros, ndim, dims, &err), &err);
}

static void write_store(const char *path, bool complete)
{
    struct store *store;
    struct error err = {0};
    size_t nfields;
    const struct store_field *fields = store_fields(&nfields);

    check(store_create(&store, path, 1, &err), &err);
    check(store_set_text(store, "", "network", "vgg16", &err), &err);
    check(store_set_text(store, "", "config", "[data]\npath = a\n", &err), &err);
    check(store_set_int(store, "", "complete", complete, &err), &err);
    check(store_set_int(store, "", "finished", IMAGES - 1, &err), &err);
    check(store_set_real(store, "", "seconds_back", 1.25, &err), &err);
    for (size_t i = 0; i < nfields; i++)
        if (is_wanted(&fields[i]) && (!complete || strncmp(fields[i].path, "state/", 6) != 0))
            write_field(store, &fields[i]);
    check(store_set_text(store, "flows/input-conv1_1", "method", "exact", &err), &err);
    check(store_commit(store, &err), &err);
}

static void write_part(const char *path)
{
    static const double zeros[BLOCK * 3];
    const void *data[SAMPLES_COLUMNS] = {zeros, zeros, zeros};
    struct partfile_writer *part;
    struct error err = {0};

    check(partfile_create(&part, path, samples_columns, SAMPLES_COLUMNS, BLOCK, &err), &err);
    check(partfile_append(part, BLOCK, 2, data, &err), &err);
    check(partfile_append(part, 0, BLOCK, data, &err), &err);
    check(partfile_commit(part, &err), &err);
}

void samples_write(const char *folder)
{
    char path[PATH];

    snprintf(path, sizeof path, "%s/store.h5", folder);
    write_store(path, true);
    snprintf(path, sizeof path, "%s/unfinished.h5", folder);
    write_store(path, false);
    snprintf(path, sizeof path, "%s/part.h5", folder);
    write_part(path);
}
