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

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), n = strlen(suffix);

    return length > n && strcmp(text + length - n, suffix) == 0;
}

/* Whether a pattern matches a file; `first` [DATASET_EXAMPLE], which may be NULL, is the name of the first one. */
static bool matches(char *first, const char *pattern)
{
    glob_t found = {0};
    bool any = dataset_braces_glob(&found, pattern, NULL) == OK && found.gl_pathc > 0;

    if (any && first) {
        const char *slash = strrchr(found.gl_pathv[0], '/');
        snprintf(first, DATASET_EXAMPLE, "%s", slash ? slash + 1 : found.gl_pathv[0]);
    }
    globfree(&found);
    return any;
}

/* A folder with tar files directly in it is a folder of shards, unless there are images, too: then nobody can tell. */
static enum status detect_folder(const struct format **format, const char *path, struct error *err)
{
    char pattern[DATASET_PATH], shard[DATASET_EXAMPLE], image[DATASET_EXAMPLE];
    bool images = false;
    enum status rc = OK;

    *format = &formats[FOLDER];
    if (dataset_braces_tars(pattern, path, NULL) != OK || !matches(shard, pattern))
        return OK;
    *format = &formats[TAR];
    TRY(dataset_folder_has_images(&images, image, path, err));
    if (images)
        rc =
            error_set(err, FAIL_FORMAT,
                      "%s: holds images in folders, such as %s, and tar files, such as %s; set data.format = folder to "
                      "read the former, data.format = tar to read the latter, or move one of them away",
                      path, image, shard);
done:
    return rc;
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
    if (nbytes >= 4 && dataset_idx_is_head(head))
        return &formats[IDX];
    return nbytes > 0 && !memchr(head, 0, nbytes) ? &formats[LIST] : NULL;
}

/* Files that are often taken for images, and how they become some. The programs of Python write HDF5. */
static const char *lookalike(const unsigned char *head, size_t nbytes)
{
    static const struct {
        size_t length;
        const char *head, *advice;
    } lookalikes[] = {
        {6, "\x93NUMPY",
         "it is an array of NumPy; write it as HDF5, in Python: import h5py, numpy; h5py.File(\"images.h5\", "
         "\"w\")[\"data\"] = numpy.load(\"FILE\")"},
        {4, "PK\x03\x04",
         "it is a zip file; unpack it, or if it holds arrays of NumPy, write them as HDF5, in Python: import h5py, "
         "numpy; "
         "h5py.File(\"images.h5\", \"w\").update(numpy.load(\"FILE.npz\"))"},
        {1, "\x80",
         "it is a pickle, which is not opened; write it as HDF5, in Python (CIFAR): import h5py, pickle; d = "
         "pickle.load(open(\"FILE\", \"rb\"), encoding=\"latin1\"); f = h5py.File(\"images.h5\", \"w\"); f[\"data\"] = "
         "d[\"data\"].reshape(-1, 3, 32, 32); f[\"labels\"] = d[\"labels\"]"},
        {10, "MATLAB 7.3",
         "it is a file of MATLAB 7.3, which is HDF5 with the dimensions in reverse; write it again, with h5py in "
         "Python: images as bytes (N, H, W, C) in \"data\", labels from 0 in \"labels\""},
        {6, "MATLAB",
         "it is a file of MATLAB; write it as HDF5, with scipy.io.loadmat and h5py in Python: images as bytes (N, H, "
         "W, C) "
         "in \"data\", labels from 0 in \"labels\""},
        {4, "PAR1", "it is a Parquet file; write its images as files, one folder for each class"},
        {2, "\xff\xfe", "it is text in UTF-16; save it as UTF-8"},
        {2, "\xfe\xff", "it is text in UTF-16; save it as UTF-8"},
        {3, "\xff\xd8\xff", "it is a single image; set data.path to its folder"},
        {4, "\x89PNG", "it is a single image; set data.path to its folder"},
    };

    for (size_t i = 0; i < sizeof lookalikes / sizeof lookalikes[0]; i++)
        if (nbytes >= lookalikes[i].length && memcmp(head, lookalikes[i].head, lookalikes[i].length) == 0)
            return lookalikes[i].advice;
    return "set data.format";
}

static enum status detect_file(const struct format **format, const char *path, struct error *err)
{
    unsigned char head[512];
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
    size_t nhead = nbytes > 0 ? (size_t)nbytes : 0;
    const struct format *found = detect_head(head, nhead);
    if (!found && ends_with(path, ".tar"))
        found = &formats[TAR];
    if (found)
        *format = found;
    else
        rc = error_set(err, FAIL_UNSUPPORTED,
                       "%s: is not recognised as a list, an IDX, HDF5 or tar file, or a folder; %s", path,
                       lookalike(head, nhead));
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
        return detect_folder(format, path, err);
    }
    int code = errno;
    if (names_dataset(path)) {
        *format = &formats[HDF5];
        return OK;
    }
    if (matches(NULL, path) || strchr(path, '{')) { /* if a shard of the braces is missing, the reader names it */
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

/* The files that are there are not images, but may contain some. */
static enum status no_images(const struct dataset_builder *builder, const char *path, struct error *err)
{
    static const struct {
        const char *suffix, *advice, *in_tar; /* the latter, if it differs */
    } containers[] = {
        {".tar", "; set data.format = tar to read tar files",
         "; tar files within a tar file are not opened: unpack it, and each of them into a folder of its name"},
        {".parquet", "; Parquet files are not opened: write their images as files, one folder for each class", NULL},
        {".tfrecord", "; TFRecord files are not opened: write their images as files, one folder for each class", NULL},
        {".mdb", "; LMDB is not opened: write its images as files, one folder for each class", NULL},
        {".zip", "; zip files are not opened: unpack them", NULL},
        {".gz", "; if this .gz file is a data set, such as images of IDX, set data.path to it", ""},
        {".tar.gz", "; compressed tar files are not opened: decompress them with gunzip", NULL},
        {".tgz", "; compressed tar files are not opened: decompress them with gunzip", NULL},
    };

    char passed[512];
    const char *advice = "";

    dataset_builder_describe_passed(passed, sizeof passed, builder);
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++)
        for (size_t k = 0; k < DATASET_PASSED_KINDS; k++)
            if (ends_with(builder->passed[k].example, containers[i].suffix))
                advice =
                    builder->kind == DATASET_TAR && containers[i].in_tar ? containers[i].in_tar : containers[i].advice;
    return error_set(err, FAIL_FORMAT, "%s: contains no images%s%s", path, passed, advice);
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
        rc = no_images(&builder, options->path, err);
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
