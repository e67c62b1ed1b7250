/* The members of one tar file, and the samples that they make; private to io/dataset/.
 *
 * Links are followed to members of the same file. A sample is a run of adjacent members with the same key, the name up
 * to the first dot of its last component. A label whose run has no image belongs to an image with the same key whose
 * run has no label: `tar` called with *.jpg *.cls writes all labels last.
 */
#ifndef NRMFLOW_IO_DATASET_TAR_INDEX_H
#define NRMFLOW_IO_DATASET_TAR_INDEX_H

#include "io/dataset/builder.h"

enum dataset_tar_kind { DATASET_TAR_FILE, DATASET_TAR_HARD_LINK, DATASET_TAR_SYMBOLIC_LINK };

struct dataset_tar_member {
    enum dataset_tar_kind kind;
    struct dataset_member place; /* of a file; of a link once samples are made */
    size_t name, target, order;  /* name and target: offsets in the index's texts; order: in the file */
};

/* All zero is an empty index. */
struct dataset_tar_index {
    struct dataset_buffer members; /* struct dataset_tar_member */
    struct dataset_buffer texts;
};

struct dataset_tar_sample {
    const struct dataset_tar_member *image, *label; /* label: NULL if there is none */
};

struct dataset_tar_samples {
    struct dataset_tar_sample *items; /* from malloc */
    size_t count;
};

/* Add the next member; order, name and target are set here. `target` is "" but for links. */
enum status dataset_tar_index_add(struct dataset_tar_index *index, struct dataset_tar_member member, const char *name,
                                  const char *target, struct error *err);

const char *dataset_tar_index_name(const struct dataset_tar_index *index, const struct dataset_tar_member *member);

/* Follow the links, and pair images with labels, in the order of the images. What belongs to no sample is counted in
 * `builder`. Caller frees samples->items, also after a failure; they point into the index. */
enum status dataset_tar_index_samples(struct dataset_tar_samples *samples, struct dataset_tar_index *index,
                                      struct dataset_builder *builder, struct error *err);

void dataset_tar_index_free(struct dataset_tar_index *index);

#endif
