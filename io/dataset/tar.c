#include "io/dataset/braces.h"
#include "io/dataset/builder.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 1 << 14, MAX_LABEL = 32 };

/* Adjacent members with the same key. */
struct sample {
    char key[DATASET_PATH], image[DATASET_PATH]; /* image: the member's whole name, "" while there is none */
    struct dataset_member member;
    long long label;
};

struct shard {
    struct archive *archive;
    size_t nbytes, number;
    const char *path; /* borrowed */
    struct sample sample;
};

/* ---- members --------------------------------------------------------------------------------------------------- */

static enum status add_sample(struct dataset_builder *builder, struct sample *s, struct error *err)
{
    enum status rc = OK;

    if (s->image[0]) {
        TRY(dataset_builder_image(builder, s->image, (int)s->label, err));
        TRY(dataset_buffer_append(&builder->sections[DATASET_MEMBERS], &s->member, sizeof s->member, err));
    }
    s->image[0] = '\0';
    s->label = -1;
done:
    return rc;
}

/* Decimal digits, optionally followed by white space. */
static enum status read_label(struct shard *shard, const char *name, struct error *err)
{
    char text[MAX_LABEL + 1] = "", *end, where[2 * DATASET_PATH];
    la_ssize_t n = archive_read_data(shard->archive, text, MAX_LABEL);
    long long label = strtoll(text, &end, 10);

    snprintf(where, sizeof where, "%s:%s", shard->path, name);
    if (n <= 0 || n == MAX_LABEL || end == text || strspn(end, " \t\r\n") != strlen(end))
        return error_set(err, FAIL_FORMAT, "%s: has no label; a .cls member must be an integer", where);
    shard->sample.label = label;
    return dataset_builder_check_label(label, where, err);
}

static enum status place_image(struct shard *shard, struct archive_entry *entry, const char *name, struct error *err)
{
    la_int64_t at = archive_filter_bytes(shard->archive, 0), nbytes = archive_entry_size(entry);

    if (archive_entry_hardlink(entry) || archive_entry_sparse_count(entry) > 0)
        return error_set(err, FAIL_UNSUPPORTED, "%s:%s: is a hard link or a sparse file; write the shard without these",
                         shard->path, name);
    if (at < 0 || nbytes < 0 || (uint64_t)at > shard->nbytes || (uint64_t)nbytes > shard->nbytes - (uint64_t)at)
        return error_set(err, FAIL_FORMAT, "%s:%s: the tar file is truncated", shard->path, name);
    shard->sample.member = (struct dataset_member){shard->number, (uint64_t)at, (uint64_t)nbytes};
    snprintf(shard->sample.image, sizeof shard->sample.image, "%s", name);
    return OK;
}

/* The end of the key and the beginning of the extension: the first dot of the last component. NULL if that has no dot
 * or begins with one. */
static const char *find_dot(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');

    return dot == base ? NULL : dot;
}

static enum status add_member(struct dataset_builder *builder, struct shard *shard, struct archive_entry *entry,
                              struct error *err)
{
    const char *name = archive_entry_pathname_utf8(entry), *dot;
    struct sample *s = &shard->sample;
    enum status rc = OK;

    if (!name)
        name = archive_entry_pathname(entry);
    if (!name || strlen(name) >= DATASET_PATH)
        return error_set(err, FAIL_FORMAT, "%s: a member has no readable name, or one that is too long", shard->path);
    dot = find_dot(name);
    if (archive_entry_filetype(entry) != AE_IFREG || !dot)
        return OK;
    size_t nkey = (size_t)(dot - name);
    if (strlen(s->key) != nkey || memcmp(s->key, name, nkey) != 0) {
        TRY(add_sample(builder, s, err));
        snprintf(s->key, sizeof s->key, "%.*s", (int)nkey, name);
    }
    if (strcasecmp(dot, ".cls") == 0)
        rc = read_label(shard, name, err);
    else if (!s->image[0] && !strchr(dot + 1, '.') && dataset_folder_is_image(dot))
        rc = place_image(shard, entry, name, err);
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

static enum status scan_members(struct dataset_builder *builder, struct shard *shard, int descriptor, struct error *err)
{
    struct archive *a = shard->archive;
    struct archive_entry *entry;
    enum status rc = OK;
    int found;

    archive_read_support_format_tar(a);
    if (archive_read_open_fd(a, descriptor, BLOCK) != ARCHIVE_OK)
        return error_set(err, FAIL_FORMAT, "%s: is not a tar file: %s", shard->path, archive_error_string(a));
    while ((found = archive_read_next_header(a, &entry)) == ARCHIVE_OK || found == ARCHIVE_WARN)
        TRY(add_member(builder, shard, entry, err));
    if (found != ARCHIVE_EOF)
        rc = error_set(err, FAIL_FORMAT, "%s: is truncated, damaged or not a tar file: %s", shard->path,
                       archive_error_string(a));
    else
        rc = add_sample(builder, &shard->sample, err);
done:
    return rc;
}

static enum status scan_shard(struct dataset_builder *builder, const char *path, size_t number, struct error *err)
{
    struct shard shard = {.number = number, .path = path, .sample.label = -1};
    int fd = -1;
    enum status rc;

    TRY(dataset_buffer_open(&fd, &shard.nbytes, path, err));
    TRY(check_plain(fd, path, err));
    shard.archive = archive_read_new();
    rc = shard.archive ? scan_members(builder, &shard, fd, err)
                       : error_set(err, FAIL_SYSTEM, "%s: no memory to read it", path);
done:
    archive_read_free(shard.archive);
    if (fd >= 0)
        close(fd);
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

static enum status scan_pattern(struct dataset_builder *builder, const char *path, struct error *err)
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

enum status dataset_tar_pattern(char *out, const char *folder, struct error *err)
{
    size_t n = 0;

    for (const char *c = folder; *c; c++) {
        if (n + sizeof "\\x/*.tar" >= DATASET_PATH)
            return error_set(err, FAIL_LIMIT, "%.200s...: the path is too long", folder);
        if (strchr("*?[\\{", *c))
            out[n++] = '\\';
        out[n++] = *c;
    }
    memcpy(out + n, "/*.tar", sizeof "/*.tar");
    return OK;
}

enum status dataset_tar_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    char pattern[DATASET_PATH];
    struct stat info;
    enum status rc;

    if (stat(o->path, &info) != 0)
        return scan_pattern(builder, o->path, err);
    if (S_ISDIR(info.st_mode)) {
        TRY(dataset_tar_pattern(pattern, o->path, err));
        return scan_pattern(builder, pattern, err);
    }
    TRY(dataset_builder_file(builder, o->path, err));
    rc = scan_shard(builder, o->path, 0, err);
done:
    return rc;
}
