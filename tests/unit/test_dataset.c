/* Data sets of every kind against what tests/support/make_datasets.py put into them. */
#include "io/dataset/dataset.h"
#include "tests/support/image_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct text {
    char path[PATH_LENGTH], format[16], labels[PATH_LENGTH], expected[PATH_LENGTH];
};

struct fixture {
    char good[PATH_LENGTH], bad[PATH_LENGTH];
    struct image image;
};

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    temporary_folder(f->good);
    temporary_folder(f->bad);
    return run_python("make_datasets.py", "good", f->good) && run_python("make_datasets.py", "bad", f->bad) ? 0 : -1;
}

static int remove_fixture(void **state)
{
    struct fixture *f = *state;

    temporary_remove(f->good);
    temporary_remove(f->bad);
    image_free(&f->image);
    free(f);
    return 0;
}

static const char *given(const char *text)
{
    return strcmp(text, "-") == 0 ? NULL : text;
}

/* A copy at another place, so that every pointer into the scanned block would be found. */
static struct dataset_listing *moved(struct dataset_listing *listing)
{
    size_t nbytes = dataset_listing_bytes(listing);
    void *copy = malloc(nbytes);

    memcpy(copy, listing, nbytes);
    memset((void *)listing, 0xa5, nbytes);
    free(listing);
    return copy;
}

static struct dataset_listing *scan(const char *path, const char *format, const char *labels)
{
    struct dataset_options options = {path, format, labels, NULL};
    struct dataset_listing *listing;
    struct error err = {0};

    if (dataset_scan(&listing, &options, &err) != OK)
        fail_msg("%s: %s", path, err.message);
    return moved(listing);
}

static uint32_t take_number(unsigned char **next)
{
    uint32_t n;

    memcpy(&n, *next, sizeof n);
    *next += sizeof n;
    return n;
}

static const char *take_text(unsigned char **next)
{
    const char *text = (const char *)*next;

    *next += strlen(text) + 1;
    return text;
}

static void check_read(struct fixture *f, struct dataset *data, size_t i, const char *name, unsigned char **next)
{
    size_t width = take_number(next), height = take_number(next);
    struct error err = {0};
    enum status rc = dataset_read(&f->image, data, i, 3, &err);

    if (width == 0) {
        if (rc == OK || rc != err.status || !strstr(err.message, f->good))
            fail_msg("%s: status %d, '%s'", name, rc, err.message);
        return;
    }
    if (rc != OK)
        fail_msg("%s: %s", name, err.message);
    assert_int_equal(f->image.width, width);
    assert_int_equal(f->image.height, height);
    if (memcmp(f->image.pixels, *next, width * height * 3) != 0)
        fail_msg("%s: the pixels differ", name);
    *next += width * height * 3;
}

static void check_good(struct fixture *f, const struct text *c)
{
    struct dataset_listing *listing = scan(c->path, given(c->format), given(c->labels));
    struct dataset *data;
    size_t nbytes;
    unsigned char *bytes = read_file(c->expected, &nbytes), *next = bytes;
    size_t count = take_number(&next), nclasses = take_number(&next);

    if (dataset_listing_count(listing) != count || dataset_listing_classes(listing) != nclasses)
        fail_msg("%s: %zu images, %zu classes, not %zu and %zu", c->path, dataset_listing_count(listing),
                 dataset_listing_classes(listing), count, nclasses);
    for (size_t k = 0; k < nclasses; k++)
        assert_string_equal(dataset_listing_class(listing, k), take_text(&next));
    assert_int_equal(dataset_open(&data, listing, NULL), OK);
    for (size_t i = 0; i < count; i++) {
        char name[PATH_LENGTH];
        int label = (int)take_number(&next);
        const char *expected = take_text(&next);
        size_t length = dataset_listing_name(name, sizeof name, listing, i);
        assert_string_equal(name, expected);
        assert_int_equal(length, strlen(expected));
        if (dataset_listing_label(listing, i) != label)
            fail_msg("%s: label %d, not %d", name, dataset_listing_label(listing, i), label);
        check_read(f, data, i, name, &next);
    }
    assert_ptr_equal(next, bytes + nbytes);
    dataset_close(data);
    free(listing);
    free(bytes);
}

/* Every case of a folder whose path has `part` in it. */
static void for_cases(struct fixture *f, const char *folder, const char *part,
                      void (*check)(struct fixture *, const struct text *))
{
    char path[PATH_LENGTH + 16], *rest = NULL;
    size_t nbytes, ncases = 0;

    snprintf(path, sizeof path, "%s/cases.txt", folder);
    char *text = (char *)read_file(path, &nbytes);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct text c;
        assert_int_equal(
            sscanf(line, "%4095[^\t]\t%15[^\t]\t%4095[^\t]\t%4095[^\t]", c.path, c.format, c.labels, c.expected), 4);
        if (strstr(c.path + strlen(folder), part)) {
            check(f, &c);
            ncases++;
        }
    }
    assert_in_range(ncases, 1, 1000);
    free(text);
}

