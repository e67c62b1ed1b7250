/* Per-image rows: every rank keeps its own, one rank of every node writes them to part files, world rank 0 copies
 * these into the store. */
#ifndef NRMFLOW_PIPELINE_RUN_ROWS_H
#define NRMFLOW_PIPELINE_RUN_ROWS_H

#include "io/base/error.h"
#include "io/store/partfile.h"
#include "io/store/store.h"
#include "kernels/measure/measure.h"
#include "pipeline/mpi/node.h"
#include "pipeline/stats/queries.h"

enum { ROWS_MAX_COLUMNS = 16 + 2 * QUERIES_MAX + NETWORK_MAX_VARIABLES, ROWS_NAME = QUERIES_NAME + 32 };

/* The columns of a run, and their places in a packed block: one column after another, each of `block` rows. */
struct rows_layout {
    const struct measure_plan *plan; /* borrowed */
    size_t block;                    /* rows of a whole block */
    size_t ncolumns;
    struct partfile_column columns[ROWS_MAX_COLUMNS]; /* named "images.mass" */
    char names[ROWS_MAX_COLUMNS][ROWS_NAME];
    char paths[ROWS_MAX_COLUMNS][ROWS_NAME]; /* in the store, "images/mass" */
    size_t offset[ROWS_MAX_COLUMNS + 1];     /* bytes; the last is the size of a packed block */
    size_t variable[ROWS_MAX_COLUMNS];       /* of a column with channel relevance */
    size_t nfixed;                           /* columns before the ones with channel relevance */
    size_t nqueries, query;                  /* number of queries; their first column: value and condition of each */
    bool wide[ROWS_MAX_COLUMNS];             /* more than one number a row */
};

/* One block: rows first .. first + nrows - 1 of the run. */
struct rows_block {
    size_t first, nrows;
    unsigned char *packed; /* owned */
};

/* Blocks that are finished on this rank. */
struct rows {
    const struct rows_layout *layout; /* borrowed */
    size_t nblocks, capacity;
    struct rows_block *blocks; /* owned */
};

/* Optional columns. */
struct rows_options {
    bool relevance[NETWORK_MAX_VARIABLES]; /* of variable k's channels */
    size_t nqueries;                       /* at most QUERIES_MAX */
    const char *queries[QUERIES_MAX];      /* names, of at most QUERIES_NAME bytes */
};

/* Lay out the columns. The layout must not be moved afterwards: its columns point into it. */
void rows_layout_init(struct rows_layout *layout, const struct measure_plan *plan, size_t block,
                      const struct rows_options *options);

void rows_init(struct rows *rows, const struct rows_layout *layout);

/* Free the blocks. All zero is fine. */
void rows_free(struct rows *rows);

/* Add a block of rows with numbers NaN, integers -1 and status `unread`. Errors: FAIL_SYSTEM. */
enum status rows_add_block(struct rows *rows, size_t first, size_t nrows, struct error *err);

/* Whether the rows would exceed `nbytes` with one more block. */
bool rows_full(const struct rows *rows, size_t nbytes);

/* Set row `row` of the block added last. `result` is NULL for an image that was not measured; `queries`, [nqueries][2],
 * are the values and conditions of an image that is OK. */
void rows_set(struct rows *rows, size_t row, enum store_status status, const struct measure_result *result,
              const double *queries);

/* One row. */
struct rows_image {
    enum store_status status;
    int predicted, target; /* -1 where the image was not measured */
    double logit;          /* NaN in that case */
    double value, given;   /* of the first query; NaN unless the image is OK */
};

/* Row `row` of the block added last. */
struct rows_image rows_get(const struct rows *rows, size_t row);

/* Gather the blocks of a node's ranks in its first rank, which writes them to a part file. All ranks then free them.
 * Collective over the node; the result may differ between ranks. Errors: FAIL_SYSTEM. */
enum status rows_write_part(struct rows *rows, const struct node *node, const char *path, struct error *err);

/* The part files of a run, and the blocks of rows in them. */
struct rows_parts {
    const struct rows_layout *layout; /* borrowed */
    struct partfile_reader *reader;   /* owned */
    struct partfile **parts;          /* [nparts] owned */
    size_t nparts;
    struct rows_place *places; /* [nplaces] owned; in the order of their rows */
    size_t nplaces;
    size_t nrows; /* in all of them */
};

/* A block in one of the part files. */
struct rows_place {
    size_t first, nrows, part, block;
};

/* Open part files. Not collective. Caller frees with rows_parts_free, also after a failure.
 * Errors: FAIL_FORMAT (a damaged part, or rows twice), FAIL_SYSTEM. */
enum status rows_parts_open(struct rows_parts *parts, const struct rows_layout *layout, const char *const *paths,
                            size_t nparts, struct error *err);

void rows_parts_free(struct rows_parts *parts);

/* Copy rows into a store of nrows images. A store that is not `complete` may lack rows, and gets no columns of channel
 * relevance. Not collective.
 *
 *   counts  out  [STORE_NSTATUS] rows by status
 * Errors: FAIL_FORMAT (a damaged part, or rows missing), FAIL_SYSTEM. */
enum status rows_pack(struct store *store, size_t *counts, const struct rows_parts *parts, size_t nrows, bool complete,
                      struct error *err);

/* Read a column of single float64 numbers.
 *
 *   out  out  [nrows] NaN where rows are missing
 * Errors as rows_pack. */
enum status rows_read_column(double *out, const struct rows_parts *parts, size_t column, size_t nrows,
                             struct error *err);

#endif
