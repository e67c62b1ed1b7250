/* The block of a listing, and how the scanners of the formats fill it; private to io/dataset/. */
#ifndef NRMFLOW_IO_DATASET_BUILDER_H
#define NRMFLOW_IO_DATASET_BUILDER_H

#include "io/dataset/buffer.h"
#include "io/dataset/dataset.h"

#include <stdbool.h>
#include <stdint.h>

enum dataset_kind { DATASET_FILES, DATASET_IDX, DATASET_HDF5, DATASET_TAR };

/* Arrays that follow the header, each aligned to 8 bytes. A string is stored as its offset in DATASET_STRINGS. */
enum dataset_section {
    DATASET_ROOT,    /* char: folder that names are relative to; not hashed */
    DATASET_STRINGS, /* char: strings, each with a final NUL */
    DATASET_LABELS,  /* an int32_t for each image; empty: all -1 */
    DATASET_NAMES,   /* a uint64_t for each image: string; empty for arrays */
    DATASET_CLASSES, /* a uint64_t for each class: string */
    DATASET_SOURCES, /* uint64_t: strings; idx: the file; hdf5: the file, the dataset; tar: the shards */
    DATASET_MEMBERS, /* a struct dataset_member for each image; tar only */
    DATASET_PIXELS,  /* unsigned char; idx only */
    DATASET_PASSED,  /* a struct dataset_pass for each kind; not hashed */
    DATASET_SECTIONS
};

struct dataset_member {
    uint64_t source, offset, nbytes; /* shard, and the position of the file in it */
};

/* Kinds of what is passed over; their names are in listing.c. */
enum dataset_pass_kind {
    DATASET_PASS_BESIDE,       /* images beside the class folders */
    DATASET_PASS_FOLDERS,      /* hidden folders, and those that systems make */
    DATASET_PASS_FILES,        /* files of another kind */
    DATASET_PASS_HIDDEN_FILES, /* of any kind */
    DATASET_PASS_LINKS,        /* links in a tar to what is not in it */
    DATASET_PASS_IMAGES,       /* images of a sample that has one already, or with two extensions */
    DATASET_PASS_LABELS,       /* labels in a tar without an image */
    DATASET_PASS_MEMBERS,      /* other members of a tar */
    DATASET_PASS_TAR_FOLDERS,  /* images in folders of tar files, beside images in none */
    DATASET_PASS_ARRAYS        /* arrays that may be labels */
};

struct dataset_pass {
    uint64_t count;
    char example[DATASET_EXAMPLE];
};

struct dataset_shape {
    uint64_t height, width, channels;
    uint64_t planar; /* 1: [C][H][W], 0: [H][W][C] */
};

struct dataset_listing {
    uint64_t nbytes, kind, count, nclasses;
    struct dataset_shape shape; /* of arrays; else zero */
    uint64_t offset[DATASET_SECTIONS], size[DATASET_SECTIONS];
    uint64_t by_folder; /* 1: classes are folders in tar files; not hashed, as the classes are */
    unsigned char sha256[DATASET_SHA256];
};

/* First element of a section. */
const void *dataset_listing_section(const struct dataset_listing *listing, enum dataset_section section);

/* Element i of a section of strings. */
const char *dataset_listing_string(const struct dataset_listing *listing, enum dataset_section section, size_t i);

struct dataset_builder {
    enum dataset_kind kind;
    struct dataset_shape shape;
    size_t count;   /* images */
    int last;       /* largest label so far, -1: none */
    bool by_folder; /* classes are folders in tar files */
    struct dataset_pass passed[DATASET_PASSED_KINDS];
    struct dataset_buffer sections[DATASET_SECTIONS];
};

void dataset_builder_init(struct dataset_builder *builder, enum dataset_kind kind);
void dataset_builder_free(struct dataset_builder *builder);

