#include "pipeline/analysis/picture.h"

#include "kernels/base/number.h"

#include <math.h>
#include <string.h>

/* Approximate side of a panel, and gap between the two panels, in pixels. */
enum { PANEL = 448, GAP = 8, RED = 0, GREEN = 1, BLUE = 2, COLOURS = 3 };

/* Part of the image's contrast that is kept under the colours. */
#define PALE 0.3

static const double positive[COLOURS] = {178, 24, 43}, negative[COLOURS] = {33, 102, 172};

/* Colour of an input pixel, 0 to 255: the inverse of image_preprocess. */
static void input_colour(double colour[COLOURS], const float *input, const struct preprocessing *p, size_t y, size_t x)
{
    for (size_t i = 0; i < COLOURS; i++) {
        size_t c = p->channels == 1 ? 0 : p->reversed ? COLOURS - 1 - i : i;
        double value = (double)input[(c * p->height + y) * p->width + x];
        value = (value * (double)p->std[c] + (double)p->mean[c]) * (double)p->divisor;
        colour[i] = fmin(fmax(value, 0), 255);
    }
}

/* Blend the pixel's faded grey with the colour of the map's value. Small values are amplified to be visible. */
static void lay_over(double colour[COLOURS], double value, double full)
{
    double grey = 0.299 * colour[RED] + 0.587 * colour[GREEN] + 0.114 * colour[BLUE];
    double cover = full > 0 ? sqrt(fmin(fabs(value) / full, 1)) : 0;
    const double *over = value > 0 ? positive : negative;

    for (size_t i = 0; i < COLOURS; i++)
        colour[i] = (1 - cover) * (255 - PALE * (255 - grey)) + cover * over[i];
}

static void put(unsigned char *pixel, const double colour[COLOURS])
{
    for (size_t i = 0; i < COLOURS; i++)
        pixel[i] = (unsigned char)lround(colour[i]);
}

enum status picture_draw(struct image *out, const float *input, const struct preprocessing *p, struct picture_map map,
                         struct error *err)
{
    size_t side = larger(p->width, p->height), cell = side < PANEL ? PANEL / side : 1;
    size_t width = p->width * cell, height = p->height * cell;
    enum status rc = OK;

    TRY(image_reshape(out, 2 * width + GAP, height, COLOURS, err));
    memset(out->pixels, 255, out->width * out->height * COLOURS);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            unsigned char *pixel = out->pixels + (y * out->width + x) * COLOURS;
            double colour[COLOURS], value = map.values[y * map.height / height * map.width + x * map.width / width];
            input_colour(colour, input, p, y / cell, x / cell);
            put(pixel, colour);
            lay_over(colour, value, map.full);
            put(pixel + (width + GAP) * COLOURS, colour);
        }
done:
    return rc;
}
