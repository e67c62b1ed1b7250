#include "io/dataset/tar_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HOPS = 8 };

/* ---- members --------------------------------------------------------------------------------------------------- */

static struct dataset_tar_member *members_of(const struct dataset_tar_index *index)
{
    return (struct dataset_tar_member *)(void *)index->members.bytes;
}

static size_t count_of(const struct dataset_tar_index *index)
{
    return index->members.size / sizeof(struct dataset_tar_member);
}

static enum status add_text(size_t *at, struct dataset_tar_index *index, const char *text, struct error *err)
{
    *at = index->texts.size;
    return dataset_buffer_append(&index->texts, text, strlen(text) + 1, err);
}

enum status dataset_tar_index_add(struct dataset_tar_index *index, struct dataset_tar_member member, const char *name,
                                  const char *target, struct error *err)
{
    enum status rc;

    member.order = count_of(index);
    TRY(add_text(&member.name, index, name, err));
    TRY(add_text(&member.target, index, target, err));
    rc = dataset_buffer_append(&index->members, &member, sizeof member, err);
done:
    return rc;
}

const char *dataset_tar_index_name(const struct dataset_tar_index *index, const struct dataset_tar_member *member)
{
    return (const char *)index->texts.bytes + member->name;
}

void dataset_tar_index_free(struct dataset_tar_index *index)
{
    dataset_buffer_free(&index->members);
    dataset_buffer_free(&index->texts);
}

/* ---- links ----------------------------------------------------------------------------------------------------- */

/* Take "." and ".." out of a path within the file, in place. */
static void simplify(char *path)
{
    char *out = path, *at = path;

    while (*at) {
        size_t n = strcspn(at, "/"), next = n + (at[n] == '/');
        if (n == 2 && strncmp(at, "..", 2) == 0) {
            while (out > path && *--out != '/')
                ;
        } else if (n > 0 && !(n == 1 && *at == '.')) {
            if (out > path)
                *out++ = '/';
            memmove(out, at, n);
            out += n;
        }
        at += next;
    }
    *out = '\0';
}

/* What a member's name is compared as: "./a/b.jpg" is "a/b.jpg". */
struct named {
    char *name; /* owned */
    const struct dataset_tar_member *member;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->member->order < y->member->order ? -1 : 1;
}

