/* Make the checksums of a changed file right again, so that what lies behind them is reached. Sizes of images are kept
 * small, so that time goes into decoding and not into clearing memory. Bytes that are no such file are left alone. */
#ifndef NRMFLOW_TESTS_FUZZ_MEND_H
#define NRMFLOW_TESTS_FUZZ_MEND_H

#include <stddef.h>

void mend_png(unsigned char *bytes, size_t nbytes);
void mend_jpeg(unsigned char *bytes, size_t nbytes);
void mend_zip(unsigned char *bytes, size_t nbytes);
void mend_tar(unsigned char *bytes, size_t nbytes);

/* Superblock, object headers, and the heads and plain blocks of arrays of chunks, of the format of HDF5 1.10. */
void mend_hdf5(unsigned char *bytes, size_t nbytes);

#endif
