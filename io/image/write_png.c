#include "io/base/fault.h"
#include "io/image/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <png.h>

static enum status encode(unsigned char **out, size_t *nbytes, const struct image *image, struct error *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)image->width,
                     .height = (png_uint_32)image->height,
                     .format = image->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};

    *nbytes = PNG_IMAGE_PNG_SIZE_MAX(png);
    *out = malloc(*nbytes);
    if (!*out)
        return error_set(err, FAIL_RESOURCE, "no memory for a PNG file of %zu x %zu pixels", image->width,
                         image->height);
    if (!png_image_write_to_memory(&png, *out, nbytes, 0, image->pixels, 0, NULL))
        return error_set(err, FAIL_SYSTEM, "a PNG file of %zu x %zu pixels cannot be encoded: %s", image->width,
                         image->height, png.message);
    return OK;
}

static bool write_all(FILE *file, const unsigned char *bytes, size_t nbytes)
{
    return !fault_hit(FAULT_WRITE) && fwrite(bytes, 1, nbytes, file) == nbytes && fflush(file) == 0;
}

enum status image_write_png(const struct image *image, const char *path, struct error *err)
{
    unsigned char *bytes = NULL;
    size_t nbytes;
    FILE *file = NULL;
    enum status rc = OK;

    TRY(encode(&bytes, &nbytes, image, err));
    file = fault_hit(FAULT_CREATE) ? NULL : fopen(path, "wb");
    if (!file)
        TRY(error_system(err, "%s: cannot be created", path));
    if (!write_all(file, bytes, nbytes))
        rc = error_system(err, "%s: cannot be written", path);
    if (fclose(file) != 0 && rc == OK)
        rc = error_system(err, "%s: cannot be written", path);
    if (rc != OK)
        unlink(path);
done:
    free(bytes);
    return rc;
}
