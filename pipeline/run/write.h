/* The store of a run, complete or not. */
#ifndef NRMFLOW_PIPELINE_RUN_WRITE_H
#define NRMFLOW_PIPELINE_RUN_WRITE_H

#include "io/base/error.h"
#include "pipeline/mpi/provenance.h"
#include "pipeline/run/block.h"
#include "pipeline/run/model.h"
#include "pipeline/run/parts.h"
#include "pipeline/run/rows.h"
#include "pipeline/stats/finish.h"

/* A run, as far as its store shows it. All borrowed. */
struct write_run {
    const struct config *config;
    const struct model *model; /* its weights are not needed */
    const struct provenance *provenance;
    const char *dataset, *dataset_sha256; /* path and checksum in hexadecimal */
    size_t dataset_count;                 /* images of all of it */
    size_t first, end;                    /* those of the store */
    const struct statistics *statistics;
    const struct rows_layout *layout;
    const struct queries *queries;
    char *const *class_names;     /* as write_read_names has them */
    double seconds[BLOCK_STAGES]; /* summed over ranks */
};

/* Names of the network's classes: from the user's file, else from the dataset if it has as many, else numbers.
 *
 *   names  out  [classes] each from malloc; caller frees with write_free_names
 * Errors: FAIL_SYSTEM. Not collective: rank 0 only. */
enum status write_read_names(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct error *err);
void write_free_names(char **names, size_t classes);

/* The listing's checksum in hexadecimal. */
void write_dataset_sha256(char hex[2 * DATASET_SHA256 + 1], const struct dataset_listing *listing);

/* What is in a store. */
struct write_summary {
    size_t images;                /* rows that are finished */
    size_t counts[STORE_NSTATUS]; /* of them, by status */
    bool weak_condition;          /* finish.h */
};

/* Write the store from all sums and all parts. One that is not `complete` has the rows and statistics so far, and the state
 * from which the run goes on; one of a part of the images (data.shard) keeps the sums for a merge. Not collective: rank 0
 * only.
 * Errors: FAIL_SYSTEM, FAIL_FORMAT (a damaged part). A store that was there before stays whole on failure. */
enum status write_store(struct write_summary *summary, const struct write_run *run,
                        const struct dataset_listing *listing, const struct parts *parts, const struct sums *sums,
                        bool complete, const char *output, struct error *err);

/* What of a store does not depend on where its rows come from: attributes, names of variables and classes. */
enum status write_head(struct store *store, const struct write_run *run, struct finish_given given, bool complete,
                       struct error *err);

/* Of these the root's attributes that say what the numbers were made from, and how. */
enum status write_origin(struct store *store, const struct write_run *run, struct error *err);

/* images/path and images/label of images first .. end - 1, whether they could be read or not. */
enum status write_listing(struct store *store, const struct dataset_listing *listing, size_t first, size_t end,
                          struct error *err);

/* FAIL_LIMIT if more images failed than data.max_failed allows. */
enum status write_check_failed(const struct write_summary *summary, const struct config *config, const char *output,
                               struct error *err);

/* Name of the attribute with the seconds of a stage. */
const char *write_stage(enum block_stage stage);

/* Read sums out of a store's state, of `images` rows.
 *
 *   sums  out  contents are replaced
 * Errors: FAIL_FORMAT, FAIL_MISMATCH (sums of another plan), FAIL_SYSTEM. Not collective. */
enum status write_read_sums(struct sums *sums, const struct store_reader *store, size_t images, struct error *err);

/* Read the state of an unfinished store.
 *
 *   sums   out  contents are replaced
 *   names  out  [count] part files, one free
 * Errors as write_read_sums. Not collective: rank 0 only. */
enum status write_read_state(struct sums *sums, char ***names, size_t *count, const char *output, size_t images,
                             struct error *err);

#endif