static void folders_list_as_image_folder_does(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->good, "folder", check_good);
}

static void a_folder_without_classes_and_lists_read_the_same_files(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->good, "flat", check_good);
}

static void idx_files_hold_images_and_find_their_labels(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->good, "/idx/", check_good);
}

static void hdf5_arrays_of_every_shape_are_read(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->good, "/hdf5/", check_good);
}

static void tar_shards_are_read_in_place(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->good, "/tar/", check_good);
}

static void check_bad(struct fixture *f, const struct text *c)
{
    struct dataset_options options = {c->path, given(c->format), given(c->labels), NULL};
    struct dataset_listing *listing;
    struct error err = {0};
    enum status rc = dataset_scan(&listing, &options, &err);

    (void)f;
    if (strcmp(error_name(rc), c->expected) != 0 || rc != err.status || listing)
        fail_msg("%s (%s): got '%s' (%s), not '%s'", c->path, c->format, error_name(rc), err.message, c->expected);
    if (rc != FAIL_CONFIG && !strstr(err.message, f->bad))
        fail_msg("the message '%s' has no path", err.message);
}

static void bad_data_sets_are_refused_with_their_path(void **state)
{
    struct fixture *f = *state;

    for_cases(f, f->bad, "", check_bad);
}

static void an_empty_path_is_a_configuration_error(void **state)
{
    struct dataset_options options = {.path = ""};
    struct dataset_listing *listing;

    (void)state;
    assert_int_equal(dataset_scan(&listing, &options, NULL), FAIL_CONFIG);
    options.path = NULL;
    assert_int_equal(dataset_scan(&listing, &options, NULL), FAIL_CONFIG);
}

static void assert_hashes(const char *left, const char *right, bool equal)
{
    struct dataset_listing *a = scan(left, NULL, NULL), *b = scan(right, NULL, NULL);
    bool same = memcmp(dataset_listing_sha256(a), dataset_listing_sha256(b), DATASET_SHA256) == 0;

    free(a);
    free(b);
    assert_int_equal(same, equal);
}

