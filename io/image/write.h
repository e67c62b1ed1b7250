/* Writing images to files. */
#ifndef NRMFLOW_IO_IMAGE_WRITE_H
#define NRMFLOW_IO_IMAGE_WRITE_H

#include "io/image/image.h"

/* Write a JPEG file; an existing file is replaced.
 *
 *   image    in  1 or 3 channels
 *   quality  in  1 to 100, as in libjpeg
 * Errors: FAIL_SYSTEM if the file cannot be written or there is no memory. */
enum status image_write_jpeg(const struct image *image, int quality, const char *path, struct error *err);

/* The same as a PNG file. On failure no file is left. Errors: also FAIL_RESOURCE without memory. */
enum status image_write_png(const struct image *image, const char *path, struct error *err);

#endif
