#define _DEFAULT_SOURCE /* the types of directory entries, which save a stat for every file */

#include "io/dataset/braces.h"
#include "io/dataset/builder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A file or a folder below the root: "class/sub/file.jpg". */
struct entry {
    char *path;     /* owned */
    size_t nfolder; /* length of the folder's part, without the slash */
    size_t parent;  /* folders: index of the folder that contains it; the first one has its own index */
    dev_t device;   /* folders */
    ino_t inode;
};

struct entries {
    struct entry *items;
    size_t count, capacity;
};

static void free_entries(struct entries *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    *list = (struct entries){0};
}

static enum status no_memory(struct error *err)
{
    error_set(err, FAIL_SYSTEM, "no memory for the names of the data set's files");
    return FAIL_SYSTEM;
}

/* folder may be "", for an entry of the root. */
static enum status add_entry(struct entries *list, const char *folder, const char *name, size_t parent,
                             struct error *err)
{
    size_t nfolder = strlen(folder), nbytes = nfolder + strlen(name) + 2;

    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 64;
        struct entry *grown = realloc(list->items, capacity * sizeof *grown);
        if (!grown)
            return no_memory(err);
        list->items = grown;
        list->capacity = capacity;
    }
    char *path = malloc(nbytes);
    if (!path)
        return no_memory(err);
    snprintf(path, nbytes, "%s%s%s", folder, nfolder ? "/" : "", name);
    list->items[list->count++] = (struct entry){.path = path, .nfolder = nfolder, .parent = parent};
    return OK;
}

/* By folder and then by name, both compared as bytes: the order of sorted(os.walk(..)) with sorted files. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    size_t n = a->nfolder < b->nfolder ? a->nfolder : b->nfolder;
    int order = memcmp(a->path, b->path, n);

    if (order == 0 && a->nfolder != b->nfolder)
        return a->nfolder < b->nfolder ? -1 : 1;
    return order ? order : strcmp(a->path + n, b->path + n);
}

static void sort(struct entries *list)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare);
}

bool dataset_folder_is_image(const char *name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
    size_t length = strlen(name);

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t n = strlen(suffixes[i]);
        if (length >= n && strcasecmp(name + length - n, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* As Python's DirEntry.is_dir(): links are followed, and an entry that cannot be examined is not a folder. */
