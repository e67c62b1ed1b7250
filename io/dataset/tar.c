#include "io/dataset/braces.h"
#include "io/dataset/builder.h"
#include "io/dataset/tar_index.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 1 << 14, MAX_LABEL = 32 };

/* A shard while it is scanned. */
struct shard {
    struct dataset_tar_index index;
    size_t nbytes, number;
    int descriptor;
    const char *path; /* borrowed */
};

/* ---- members --------------------------------------------------------------------------------------------------- */

static enum status add_member(struct shard *shard, struct archive *archive, struct archive_entry *entry,
                              struct error *err)
{
    const char *name = archive_entry_pathname_utf8(entry), *target = archive_entry_hardlink(entry);
    struct dataset_tar_member member = {.kind = target ? DATASET_TAR_HARD_LINK : DATASET_TAR_FILE};
    la_int64_t at = archive_filter_bytes(archive, 0), nbytes = archive_entry_size(entry);

    if (!name)
        name = archive_entry_pathname(entry);
    if (!name || strlen(name) >= DATASET_PATH)
        return error_set(err, FAIL_FORMAT, "%s: a member has no readable name, or one that is too long", shard->path);
    if (!target && archive_entry_filetype(entry) == AE_IFLNK) {
        member.kind = DATASET_TAR_SYMBOLIC_LINK;
        target = archive_entry_symlink(entry);
    } else if (!target && archive_entry_filetype(entry) != AE_IFREG) {
        return OK;
    }
    if (!target && archive_entry_sparse_count(entry) > 0)
        return error_set(err, FAIL_UNSUPPORTED, "%s:%s: is a sparse file; write the shard without these", shard->path,
                         name);
    if (!target &&
        (at < 0 || nbytes < 0 || (uint64_t)at > shard->nbytes || (uint64_t)nbytes > shard->nbytes - (uint64_t)at))
        return error_set(err, FAIL_FORMAT, "%s:%s: the tar file is truncated", shard->path, name);
    member.place =
        target ? (struct dataset_member){0} : (struct dataset_member){shard->number, (uint64_t)at, (uint64_t)nbytes};
    return dataset_tar_index_add(&shard->index, member, name, target ? target : "", err);
}

/* Decimal digits, optionally followed by white space. */
static enum status read_label(long long *label, const struct shard *shard, const struct dataset_tar_member *m,
                              struct error *err)
{
    char text[MAX_LABEL + 1] = "", *end, where[2 * DATASET_PATH];
    ssize_t n = m->place.nbytes < MAX_LABEL
                    ? pread(shard->descriptor, text, (size_t)m->place.nbytes, (off_t)m->place.offset)
                    : 0;

    *label = strtoll(text, &end, 10);
    snprintf(where, sizeof where, "%s:%s", shard->path, dataset_tar_index_name(&shard->index, m));
    if (n <= 0 || end == text || strspn(end, " \t\r\n") != strlen(end))
        return error_set(err, FAIL_FORMAT, "%s: has no label; a .cls member must be an integer", where);
    return dataset_builder_check_label(*label, where, err);
}

static enum status add_sample(struct dataset_builder *builder, const struct shard *shard,
                              const struct dataset_tar_sample *s, struct error *err)
{
    long long label = -1;
    enum status rc = OK;

    if (s->label)
        TRY(read_label(&label, shard, s->label, err));
    TRY(dataset_builder_image(builder, dataset_tar_index_name(&shard->index, s->image), (int)label, err));
    TRY(dataset_buffer_append(&builder->sections[DATASET_MEMBERS], &s->image->place, sizeof s->image->place, err));
done:
    return rc;
}

/* ---- shards ---------------------------------------------------------------------------------------------------- */

/* Members are read in place, which needs a plain file. */
static enum status check_plain(int descriptor, const char *path, struct error *err)
{
    static const struct {
        const char *magic, *advice;
    } packed[] = {{"\x1f\x8b", "gunzip"},
                  {"BZh", "bunzip2"},
                  {"\xfd"
                   "7zXZ",
                   "unxz"},
                  {"\x28\xb5\x2f\xfd", "unzstd"},
                  {"\x04\x22\x4d\x18", "unlz4"}};

    char head[8] = "";

    if (pread(descriptor, head, sizeof head, 0) < 0)
        return error_system(err, "%s: cannot be read", path);
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        if (memcmp(head, packed[i].magic, strlen(packed[i].magic)) == 0)
            return error_set(err, FAIL_UNSUPPORTED,
                             "%s: is compressed, but images are read in any order, which needs a plain tar file; "
                             "decompress it with %s (JPEG images hardly grow)",
                             path, packed[i].advice);
    return OK;
}

static enum status list_members(struct shard *shard, struct archive *a, struct error *err)
{
    struct archive_entry *entry;
    enum status rc = OK;
    int found;

