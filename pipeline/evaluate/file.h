/* The file of an evaluation: a store with /images and /evaluation, but without statistics of a run. Unfinished, it has
 * the rows, from which the evaluation goes on. Not collective: rank 0 only. */
#ifndef NRMFLOW_PIPELINE_EVALUATE_FILE_H
#define NRMFLOW_PIPELINE_EVALUATE_FILE_H

#include "io/base/error.h"
#include "io/store/store.h"
#include "pipeline/evaluate/gains.h"

/* What the file is written from; rows [images][design->row] of the run's images, means [all channels] or NULL. */
struct file_contents {
    const struct design *design;
    const struct gains *gains;
    const float *rows;
    const double *means;
    bool complete;
};

/* Errors: as store_commit; an old file stays whole on failure. */
enum status file_write(const char *path, const struct file_contents *contents, struct error *err);

/* Look for an evaluation at `path`, and read an unfinished or complete one of these settings.
 *
 *   exists    out  there is one
 *   complete  out  it is complete
 *   rows      out  [images][design->row] of those that are finished; the others stay as they are
 *   means     out  [all channels], unless NULL
 * Errors: FAIL_CONFIG if the path cannot be used or is a store of a run; FAIL_MISMATCH if the settings, the weights or
 * the images are others; as store_open_read. */
enum status file_read(bool *exists, bool *complete, const char *path, const struct design *design, float *rows,
                      double *means, struct error *err);

/* What the numbers of an evaluation depend on; it borrows from the plan. */
struct identity file_identity(const struct run_plan *plan);

/* FAIL_MISMATCH if a file has other settings than `here`. */
enum status file_compare_settings(const struct store_reader *store, const char *path, const char *here,
                                  struct error *err);

/* FAIL_CONFIG if a store is no evaluation. */
enum status file_check_kind(const struct store_reader *store, const char *path, struct error *err);

/* FAIL_CONFIG if what is at `path` may not be replaced: no file, or a file that is no evaluation. Nothing there is
 * fine. */
enum status file_check_place(const char *path, const struct design *design, bool restart, struct error *err);

/* "evaluation/channels/conv1_1/relevance", the group of a result. */
enum { FILE_GROUP = 256, FILE_PATH = FILE_GROUP + 64 /* of a dataset in it */ };

void file_group(char group[FILE_GROUP], const struct design_result *result);

#endif
