#include "io/dataset/braces.h"
#include "io/dataset/builder.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

struct format {
    const char *name;
    enum dataset_kind kind;
    bool takes_labels;
    enum status (*scan)(struct dataset_builder *, const struct dataset_options *, struct error *);
};

enum { FOLDER, LIST, IDX, HDF5, TAR, FORMATS };

static const struct format formats[FORMATS] = {
    [FOLDER] = {"folder", DATASET_FILES, false, dataset_folder_scan},
    [LIST] = {"list", DATASET_FILES, false, dataset_list_scan},
    [IDX] = {"idx", DATASET_IDX, true, dataset_idx_scan},
    [HDF5] = {"hdf5", DATASET_HDF5, true, dataset_hdf5_scan},
    [TAR] = {"tar", DATASET_TAR, false, dataset_tar_scan},
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static bool matches(const char *pattern)
{
    glob_t found;
    bool any = dataset_braces_glob(&found, pattern, NULL) == OK;

    globfree(&found);
    return any;
}

/* A folder with tar files directly in it is a folder of shards. */
static const struct format *detect_folder(const char *path)
{
    char pattern[DATASET_PATH];

    bool shards = dataset_tar_pattern(pattern, path, NULL) == OK && matches(pattern);

    return &formats[shards ? TAR : FOLDER];
}

struct magic {
    size_t format, offset, length;
    const char *bytes;
};

/* The format of a file with these first bytes, decompressed if it is gzipped; NULL if it is unknown. */
static const struct format *detect_head(const unsigned char *head, size_t nbytes)
{
    static const struct magic magics[] = {
        {HDF5, 0, 8, "\x89HDF\r\n\x1a\n"},
        {IDX, 0, 4, "\0\0\x08\3"},
        {IDX, 0, 4, "\0\0\x08\4"},
        {TAR, 257, 5, "ustar"},
        {TAR, 0, 6,
         "\xfd"
         "7zXZ\0"},
        {TAR, 0, 4, "\x28\xb5\x2f\xfd"},
        {TAR, 0, 3, "BZh"},
    };

    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        const struct magic *m = &magics[i];
        if (nbytes >= m->offset + m->length && memcmp(head + m->offset, m->bytes, m->length) == 0)
            return &formats[m->format];
    }
    return nbytes > 0 && !memchr(head, 0, nbytes) ? &formats[LIST] : NULL;
}

static enum status detect_file(const struct format **format, const char *path, struct error *err)
{
    unsigned char head[512];
    size_t length = strlen(path);
    int fd;
    enum status rc;

    TRY(dataset_buffer_open(&fd, NULL, path, err));
    gzFile file = gzdopen(fd, "rb");
    if (!file) {
        close(fd);
        return error_set(err, FAIL_SYSTEM, "%s: no memory to read it", path);
    }
    int nbytes = gzread(file, head, sizeof head);
    gzclose(file);
    const struct format *found = detect_head(head, nbytes > 0 ? (size_t)nbytes : 0);
    if (!found && length > 4 && strcmp(path + length - 4, ".tar") == 0)
        found = &formats[TAR];
    if (found)
        *format = found;
    else
        rc = error_set(err, FAIL_UNSUPPORTED,
                       "%s: is not recognised as a list, an IDX, HDF5 or tar file, or a folder; set data.format", path);
done:
    return rc;
}

static bool names_dataset(const char *path)
{
    char file[DATASET_PATH], name[DATASET_PATH];
    struct stat info;

    return dataset_hdf5_split(file, name, path, NULL) == OK && name[0] && stat(file, &info) == 0;
}

static enum status detect(const struct format **format, const char *path, struct error *err)
{
    struct stat info;

    if (stat(path, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            return detect_file(format, path, err);
        *format = detect_folder(path);
        return OK;
    }
    int code = errno;
    if (names_dataset(path)) {
        *format = &formats[HDF5];
        return OK;
    }
    if (matches(path) || strchr(path, '{')) { /* if a shard of the braces is missing, the reader names it */
        *format = &formats[TAR];
        return OK;
    }
    errno = code;
    return error_system(err, "%s: the data set cannot be found", path);
}

static enum status choose(const struct format **format, const struct dataset_options *options, struct error *err)
{
    enum status rc = OK;

    if (!options->path || !options->path[0])
        return error_set(err, FAIL_CONFIG, "data.path is empty; set it to the path of the data set");
    if (options->format) {
        const struct format *found = find_format(options->format);
        if (!found)
            return error_set(err, FAIL_CONFIG, "data.format = %s: must be folder, list, idx, hdf5 or tar",
                             options->format);
        *format = found;
    } else {
        TRY(detect(format, options->path, err));
    }
    if (options->labels && !(*format)->takes_labels)
        rc = error_set(err, FAIL_CONFIG,
                       "data.labels = %s: a data set of format %s contains its labels, so remove this key",
                       options->labels, (*format)->name);
done:
    return rc;
}

enum status dataset_scan(struct dataset_listing **out, const struct dataset_options *options, struct error *err)
{
    const struct format *format = &formats[FOLDER];
    struct dataset_builder builder;
    enum status rc;

    *out = NULL;
    dataset_builder_init(&builder, DATASET_FILES);
    TRY(choose(&format, options, err));
    builder.kind = format->kind;
    TRY(format->scan(&builder, options, err));
    if (builder.count == 0)
        rc = error_set(err, FAIL_FORMAT, "%s: contains no images", options->path);
    else
        rc = dataset_builder_finish(out, &builder, err);
done:
    dataset_builder_free(&builder);
    if (rc != OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}
