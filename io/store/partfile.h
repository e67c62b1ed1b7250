/* Part files: the per-image rows of one epoch, written by one writer and never changed afterwards.
 *
 * The rows come in blocks of consecutive images. A block is read back as it was written; blocks may have any order.
 * Columns are compressed (shuffle, deflate) and have checksums (fletcher32). A part file is written to a temporary
 * file, which partfile_commit renames into place. Errors name the file, the column and the block.
 */
#ifndef NRMFLOW_IO_STORE_PARTFILE_H
#define NRMFLOW_IO_STORE_PARTFILE_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PARTFILE_MAX_COLUMNS = 128,
    PARTFILE_MAX_NAME = 255,     /* bytes of a column's name without the NUL; it has no slashes */
    PARTFILE_MAX_ROW = 1 << 26,  /* bytes of one row of a column */
    PARTFILE_MAX_BLOCK = 1 << 20 /* rows of a block */
};

/* float, double, int32_t, int64_t */
enum partfile_type { PARTFILE_F32, PARTFILE_F64, PARTFILE_I32, PARTFILE_I64, PARTFILE_NTYPES };

struct partfile_column {
    const char *name;
    enum partfile_type type;
    size_t width; /* elements of a row, at least one */
};

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct partfile_writer;

/* Begin a part file.
 *
 *   out             out  caller ends it with partfile_commit or partfile_discard, which both free it
 *   columns         in   [ncolumns] copied
 *   rows_per_block  in   the largest number of rows of one append
 * Errors: FAIL_SYSTEM, FAIL_LIMIT. */
enum status partfile_create(struct partfile_writer **out, const char *path, const struct partfile_column *columns,
                            size_t ncolumns, size_t rows_per_block, struct error *err);

/* Append the rows of images first_image .. first_image + nrows - 1 as one block.
 *
 *   nrows  in  1 .. rows_per_block
 *   data   in  [ncolumns] each [nrows][width] of the column's type
 * Errors: FAIL_SYSTEM (a full disk), FAIL_LIMIT (nrows). After an error the file can only be discarded. */
enum status partfile_append(struct partfile_writer *part, size_t first_image, size_t nrows, const void *const *data,
                            struct error *err);

/* Close, fsync, rename into place. Always frees `part`; on failure no file is left. */
enum status partfile_commit(struct partfile_writer *part, struct error *err);

/* Remove the temporary file; NULL is fine. */
void partfile_discard(struct partfile_writer *part);

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Part files are read in a sandboxed process (io/base/sandbox.h). One process reads all files of a reader. */
struct partfile_reader;

/* Start the process, for part files with exactly these columns.
 *
 *   out      out  caller ends it with partfile_reader_end after closing its part files
 *   columns  in   [ncolumns] in any order; they and their names are borrowed until then
 * Errors: FAIL_LIMIT, FAIL_RESOURCE. */
enum status partfile_reader_start(struct partfile_reader **out, const struct partfile_column *columns, size_t ncolumns,
                                  struct error *err);

/* NULL is fine. */
void partfile_reader_end(struct partfile_reader *reader);

struct partfile;

/* Open a part file.
 *
 *   out  out  caller ends it with partfile_close
 * Errors: FAIL_FORMAT (not a part file, or damaged), FAIL_MISMATCH (other columns), FAIL_SYSTEM. */
enum status partfile_open(struct partfile **out, struct partfile_reader *reader, const char *path, struct error *err);

/* NULL is fine. */
void partfile_close(struct partfile *part);

size_t partfile_nblocks(const struct partfile *part);

/* The largest number of rows of a block. */
size_t partfile_rows_per_block(const struct partfile *part);

/* The images of a block, block < partfile_nblocks(). */
size_t partfile_first_image(const struct partfile *part, size_t block);
size_t partfile_nrows(const struct partfile *part, size_t block);

/* Read one column of one block.
 *
 *   out  out  [partfile_nrows(block)][width] of the column's type
 * Errors: FAIL_FORMAT if the data is damaged. */
enum status partfile_read(void *out, const struct partfile *part, size_t block, size_t column, struct error *err);

#endif
