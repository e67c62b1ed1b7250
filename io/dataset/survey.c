#include "io/dataset/survey.h"

#include "io/dataset/builder.h"
#include "io/image/probe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 1 << 12, LONG_HEAD = 1 << 20 };

/* The file that was opened last: shards have many images. */
struct surveyor {
    const struct dataset_listing *listing;
    struct dataset_buffer head;
    int file;
    uint64_t source; /* of `file` */
    struct dataset_surveyed last;
};

/* Open a file; nbytes and time stay -1 if it cannot be. */
static void open_file(struct surveyor *s, const char *name)
{
    char path[DATASET_PATH];
    struct stat info;
    const char *root = dataset_listing_section(s->listing, DATASET_ROOT);

    if (s->file >= 0)
        close(s->file);
    s->last = (struct dataset_surveyed){.nbytes = -1, .time = -1};
    s->file = dataset_buffer_join(path, root, name, NULL) == OK ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (s->file < 0 || fstat(s->file, &info) != 0 || !S_ISREG(info.st_mode))
        return;
    s->last.nbytes = (int64_t)info.st_size;
    s->last.time = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
}

/* The size of the image in `nbytes` bytes of the open file. */
static void probe(struct dataset_surveyed *out, struct surveyor *s, size_t offset, size_t nbytes)
{
    static const size_t heads[] = {HEAD, LONG_HEAD};
    struct image_probe image = {0};
    bool told = false;

    for (size_t i = 0; i < sizeof heads / sizeof heads[0] && !told && s->file >= 0 && nbytes > 0; i++) {
        size_t n = nbytes < heads[i] ? nbytes : heads[i];
        s->head.size = 0;
        unsigned char *bytes = dataset_buffer_extend(&s->head, n, NULL);
        if (!bytes || pread(s->file, bytes, n, (off_t)offset) != (ssize_t)n)
            return;
        told = image_probe(&image, bytes, n) || n == nbytes;
    }
    out->width = image.width;
    out->height = image.height;
    out->decode_bytes = image.decode_bytes;
}

static void survey_file(struct dataset_surveyed *out, struct surveyor *s, size_t index)
{
    open_file(s, dataset_listing_string(s->listing, DATASET_NAMES, index));
    *out = s->last;
    if (s->last.nbytes > 0)
        probe(out, s, 0, (size_t)s->last.nbytes);
    out->encoded_bytes = s->last.nbytes > 0 ? (size_t)s->last.nbytes : 0;
}

static void survey_member(struct dataset_surveyed *out, struct surveyor *s, size_t index)
{
    const struct dataset_member *members = dataset_listing_section(s->listing, DATASET_MEMBERS);
    const struct dataset_member *m = &members[index];

    if (s->source != m->source) {
        open_file(s, dataset_listing_string(s->listing, DATASET_SOURCES, m->source));
        s->source = m->source;
    }
    *out = s->last;
    if (s->last.nbytes > 0)
        probe(out, s, m->offset, m->nbytes);
    out->encoded_bytes = m->nbytes;
}

/* Images of an array have one size. The listing's checksum has the pixels of an IDX file already. */
static void survey_array(struct dataset_surveyed *out, struct surveyor *s, size_t index)
{
    const struct dataset_shape *shape = &s->listing->shape;
    size_t pixels = shape->height * shape->width;

    (void)index;
    if (s->listing->kind == DATASET_HDF5 && s->source != 0) {
        open_file(s, dataset_listing_string(s->listing, DATASET_SOURCES, 0));
        s->source = 0;
    }
    *out = s->last;
    out->width = shape->width;
    out->height = shape->height;
    out->decode_bytes = 3 * pixels;
    out->encoded_bytes = pixels * shape->channels;
}

void dataset_survey(const struct dataset_listing *listing, size_t first, size_t end, dataset_survey_take *take,
                    void *context)
{
    static void (*const surveys[])(struct dataset_surveyed *, struct surveyor *, size_t) = {
        [DATASET_FILES] = survey_file,
        [DATASET_IDX] = survey_array,
        [DATASET_HDF5] = survey_array,
        [DATASET_TAR] = survey_member,
    };

    struct surveyor s = {.listing = listing, .file = -1, .source = UINT64_MAX};

    for (size_t i = first; i < end; i++) {
        struct dataset_surveyed image;
        surveys[listing->kind](&image, &s, i);
        take(context, i, &image);
    }
    if (s.file >= 0)
        close(s.file);
    dataset_buffer_free(&s.head);
}