static const struct dataset_tar_member *find(const struct named *sorted, size_t count, const char *name)
{
    size_t low = 0, high = count;

    while (low < high) { /* the last one of this name: the one that extracting leaves */
        size_t middle = low + (high - low) / 2;
        if (strcmp(sorted[middle].name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && strcmp(sorted[low - 1].name, name) == 0 ? sorted[low - 1].member : NULL;
}

/* The path that a link refers to: a hard link's from the root, a symbolic one's from its folder. */
static bool target_path(char path[DATASET_PATH], const struct dataset_tar_index *index,
                        const struct dataset_tar_member *link)
{
    const char *name = dataset_tar_index_name(index, link), *slash = strrchr(name, '/');
    const char *target = (const char *)index->texts.bytes + link->target;
    int folder = link->kind == DATASET_TAR_SYMBOLIC_LINK && slash ? (int)(slash + 1 - name) : 0;

    if (snprintf(path, DATASET_PATH, "%.*s%s", folder, name, target) >= DATASET_PATH || target[0] == '/')
        return false;
    simplify(path);
    return true;
}

/* The file behind a link; NULL if it is not there. */
static const struct dataset_tar_member *follow(const struct dataset_tar_index *index, const struct named *sorted,
                                               size_t count, const struct dataset_tar_member *link)
{
    char path[DATASET_PATH];

    for (int hop = 0; link && link->kind != DATASET_TAR_FILE && hop < MAX_HOPS; hop++)
        link = target_path(path, index, link) ? find(sorted, count, path) : NULL;
    return link && link->kind == DATASET_TAR_FILE ? link : NULL;
}

static void free_named(struct named *sorted, size_t count)
{
    for (size_t i = 0; sorted && i < count; i++)
        free(sorted[i].name);
    free(sorted);
}

/* Give the links the places of their files; those without one keep an empty place. */
static enum status follow_links(struct dataset_tar_index *index, struct error *err)
{
    struct dataset_tar_member *members = members_of(index);
    size_t count = count_of(index), links = 0;

    for (size_t i = 0; i < count; i++)
        links += members[i].kind != DATASET_TAR_FILE;
    struct named *sorted = links ? calloc(count, sizeof *sorted) : NULL;
    if (links && !sorted)
        return error_set(err, FAIL_RESOURCE, "no memory for the names of %zu members of a tar file", count);
    for (size_t i = 0; links && i < count; i++) {
        sorted[i] = (struct named){strdup(dataset_tar_index_name(index, &members[i])), &members[i]};
        if (!sorted[i].name) {
            free_named(sorted, i);
            return error_set(err, FAIL_RESOURCE, "no memory for the names of %zu members of a tar file", count);
        }
        simplify(sorted[i].name);
    }
    if (links)
        qsort(sorted, count, sizeof *sorted, compare_named);
    for (size_t i = 0; links && i < count; i++) {
        const struct dataset_tar_member *file = follow(index, sorted, count, &members[i]);
        if (file)
            members[i].place = file->place;
    }
    free_named(sorted, links ? count : 0);
    return OK;
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

/* A run of adjacent members with the same key. */
struct run {
    const char *key; /* borrowed from a member's name */
    size_t nkey;
    struct dataset_tar_sample sample; /* image or label may be NULL */
    size_t order;
};

/* The end of the key and the beginning of the extension: the first dot of the last component. NULL if that has no dot
 * or begins with one. */
static const char *find_dot(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');

    return dot == base ? NULL : dot;
}

static void take_member(struct run *run, struct dataset_builder *builder, const struct dataset_tar_member *m,
                        const char *name, const char *dot)
{
    bool image = dataset_folder_is_image(dot), label = strcasecmp(dot, ".cls") == 0;

    if ((image || label) && m->kind != DATASET_TAR_FILE && m->place.nbytes == 0)
        dataset_builder_pass(builder, DATASET_PASS_LINKS, name);
    else if (label && !run->sample.label)
        run->sample.label = m;
    else if (image && !run->sample.image && !strchr(dot + 1, '.'))
        run->sample.image = m;
    else
        dataset_builder_pass(builder, image ? DATASET_PASS_IMAGES : DATASET_PASS_MEMBERS, name);
}

/* Cut the members into runs, at most `count`. */
static size_t make_runs(struct run *runs, const struct dataset_tar_index *index, struct dataset_builder *builder)
{
    const struct dataset_tar_member *members = members_of(index);
    size_t nruns = 0;

    for (size_t i = 0; i < count_of(index); i++) {
        const char *name = dataset_tar_index_name(index, &members[i]), *dot = find_dot(name);
        if (!dot) {
            dataset_builder_pass(builder, DATASET_PASS_MEMBERS, name);
            continue;
        }
        size_t nkey = (size_t)(dot - name);
        const struct run *last = nruns ? &runs[nruns - 1] : NULL;
        if (!last || last->nkey != nkey || memcmp(last->key, name, nkey) != 0) {
            runs[nruns] = (struct run){.key = name, .nkey = nkey, .order = nruns};
            nruns++;
        }
        take_member(&runs[nruns - 1], builder, &members[i], name, dot);
    }
    return nruns;
}

/* By key, then in the order of the file. */
static int compare_runs(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->nkey < y->nkey ? x->nkey : y->nkey);

    if (order == 0 && x->nkey != y->nkey)
        return x->nkey < y->nkey ? -1 : 1;
    return order ? order : x->order < y->order ? -1 : 1;
}

static int compare_orders(const void *a, const void *b)
{
    const struct run *x = a, *y = b;

    return x->order < y->order ? -1 : 1;
}

/* Give labels whose run has no image to images whose run has no label; runs [first, end) have the same key. */
static void lend_labels(struct run *runs, size_t first, size_t end)
{
    size_t lender = first;

    for (size_t i = first; i < end; i++) {
        if (!runs[i].sample.image || runs[i].sample.label)
            continue;
        while (lender < end && (runs[lender].sample.image || !runs[lender].sample.label))
            lender++;
        if (lender == end)
            return;
        runs[i].sample.label = runs[lender].sample.label;
        runs[lender].sample.label = NULL;
    }
}

static void pair_runs(struct run *runs, size_t nruns)
{
    size_t end;

    qsort(runs, nruns, sizeof *runs, compare_runs);
    for (size_t first = 0; first < nruns; first = end) {
        for (end = first + 1; end < nruns && runs[end].nkey == runs[first].nkey &&
                              memcmp(runs[end].key, runs[first].key, runs[first].nkey) == 0;)
            end++;
        lend_labels(runs, first, end);
    }
    qsort(runs, nruns, sizeof *runs, compare_orders);
}

enum status dataset_tar_index_samples(struct dataset_tar_samples *samples, struct dataset_tar_index *index,
                                      struct dataset_builder *builder, struct error *err)
{
    size_t count = count_of(index);
    struct run *runs = NULL;
    enum status rc = OK;

    *samples = (struct dataset_tar_samples){0};
    if (count == 0)
        return OK;
    TRY(follow_links(index, err));
    runs = calloc(count, sizeof *runs);
    samples->items = calloc(count, sizeof *samples->items);
    if (!runs || !samples->items)
        TRY(error_set(err, FAIL_RESOURCE, "no memory for the samples of a tar file of %zu members", count));
    size_t nruns = make_runs(runs, index, builder);
    pair_runs(runs, nruns);
    for (size_t i = 0; i < nruns; i++) {
        const struct dataset_tar_sample *s = &runs[i].sample;
        if (s->image)
            samples->items[samples->count++] = *s;
        else if (s->label)
            dataset_builder_pass(builder, DATASET_PASS_LABELS, dataset_tar_index_name(index, s->label));
    }
done:
    free(runs);
    return rc;
}
