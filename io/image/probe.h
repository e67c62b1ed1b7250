/* How large an image is, from the beginning of its file. */
#ifndef NRMFLOW_IO_IMAGE_PROBE_H
#define NRMFLOW_IO_IMAGE_PROBE_H

#include "io/image/image.h"

#include <stdbool.h>
#include <stddef.h>

struct image_probe {
    size_t width, height; /* 0: no image that is decoded */
    size_t decode_bytes;  /* of memory that image_decode takes, beside the file itself */
};

/* Examine the first bytes of a file of a type that image_decode reads; whether they are enough to tell. */
bool image_probe(struct image_probe *out, const unsigned char *bytes, size_t nbytes);

#endif
