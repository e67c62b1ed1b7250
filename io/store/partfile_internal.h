/* What the implementation of part files shares; not part of their interface. */
#ifndef NRMFLOW_IO_STORE_PARTFILE_INTERNAL_H
#define NRMFLOW_IO_STORE_PARTFILE_INTERNAL_H

#include "io/base/sandbox.h"
#include "io/h5/h5.h"
#include "io/store/partfile.h"

enum {
    PARTFILE_FORMAT_VERSION = 1,
    PARTFILE_MAX_BLOCK_BYTES = 1 << 28,
    PARTFILE_MAX_BLOCKS = 1 << 26,
    PARTFILE_PATH = PARTFILE_MAX_NAME + 16
};

extern const char partfile_format_name[sizeof "nrmflow-part"];
extern const size_t partfile_element_bytes[PARTFILE_NTYPES];

hid_t partfile_memory_type(enum partfile_type type);
hid_t partfile_file_type(enum partfile_type type);

/* Whether a part file may have these columns. */
bool partfile_good_columns(const struct partfile_column *columns, size_t ncolumns, size_t rows_per_block);

/* Path of a column in the file; false if the name is not allowed. */
bool partfile_column_path(char path[static PARTFILE_PATH], const char *name);

/* Operations of the sandboxed process, as [numbers] text > [numbers] bytes of the reply. */
enum partfile_op {
    PARTFILE_OP_OPEN, /* [] path > [part, nblocks, rows per block] int64_t: first images, then numbers of rows */
    PARTFILE_OP_READ, /* [part, block, column] > [] rows */
    PARTFILE_OP_CLOSE /* [part] */
};

/* State of the sandboxed process: its open files. */
struct partfile_files {
    const struct partfile_column *columns; /* [ncolumns] */
    size_t ncolumns, nparts;
    struct partfile_sandboxed **parts; /* [nparts] NULL where one was closed */
};

sandbox_answer partfile_sandboxed_answer;

#endif
