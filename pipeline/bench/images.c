#include "pipeline/bench/images.h"

#include "io/image/write.h"
#include "pipeline/mpi/agree.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Most of ImageNet's images are 500 x 375 and have 110 kB. */
enum { WIDTH = 500, HEIGHT = 375, QUALITY = 92, WAVES = 8 };

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

struct wave {
    double x, y, phase, amplitude;
};

/* Waves of all directions and lengths, weaker the shorter they are, as in photographs; and some noise. */
static void paint(struct image *image, uint64_t seed)
{
    struct wave waves[WAVES];

    for (size_t i = 0; i < WAVES; i++) {
        double angle = 6.28 * random_unit(&seed), frequency = pow(2, (double)i / WAVES * 7);
        waves[i] = (struct wave){cos(angle) * frequency / WIDTH * 6.28, sin(angle) * frequency / WIDTH * 6.28,
                                 6.28 * random_unit(&seed), 40 / sqrt(frequency)};
    }
    for (size_t i = 0; i < image->width * image->height; i++) {
        size_t row = i / image->width;
        double value = 128, x = (double)(i % image->width), y = (double)row;
        for (size_t w = 0; w < WAVES; w++)
            value += waves[w].amplitude * sin(waves[w].x * x + waves[w].y * y + waves[w].phase);
        for (size_t c = 0; c < 3; c++) {
            double tinted = value * (1 - 0.2 * (double)c) + 30 * (double)c + 60 * random_unit(&seed);
            image->pixels[3 * i + c] = (unsigned char)fmin(fmax(tinted, 0), 255);
        }
    }
}

static enum status write_images(const char *folder, size_t count, struct error *err)
{
    char path[BENCH_IMAGES_PATH + 32];
    struct image image;
    enum status rc = OK;

    image_init(&image);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        TRY(error_system(err, "%s: cannot be made", folder));
    TRY(image_reshape(&image, WIDTH, HEIGHT, 3, err));
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%06zu.jpg", folder, i);
        paint(&image, i);
        TRY(image_write_jpeg(&image, QUALITY, path, err));
    }
done:
    image_free(&image);
    return rc;
}

enum status bench_images_make(char folder[BENCH_IMAGES_PATH], size_t count, const struct node *node, struct error *err)
{
    const char *place = getenv("TMPDIR");
    enum status rc = OK;

    memset(folder, 0, BENCH_IMAGES_PATH);
    if (node->rank == 0) {
        snprintf(folder, BENCH_IMAGES_PATH, "%s/nrmflow-bench-XXXXXX", place && *place ? place : P_tmpdir);
        if (!mkdtemp(folder)) {
            rc = error_system(err, "%s: cannot be made; set TMPDIR", folder);
            *folder = '\0';
        }
    }
    TRY(agree(node->world, rc, err));
    MPI_Bcast(folder, BENCH_IMAGES_PATH, MPI_CHAR, 0, node->world);
    TRY(agree(node->world, node->local == 0 ? write_images(folder, count, err) : OK, err));
done:
    return rc;
}

void bench_images_remove(const char *folder, const struct node *node)
{
    DIR *files;

    MPI_Barrier(node->world);
    if (!*folder || node->local != 0 || !(files = opendir(folder)))
        return;
    for (const struct dirent *file = readdir(files); file; file = readdir(files))
        unlinkat(dirfd(files), file->d_name, 0); /* . and .. stay */
    closedir(files);
    rmdir(folder);
}
