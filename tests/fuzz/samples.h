/* Small stores and part files to start from. */
#ifndef NRMFLOW_TESTS_FUZZ_SAMPLES_H
#define NRMFLOW_TESTS_FUZZ_SAMPLES_H

#include "io/store/partfile.h"

enum { SAMPLES_COLUMNS = 3 };

/* Columns of the part file. */
extern const struct partfile_column samples_columns[SAMPLES_COLUMNS];

/* Write store.h5, unfinished.h5 and part.h5 into a folder; exits on failure. */
void samples_write(const char *folder);

#endif