static void the_hash_tells_data_sets_apart_but_not_places(void **state)
{
    struct fixture *f = *state;
    char left[PATH_LENGTH + 64], right[PATH_LENGTH + 64], file[PATH_LENGTH + 80];

    snprintf(left, sizeof left, "%s/hash", f->good);
    snprintf(right, sizeof right, "%s/another place/hash", f->good);
    snprintf(file, sizeof file, "%s/another place", f->good);
    assert_int_equal(mkdir(file, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        const char *root = i ? right : left;
        assert_int_equal(mkdir(root, 0700), 0);
        snprintf(file, sizeof file, "%s/list.txt", root);
        write_file(file, "a.png 1\nb.png 2\n", 16);
    }
    strcat(left, "/list.txt");
    strcat(right, "/list.txt");
    assert_hashes(left, right, true);
    write_file(right, "a.png 1\nb.png 3\n", 16);
    assert_hashes(left, right, false);
    write_file(right, "a.png 1\nc.png 2\n", 16);
    assert_hashes(left, right, false);
}

static void check_lost(struct fixture *f, const char *name, const char *text, enum status expected,
                       void (*spoil)(const char *path))
{
    char path[PATH_LENGTH + 64], list[PATH_LENGTH + 64];
    struct dataset *data;
    struct error err = {0};

    snprintf(path, sizeof path, "%s/%s", f->good, name);
    snprintf(list, sizeof list, "%s/lost.txt", f->good);
    write_file(path, text, strlen(text));
    write_file(list, name, strlen(name));
    struct dataset_listing *listing = scan(list, NULL, NULL);
    assert_int_equal(dataset_open(&data, listing, NULL), OK);
    spoil(path);
    assert_int_equal(dataset_read(&f->image, data, 0, 3, &err), expected);
    assert_non_null(strstr(err.message, path));
    dataset_close(data);
    free(listing);
}

static void spoil_remove(const char *path)
{
    assert_int_equal(remove(path), 0);
}

static void spoil_folder(const char *path)
{
    spoil_remove(path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void spoil_fifo(const char *path)
{
    spoil_remove(path);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void spoil_empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void a_file_that_is_lost_after_the_scan_fails_alone(void **state)
{
    struct fixture *f = *state;

    check_lost(f, "removed.png", "text", FAIL_SYSTEM, spoil_remove);
    check_lost(f, "folder.png", "text", FAIL_FORMAT, spoil_folder);
    check_lost(f, "fifo.png", "text", FAIL_FORMAT, spoil_fifo);
    check_lost(f, "emptied.png", "text", FAIL_FORMAT, spoil_empty);
}

static void a_shard_cut_after_the_scan_fails_for_the_lost_images_only(void **state)
{
    struct fixture *f = *state;
    char path[PATH_LENGTH + 64], copy[PATH_LENGTH + 64];
    struct dataset *data;
    size_t nbytes;

    snprintf(path, sizeof path, "%s/tar/shards/train-10.tar", f->good);
    snprintf(copy, sizeof copy, "%s/cut.tar", f->good);
    unsigned char *bytes = read_file(path, &nbytes);
    write_file(copy, bytes, nbytes);
    struct dataset_listing *listing = scan(copy, NULL, NULL);
    assert_int_equal(truncate(copy, 2048), 0);
    assert_int_equal(dataset_open(&data, listing, NULL), OK);
    assert_int_equal(dataset_read(&f->image, data, 0, 3, NULL), OK);
    assert_int_equal(dataset_read(&f->image, data, dataset_listing_count(listing) - 1, 3, NULL), FAIL_FORMAT);
    assert_int_equal(dataset_read(&f->image, data, 0, 3, NULL), OK);
    dataset_close(data);
    free(listing);
    free(bytes);
}

static void an_hdf5_file_that_was_replaced_is_a_mismatch(void **state)
{
    struct fixture *f = *state;
    char path[PATH_LENGTH + 64], other[PATH_LENGTH + 64], copy[PATH_LENGTH + 64];
    struct dataset *data;
    size_t nbytes;

    snprintf(path, sizeof path, "%s/hdf5/virelay.h5", f->good);
    snprintf(other, sizeof other, "%s/hdf5/multi.h5", f->good);
    snprintf(copy, sizeof copy, "%s/replaced.h5", f->good);
    unsigned char *bytes = read_file(path, &nbytes);
    write_file(copy, bytes, nbytes);
    free(bytes);
    struct dataset_listing *listing = scan(copy, NULL, NULL);
    bytes = read_file(other, &nbytes);
    write_file(copy, bytes, nbytes);
    free(bytes);
    assert_int_equal(dataset_open(&data, listing, NULL), FAIL_MISMATCH);
    assert_null(data);
    free(listing);
}

static void read_everything(struct fixture *f, const struct dataset_listing *listing)
{
    struct dataset *data;

    if (dataset_open(&data, listing, NULL) != OK)
        return;
    for (size_t i = 0; i < dataset_listing_count(listing) && i < 20; i++)
        dataset_read(&f->image, data, i, i % 2 ? 1 : 3, NULL);
    dataset_close(data);
}

static void damaged_files_never_do_more_than_fail(void **state)
{
    static const struct {
        const char *name, *format;
    } files[] = {
        {"idx/plain-images-idx3", "idx"}, {"idx/t10k-labels-idx1-ubyte.gz", "idx"}, {"idx/planes", "idx"},
        {"flat/labels.txt", "list"},      {"tar/shards/train-01.tar", "tar"},       {"tar/pax.tar", "tar"},
    };

    enum { ROUNDS = 150 };
    struct fixture *f = *state;
    uint64_t random = 20240613;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[PATH_LENGTH + 64], copy[PATH_LENGTH + 64];
        size_t nbytes;
        snprintf(path, sizeof path, "%s/%s", f->good, files[i].name);
        snprintf(copy, sizeof copy, "%s/flat/damaged", f->good);
        unsigned char *bytes = read_file(path, &nbytes), *damaged = malloc(nbytes);
        for (size_t round = 0; round < ROUNDS; round++) {
            struct dataset_options options = {.path = copy, .format = files[i].format};
            struct dataset_listing *listing;
            struct error err = {0};
            uint64_t seed = random;
            memcpy(damaged, bytes, nbytes);
            for (size_t n = 1 + next_random(&random) % 6; n > 0; n--)
                damaged[next_random(&random) % (n % 2          ? nbytes
                                                : nbytes < 512 ? nbytes
                                                               : 512)] = (unsigned char)next_random(&random);
            write_file(copy, damaged, next_random(&random) % 4 ? nbytes : next_random(&random) % nbytes);
            enum status rc = dataset_scan(&listing, &options, &err);
            if (rc != err.status || (rc == OK) != (listing != NULL))
                fail_msg("%s, seed %llu: status %d, '%s'", files[i].name, (unsigned long long)seed, rc, err.message);
            if (listing)
                read_everything(f, listing);
            free(listing);
        }
        free(bytes);
        free(damaged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_list_as_image_folder_does),
        cmocka_unit_test(a_folder_without_classes_and_lists_read_the_same_files),
        cmocka_unit_test(idx_files_hold_images_and_find_their_labels),
        cmocka_unit_test(hdf5_arrays_of_every_shape_are_read),
        cmocka_unit_test(tar_shards_are_read_in_place),
        cmocka_unit_test(bad_data_sets_are_refused_with_their_path),
        cmocka_unit_test(an_empty_path_is_a_configuration_error),
        cmocka_unit_test(the_hash_tells_data_sets_apart_but_not_places),
        cmocka_unit_test(a_file_that_is_lost_after_the_scan_fails_alone),
        cmocka_unit_test(a_shard_cut_after_the_scan_fails_for_the_lost_images_only),
        cmocka_unit_test(an_hdf5_file_that_was_replaced_is_a_mismatch),
        cmocka_unit_test(damaged_files_never_do_more_than_fail),
    };

    return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