static bool is_folder(int folder, const struct dirent *entry)
{
    struct stat info;

    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(folder, entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

/* Refuse a folder that contains itself through a link: the scan would not end. */
static enum status check_loop(struct entries *folders, size_t index, int descriptor, const char *path,
                              struct error *err)
{
    struct entry *f = &folders->items[index];
    struct stat info;

    if (fstat(descriptor, &info) != 0)
        return error_system(err, "%s: cannot be examined", path);
    f->device = info.st_dev;
    f->inode = info.st_ino;
    for (size_t i = index; folders->items[i].parent != i;) {
        i = folders->items[i].parent;
        if (folders->items[i].device == f->device && folders->items[i].inode == f->inode)
            return error_set(err, FAIL_FORMAT, "%s: is a symbolic link to a folder that contains it; remove it", path);
    }
    return OK;
}

/* Hidden folders, such as Jupyter's and version control's, hold copies; the others are made by file managers, archives
 * and file systems. */
static bool is_foreign(const char *name)
{
    static const char *const names[] = {"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN",
                                        "System Volume Information"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return name[0] == '.';
}

static void pass_over(struct dataset_builder *builder, enum dataset_pass_kind kind, const char *folder,
                      const char *name)
{
    char path[DATASET_EXAMPLE];

    if (snprintf(path, sizeof path, "%s%s%s", folder, folder[0] ? "/" : "", name) < 0) /* may be cut */
        path[0] = '\0';
    dataset_builder_pass(builder, kind, path);
}

static enum status read_entries(struct dataset_builder *builder, struct entries *folders, struct entries *files,
                                size_t index, DIR *stream, const char *path, struct error *err)
{
    const char *folder = folders->items[index].path;
    enum status rc = OK;

    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry)
            return errno ? error_system(err, "%s: cannot be read", path) : OK;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        bool is_a_folder = is_folder(dirfd(stream), entry);
        if (is_a_folder ? is_foreign(name) : name[0] == '.')
            pass_over(builder, is_a_folder ? DATASET_PASS_FOLDERS : DATASET_PASS_HIDDEN_FILES, folder, name);
        else if (is_a_folder)
            TRY(add_entry(folders, folder, name, index, err));
        else if (dataset_folder_is_image(name))
            TRY(add_entry(files, folder, name, 0, err));
        else
            pass_over(builder, DATASET_PASS_FILES, folder, name);
    }
done:
    return rc;
}

/* Add the subfolders of folder `index` to `folders`, and its images to `files`. */
static enum status list_folder(struct dataset_builder *builder, struct entries *folders, struct entries *files,
                               size_t index, const char *root, struct error *err)
{
    char path[DATASET_PATH];
    DIR *stream = NULL;
    enum status rc;

    TRY(dataset_buffer_join(path, root, folders->items[index].path, err));
    stream = opendir(path);
    if (!stream)
        return error_system(err, "%s: the folder cannot be opened", path);
    TRY(check_loop(folders, index, dirfd(stream), path, err));
    rc = read_entries(builder, folders, files, index, stream, path, err);
done:
    if (stream)
        closedir(stream);
    return rc;
}

static enum status add_files(struct dataset_builder *builder, struct entries *files, int label, struct error *err)
{
    enum status rc = OK;

    sort(files);
    for (size_t i = 0; i < files->count; i++)
        TRY(dataset_builder_image(builder, files->items[i].path, label, err));
done:
    return rc;
}

/* Images beside class folders belong to no class. */
static void pass_files(struct dataset_builder *builder, struct entries *files)
{
    sort(files);
    for (size_t i = 0; i < files->count; i++)
        dataset_builder_pass(builder, DATASET_PASS_BESIDE, files->items[i].path);
}

/* A class without images; if it has tar files, it is no class but a folder of shards. */
static enum status no_images(const char *root, const char *name, struct error *err)
{
    char folder[DATASET_PATH], pattern[DATASET_PATH];
    glob_t found = {0};
    bool shards = dataset_buffer_join(folder, root, name, NULL) == OK &&
                  dataset_braces_tars(pattern, folder, NULL) == OK &&
                  dataset_braces_glob(&found, pattern, NULL) == OK && found.gl_pathc > 0;

    globfree(&found);
    if (shards)
        return error_set(err, FAIL_FORMAT, "%s: has no image files, but tar files; set data.path = %s to read these",
                         folder, folder);
    return error_set(err, FAIL_FORMAT,
                     "%s/%s: this class has no image files (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp); remove "
                     "the folder or rename its images",
                     root, name);
}

/* All images below a folder of the root, at any depth. */
static enum status scan_class(struct dataset_builder *builder, const char *root, const struct entry *top,
                              const char *name, int label, struct error *err)
{
    struct entries folders = {0}, files = {0};
    enum status rc;

    TRY(add_entry(&folders, "", "", 0, err));
    folders.items[0].device = top->device;
    folders.items[0].inode = top->inode;
    TRY(add_entry(&folders, "", name, 0, err));
    for (size_t i = 1; i < folders.count; i++)
        TRY(list_folder(builder, &folders, &files, i, root, err));
    if (files.count == 0)
        rc = no_images(root, name, err);
    else
        rc = add_files(builder, &files, label, err);
done:
    free_entries(&folders);
    free_entries(&files);
    return rc;
}

bool dataset_folder_is_split(const char *name)
{
    static const char *const names[] = {"train", "training", "val", "valid", "validation", "test", "testing"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Folders that all are called like the parts of a data set are hardly classes; entry 0 is the root. */
static enum status check_splits(const struct entries *folders, const struct dataset_options *o, struct error *err)
{
    bool splits = folders->count > 1 && !o->format;

    for (size_t i = 1; i < folders->count; i++)
        splits = splits && dataset_folder_is_split(folders->items[i].path);
    return splits ? error_set(err, FAIL_FORMAT,
                              "%s: its folders, such as %s, are called like parts of a data set: set data.path = %s/%s "
                              "to read one, or data.format = folder to take them for classes",
                              o->path, folders->items[1].path, o->path, folders->items[1].path)
                  : OK;
}

enum status dataset_folder_scan(struct dataset_builder *builder, const struct dataset_options *o, struct error *err)
{
    struct entries folders = {0}, files = {0};
    enum status rc;

    TRY(dataset_builder_root(builder, o->path, err));
    TRY(add_entry(&folders, "", "", 0, err));
    TRY(list_folder(builder, &folders, &files, 0, o->path, err));
    TRY(check_splits(&folders, o, err));
    struct entry top = folders.items[0];
    if (folders.count == 1)
        TRY(add_files(builder, &files, -1, err));
    else
        pass_files(builder, &files);
    sort(&folders);
    for (size_t i = 1; i < folders.count; i++) {
        TRY(dataset_builder_class(builder, folders.items[i].path, err));
        TRY(scan_class(builder, o->path, &top, folders.items[i].path, (int)i - 1, err));
    }
done:
    free_entries(&folders);
    free_entries(&files);
    return rc;
}

enum status dataset_folder_has_images(bool *has, char *example, const char *folder, struct error *err)
{
    struct entries folders = {0}, files = {0};
    struct dataset_builder unused;
    enum status rc;

    *has = false;
    dataset_builder_init(&unused, DATASET_FILES);
    TRY(add_entry(&folders, "", "", 0, err));
    for (size_t i = 0; i < folders.count && !*has; i++) {
        TRY(list_folder(&unused, &folders, &files, i, folder, err));
        *has = files.count > 0;
    }
    if (*has)
        snprintf(example, DATASET_EXAMPLE, "%s", files.items[0].path);
done:
    free_entries(&folders);
    free_entries(&files);
    return rc;
}