    archive_read_support_format_tar(a);
    if (archive_read_open_fd(a, shard->descriptor, BLOCK) != ARCHIVE_OK)
        return error_set(err, FAIL_FORMAT, "%s: is not a tar file: %s", shard->path, archive_error_string(a));
    while ((found = archive_read_next_header(a, &entry)) == ARCHIVE_OK || found == ARCHIVE_WARN)
        TRY(add_member(shard, a, entry, err));
    if (found != ARCHIVE_EOF)
        rc = error_set(err, FAIL_FORMAT, "%s: is truncated, damaged or not a tar file: %s", shard->path,
                       archive_error_string(a));
done:
    return rc;
}

static enum status scan_members(struct dataset_builder *builder, struct shard *shard, struct error *err)
{
    struct archive *archive = archive_read_new();
    struct dataset_tar_samples samples = {0};
    enum status rc;

    if (!archive)
        return error_set(err, FAIL_SYSTEM, "%s: no memory to read it", shard->path);
    TRY(list_members(shard, archive, err));
    TRY(dataset_tar_index_samples(&samples, &shard->index, builder, err));
    for (size_t i = 0; i < samples.count; i++)
        TRY(add_sample(builder, shard, &samples.items[i], err));
done:
    free(samples.items);
    archive_read_free(archive);
    return rc;
}

static enum status scan_shard(struct dataset_builder *builder, const char *path, size_t number, struct error *err)
{
    struct shard shard = {.number = number, .path = path, .descriptor = -1};
    enum status rc;

    TRY(dataset_buffer_open(&shard.descriptor, &shard.nbytes, path, err));
    TRY(check_plain(shard.descriptor, path, err));
    rc = scan_members(builder, &shard, err);
done:
    dataset_tar_index_free(&shard.index);
    if (shard.descriptor >= 0)
        close(shard.descriptor);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The pattern of all shards, and the folder that their names are relative to: the part of the pattern before its first
 * component with a special character. */
static enum status make_pattern(char pattern[DATASET_PATH], char folder[DATASET_PATH], const char *path,
                                struct error *err)
{
    size_t fixed = strcspn(path, "*?[\\{");

    while (fixed > 0 && path[fixed - 1] != '/')
        fixed--;
    if ((size_t)snprintf(pattern, DATASET_PATH, "%s", path) >= DATASET_PATH)
        return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", path);
    snprintf(folder, DATASET_PATH, "%.*s", (int)fixed, path);
    return OK;
}

static enum status scan_shards(struct dataset_builder *builder, const char *path, struct error *err)
{
    char pattern[DATASET_PATH] = "", folder[DATASET_PATH] = "";
    glob_t found = {0};
    enum status rc;

    TRY(make_pattern(pattern, folder, path, err));
    TRY(dataset_builder_root(builder, folder[0] ? folder : ".", err));
    TRY(dataset_braces_glob(&found, pattern, err));
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (i > 0 && strcmp(found.gl_pathv[i - 1], found.gl_pathv[i]) == 0)
            TRY(error_set(err, FAIL_CONFIG, "%s: names the shard %s twice", path, found.gl_pathv[i]));
        TRY(dataset_builder_source(builder, found.gl_pathv[i] + strlen(folder), err));
        TRY(scan_shard(builder, found.gl_pathv[i], i, err));
    }
done:
    globfree(&found);
    return rc;
}

/* Count what is no shard in a folder of shards. */
static enum status pass_over_others(struct dataset_builder *builder, const char *folder, struct error *err)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;

    if (!stream)
        return error_system(err, "%s: the folder cannot be opened", folder);
    while ((entry = readdir(stream)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        if (length < 4 || strcmp(entry->d_name + length - 4, ".tar") != 0)
            dataset_builder_pass(builder, DATASET_PASS_FILES, entry->d_name);
    }
    closedir(stream);
    return OK;
}

static enum status scan_pattern(struct dataset_builder *builder, const char *path, const struct dataset_options *o,
                                struct error *err)
{
    enum status rc;

    TRY(scan_shards(builder, path, err));
    rc = dataset_tar_classes(builder, o, err);
done:
    return rc;
}

enum status dataset_tar_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    char pattern[DATASET_PATH];
    struct stat info;
    enum status rc;

    if (stat(o->path, &info) != 0)
        return scan_pattern(builder, o->path, o, err);
    if (S_ISDIR(info.st_mode)) {
        TRY(pass_over_others(builder, o->path, err));
        TRY(dataset_braces_tars(pattern, o->path, err));
        return scan_pattern(builder, pattern, o, err);
    }
    TRY(dataset_builder_file(builder, o->path, err));
    TRY(scan_shard(builder, o->path, 0, err));
    rc = dataset_tar_classes(builder, o, err);
done:
    return rc;
}
