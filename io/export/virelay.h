/* The files that ViRelAy (0.6) opens: a dataset, attributions, analyses, a label map and a project.
 *
 *   input.h5        data (N,3,H,W) uint8, label (N) uint16
 *   attribution.h5  attribution (N,3,H,W) float32, prediction (N,K) float32, label (N) uint16
 *   <analysis>.h5   <category>/index (n) uint32, embedding/<name> (n,d) float32, cluster/<name> (n) int32
 *
 * Row r of the first two is sample r; analyses refer to samples by these numbers. Every file is written as a temporary
 * file and renamed into place once it is complete. Errors: FAIL_SYSTEM (a full disk), FAIL_RESOURCE (memory),
 * FAIL_CONFIG (the folder).
 */
#ifndef NRMFLOW_IO_EXPORT_VIRELAY_H
#define NRMFLOW_IO_EXPORT_VIRELAY_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { VIRELAY_COLOURS = 3 };

/* Create the folder; an existing one must be empty. */
enum status virelay_make_folder(const char *folder, struct error *err);

/* ---- samples ----------------------------------------------------------------------------------------------------- */

struct virelay_size {
    size_t samples, height, width, classes; /* none is zero */
};

/* Input and attribution files. */
struct virelay;

/* Begin both files. Caller ends them with virelay_commit or virelay_discard, which free *out. */
enum status virelay_create(struct virelay **out, const char *folder, struct virelay_size size, struct error *err);

/* Write one sample; samples that are never written are zero.
 *
 *   pixels       in  [3][H][W]
 *   attribution  in  [3][H][W]
 *   prediction   in  [classes] */
enum status virelay_write_sample(struct virelay *virelay, size_t sample, const uint8_t *pixels,
                                 const float *attribution, const float *prediction, struct error *err);

/* Write the labels, [samples], to both files. Called once. */
enum status virelay_write_labels(struct virelay *virelay, const uint16_t *labels, struct error *err);

enum status virelay_commit(struct virelay *virelay, struct error *err);

/* NULL is fine. */
void virelay_discard(struct virelay *virelay);

/* ---- analyses ---------------------------------------------------------------------------------------------------- */

struct virelay_embedding {
    const char *name;
    const float *x;          /* [n][dims] */
    const float *eigenvalue; /* [dims] */
    size_t dims;
};

struct virelay_clustering {
    const char *name, *embedding; /* `embedding` is the one that was clustered */
    const int32_t *cluster;       /* [n] */
    int64_t k;
};

/* Samples that belong together, such as those of a class. All categories of an analysis must have embeddings and
 * clusterings of the same names. */
struct virelay_category {
    const char *name;
    const uint32_t *index; /* [n] samples */
    size_t n;
    const struct virelay_embedding *embeddings;
    size_t nembeddings;
    const struct virelay_clustering *clusterings;
    size_t nclusterings;
};

/* Write the file of one analysis. */
enum status virelay_write_analysis(const char *path, const struct virelay_category *categories, size_t count,
                                   struct error *err);

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* Write a small text file: the label map or the project. */
enum status virelay_write_text(const char *path, const char *text, struct error *err);

#endif