/* Set the root to a folder, made absolute; FAIL_SYSTEM if it does not exist. Called exactly once. */
enum status dataset_builder_root(struct dataset_builder *builder, const char *folder, struct error *err);

/* Set the root to the folder of this file, and add the file's name as a source. */
enum status dataset_builder_file(struct dataset_builder *builder, const char *path, struct error *err);

/* Add a source, or a class name. */
enum status dataset_builder_source(struct dataset_builder *builder, const char *name, struct error *err);
enum status dataset_builder_class(struct dataset_builder *builder, const char *name, struct error *err);

/* Add an image; FAIL_LIMIT if there are too many. */
enum status dataset_builder_image(struct dataset_builder *builder, const char *name, int label, struct error *err);

/* Count something that is passed over. */
void dataset_builder_pass(struct dataset_builder *builder, enum dataset_pass_kind kind, const char *example);

/* "; passed over: 3 files of another kind (a.txt), ..." or "". */
void dataset_builder_describe_passed(char *out, size_t size, const struct dataset_builder *builder);

/* FAIL_FORMAT, with "WHERE: ", unless -1 <= label < DATASET_MAX_CLASSES. */
enum status dataset_builder_check_label(long long label, const char *where, struct error *err);

/* Set count and shape from an array's dimensions; FAIL_UNSUPPORTED, with "WHERE: ", if they are not those of images.
 *
 *   dims  in  [ndim] (N,H,W), (N,C,H,W) or (N,H,W,C) */
enum status dataset_builder_array(struct dataset_builder *builder, const size_t *dims, size_t ndim, const char *where,
                                  struct error *err);

/* Set the labels of an array's images, [count]. */
enum status dataset_builder_labels(struct dataset_builder *builder, const long long *labels, size_t count,
                                   const char *where, struct error *err);

/* Assemble the block: gives nameless classes their numbers as names, and computes the checksum. */
enum status dataset_builder_finish(struct dataset_listing **out, struct dataset_builder *builder, struct error *err);

/* The scanners; `path` exists. */
enum status dataset_folder_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);
enum status dataset_list_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);
enum status dataset_idx_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);
enum status dataset_hdf5_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);
enum status dataset_tar_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);

/* Without any label in tar files: take the folders that images are in for their classes, below those that all of them
 * are in. If some images are in none, count the others as DATASET_PASS_TAR_FOLDERS instead. FAIL_FORMAT if all folders
 * are called like parts of a data set and the options do not say that it is a tar file. */
enum status dataset_tar_classes(struct dataset_builder *builder, const struct dataset_options *o, struct error *err);

/* Whether there are images in a folder or below it where a scan would find them; `example` [DATASET_EXAMPLE] is one. */
enum status dataset_folder_has_images(bool *has, char *example, const char *folder, struct error *err);

/* Whether a file's name has one of the suffixes of torchvision's ImageFolder. */
bool dataset_folder_is_image(const char *name);

/* Whether a folder is called like a part of a data set: train, val, ... */
bool dataset_folder_is_split(const char *name);

/* Whether the first four bytes of a file are those of IDX, of whatever type and shape. */
bool dataset_idx_is_head(const unsigned char *head);

/* Name of a kind, and whether it is minor. */
const char *dataset_listing_pass_name(enum dataset_pass_kind kind, bool *minor);

/* Split FILE:/DATASET. A path that exists, or has no ":/", is FILE alone, and `name` is then "". Both are
 * [DATASET_PATH]. */
enum status dataset_hdf5_split(char *file, char *name, const char *path, struct error *err);

/* An HDF5 file that is open for reading images. */
struct dataset_hdf5;

enum status dataset_hdf5_open(struct dataset_hdf5 **out, const struct dataset_listing *listing, struct error *err);
/* Read the pixels of image `index` in the layout of the file. */
enum status dataset_hdf5_read(unsigned char *out, struct dataset_hdf5 *file, size_t index, struct error *err);
void dataset_hdf5_close(struct dataset_hdf5 *file);

#endif
