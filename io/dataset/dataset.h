/* Image data sets: a listing of what they contain, and the pixels of one image at a time.
 *
 * A listing holds the name and the label of every image. It is one block of memory without pointers: a copy of its
 * bytes at any address aligned to 16 is the same listing. So one process scans the data set, and the others receive the
 * block or share it.
 *
 *   folder  torchvision's ImageFolder: one folder for each class, sorted by name, with files that are named like images
 *           (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp, in any case), in the order of os.walk and sorted().
 *           Symbolic links are followed. A class without a file is an error. A folder of images without subfolders is
 *           accepted; its images have no labels. Hidden files and folders, and folders that systems make, are passed
 *           over.
 *   list    a text file with one image on each line: its path, absolute or relative to the list's folder, which may
 *           be in double quotes, and an optional label (an integer from 0, or -1) after a tab or the last space. Blank
 *           lines and lines that begin with # are skipped.
 *   idx     an IDX file of unsigned bytes, (N,H,W), (N,C,H,W) or (N,H,W,C) with C = 1 or 3, plain or gzipped. Labels
 *           come from the file `labels`; by default from the file in the same folder that has "labels" for "images" and
 *           "idx1" for "idx3" in its name, if it exists. The listing contains the pixels.
 *   hdf5    a dataset of unsigned bytes of these shapes: FILE or FILE:/DATASET; by default `data`, or else the first
 *           dataset of three or four dimensions. Labels come from an integer dataset of N elements, (N) or (N,1,..):
 *           `labels`, or else `label`, if it exists; or the one that data.labels names, in this file or as FILE or
 *           FILE:/DATASET in another.
 *   tar     plain tar shards in WebDataset's naming: one file, a folder of *.tar, or a pattern for glob(7) with braces
 *           ({000..146}, {train,val}), sorted by name. The members of a sample share their name up to the first dot:
 *           KEY.jpg, .jpeg, .png (or another image's name) is the image, KEY.cls its label in decimal digits. They are
 *           adjacent, or all labels are elsewhere in the same shard. Links to members of the shard are followed. If no
 *           shard has a label and every image is in a class folder, the folders are the classes, sorted by name.
 *
 * Whatever is passed over is counted: dataset_listing_passed. A folder that can be read in two ways is an error.
 *
 * A label is the index of a class, or -1 if it is unknown. Not collective; no MPI; an object is used by one thread.
 */
#ifndef NRMFLOW_IO_DATASET_DATASET_H
#define NRMFLOW_IO_DATASET_DATASET_H

#include "io/base/error.h"
#include "io/image/image.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    DATASET_MAX_IMAGES = 100000000,
    DATASET_MAX_CLASSES = 100000, /* labels are below */
    DATASET_SHA256 = 32
};

struct dataset_options {
    const char *path;
    const char *format; /* one of the names above, or NULL: detected from the path and its first bytes */
    const char *labels; /* idx: path of the label file; hdf5: name of the label dataset, or FILE[:/DATASET]; NULL: as
                         * above */
    const char *labels_file; /* the same as a path that can be opened; NULL: labels */
};

struct dataset_listing;

/* Scan a data set.
 *
 *   out      the listing, one block from malloc; the caller frees it with free()
 *   options  borrowed for the call
 * Errors: FAIL_CONFIG for a format or an option that does not fit, FAIL_SYSTEM for files that cannot be read,
 * FAIL_FORMAT for damage, wrong labels or no images, FAIL_UNSUPPORTED for compressed tar files and for HDF5 of other
 * types or filters, FAIL_LIMIT. Images are not decoded; damage inside of one is found when it is read. */
enum status dataset_scan(struct dataset_listing **out, const struct dataset_options *options, struct error *err);

/* Size of the block. */
size_t dataset_listing_bytes(const struct dataset_listing *listing);

/* Number of images, at least one. */
size_t dataset_listing_count(const struct dataset_listing *listing);

/* Number of classes: of the folders; for other formats the largest label plus one, zero without labels. */
size_t dataset_listing_classes(const struct dataset_listing *listing);

/* Whether the classes are folders within tar files. */
bool dataset_listing_by_folder(const struct dataset_listing *listing);

/* Name of class k: the folder's name; for other formats its number. Lives in the block. */
const char *dataset_listing_class(const struct dataset_listing *listing, size_t k);

/* Label of image i, or -1. */
int dataset_listing_label(const struct dataset_listing *listing, size_t i);

/* Name of image i, relative to the data set's folder: "class/file.jpg", "t10k-images-idx3-ubyte.gz[17]",
 * "images.h5:/data[17]", "train-000.tar:key.jpg".
 *
 *   out   [size] truncated if necessary, always with a final NUL
 * Returns the length of the whole name without the NUL, as snprintf. */
size_t dataset_listing_name(char *out, size_t size, const struct dataset_listing *listing, size_t i);

/* What a scan has passed over, by kind. */
enum { DATASET_PASSED_KINDS = 10, DATASET_EXAMPLE = 240 };

struct dataset_passed {
    const char *what; /* "images beside the class folders" */
    size_t count;
    const char *example; /* name of the first one; lives in the block */
    bool minor;          /* hardly ever meant to be read, such as hidden files */
};

/* Kind i of what was passed over; false if there is none of it. */
bool dataset_listing_passed(struct dataset_passed *out, const struct dataset_listing *listing, size_t i);

/* SHA-256 of the listing: names, labels, classes, shapes, positions in shards, and the pixels that it contains; but
 * neither of the folder's path nor of the image files. [DATASET_SHA256] in the block. */
const unsigned char *dataset_listing_sha256(const struct dataset_listing *listing);

struct dataset;

/* Open a data set for reading. Files are opened when they are needed.
 *
 *   out      caller closes it with dataset_close
 *   listing  borrowed until then
 * Errors: FAIL_SYSTEM, FAIL_FORMAT; FAIL_MISMATCH if an HDF5 file is no longer what was scanned. */
enum status dataset_open(struct dataset **out, const struct dataset_listing *listing, struct error *err);

/* Read and decode image `index`.
 *
 *   out       the image; undefined on failure, but still to be freed or reused
 *   channels  1 or 3; converted as by image_decode and image_convert
 * Errors that concern this image only: FAIL_SYSTEM if the file cannot be read, otherwise as image_decode; the message
 * begins with the file's path. FAIL_RESOURCE, which is not the image's fault, also if the whole folder is gone. */
enum status dataset_read(struct image *out, struct dataset *dataset, size_t index, size_t channels, struct error *err);

/* NULL is fine. */
void dataset_close(struct dataset *dataset);

#endif
