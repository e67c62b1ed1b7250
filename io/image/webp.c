#include "io/image/codec.h"

#include <webp/decode.h>

static enum status fail(VP8StatusCode code, struct error *err)
{
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return error_set(err, FAIL_FORMAT, "the WebP file is truncated");
    case VP8_STATUS_OUT_OF_MEMORY:
        return error_set(err, FAIL_RESOURCE, "no memory for the WebP decoder");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return error_set(err, FAIL_UNSUPPORTED, "the WebP file uses something that libwebp does not read");
    default:
        return error_set(err, FAIL_FORMAT, "the WebP file is damaged");
    }
}

/* PIL drops alpha, too; the colours of transparent pixels are those of the file. */
enum status image_webp_decode(struct image *out, struct image_decoded *decoded, const unsigned char *bytes,
                              size_t nbytes, struct error *err)
{
    WebPDecoderConfig config;
    enum status rc = OK;

    if (!WebPInitDecoderConfig(&config))
        return error_set(err, FAIL_UNSUPPORTED, "libwebp is of another version than the program was built for");
    VP8StatusCode code = WebPGetFeatures(bytes, nbytes, &config.input);
    if (code != VP8_STATUS_OK)
        return fail(code, err);
    size_t width = (size_t)config.input.width, height = (size_t)config.input.height;
    if (config.input.has_animation)
        return error_set(err, FAIL_UNSUPPORTED, "animated WebP images are not read; extract the frames");
    TRY(image_check_size(width, height, err));
    TRY(image_reshape_layout(out, width, height, IMAGE_RGB, err));
    decoded->layout = IMAGE_RGB;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){out->pixels, (int)(3 * width), 3 * width * height};
    code = WebPDecode(bytes, nbytes, &config);
    if (code != VP8_STATUS_OK)
        rc = fail(code, err);
done:
    return rc;
}
