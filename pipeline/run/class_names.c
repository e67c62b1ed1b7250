#include "pipeline/run/class_names.h"

#include "io/store/store.h"
#include "pipeline/run/class_list.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 32 };

/* Replace the names by those of the user's file; a class without one keeps its own. */
static enum status read_file(char **names, size_t classes, const struct config *config, struct error *err)
{
    const char *path = config->model.classes.file;
    struct class_list list;
    enum status rc;

    TRY(class_list_read(&list, path, err));
    if (list.count != classes)
        TRY(config_fail(config, err, "model.classes",
                        "%s has %zu names%s%.40s%s%.40s%s, but the network has %zu outputs: it must have one for every "
                        "output, in their order%s",
                        path, list.count, list.count ? " (\"" : "", list.count ? list.names[0] : "",
                        list.count ? "\" to \"" : "", list.count ? list.names[list.count - 1] : "",
                        list.count ? "\")" : "", classes,
                        list.count == classes + 1 ? "; is one of them, such as the first, no output?" : ""));
    for (size_t i = 0; i < classes; i++) {
        if (!list.names[i][0])
            continue;
        free(names[i]);
        names[i] = list.names[i];
        list.names[i] = NULL;
    }
done:
    class_list_free(&list);
    return rc;
}

/* Whether the dataset names its classes by anything but their numbers: by folders. */
static bool has_names(const struct dataset_listing *listing)
{
    char number[NUMBER];

    for (size_t i = 0; i < dataset_listing_classes(listing); i++) {
        snprintf(number, sizeof number, "%zu", i);
        if (strcmp(dataset_listing_class(listing, i), number) != 0)
            return true;
    }
    return false;
}

enum status class_names_load(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct log *log, struct error *err)
{
    bool same = dataset_listing_classes(listing) == classes;
    char number[NUMBER];
    enum status rc = OK;

    *names = calloc(classes, sizeof **names);
    for (size_t i = 0; *names && i < classes; i++) {
        snprintf(number, sizeof number, "%zu", i);
        (*names)[i] = same ? store_escape_name(dataset_listing_class(listing, i)) : strdup(number);
    }
    for (size_t i = 0; i < classes; i++)
        if (!*names || !(*names)[i])
            return error_set(err, FAIL_SYSTEM, "no memory for class names");
    if (*config->model.classes.file)
        rc = read_file(*names, classes, config, err);
    else if (same && has_names(listing))
        log_info(
            log,
            "outputs have the names of the class folders, in the order of these names; if this is not the network's "
            "order, set model.classes output_0=\"%s\" output_%zu=\"%s\"",
            (*names)[0], classes - 1, (*names)[classes - 1]);
    return rc;
}

/* ---- labels ---------------------------------------------------------------------------------------------------- */

static void check_range(size_t classes, const struct dataset_listing *listing, struct log *log)
{
    size_t count = 0, n = dataset_listing_count(listing);

    for (size_t i = 0; i < n; i++)
        count += dataset_listing_label(listing, i) >= 0 && (size_t)dataset_listing_label(listing, i) >= classes;
    if (count > 0)
        log_warn(log,
                 "labels are not the network's classes: %zu of %zu images have labels from %zu on, up to %zu, but "
                 "the network has %zu outputs, 0 to %zu",
                 count, n, classes, dataset_listing_classes(listing) - 1, classes, classes - 1);
}

/* The class that a folder names, by its number or name; `classes` if there is none. `own` is the folder's label. */
static size_t find(char *const *names, size_t classes, const char *folder, size_t own)
{
    char *end;
    unsigned long long number = strtoull(folder, &end, 10);
    size_t i = 0;

    if (*folder >= '0' && *folder <= '9' && *end == '\0' && number < classes)
        return (size_t)number;
    if (own < classes && strcmp(names[own], folder) == 0)
        return own;
    while (i < classes && strcmp(names[i], folder) != 0)
        i++;
    return i;
}

/* Folders whose names are those of other classes than their labels. */
static void check_order(char *const *names, size_t classes, const struct dataset_listing *listing, struct log *log)
{
    size_t wrong = 0, first = 0, known = 0, folders = dataset_listing_classes(listing);

    for (size_t k = 0; k < folders; k++) {
        size_t class = find(names, classes, dataset_listing_class(listing, k), k);
        known += class < classes;
        if (class != k && class < classes)
            first = wrong++ ? first : k;
    }
    if (wrong > 0)
        log_warn(log,
                 "labels are not the network's classes: %zu of %zu class folders have the name of another class than "
                 "their label; folder \"%s\" is label %zu, but class %zu. Give the labels in a list of files",
                 wrong, folders, dataset_listing_class(listing, first), first,
                 find(names, classes, dataset_listing_class(listing, first), first));
    else if (folders != classes && known < folders)
        log_warn(log,
                 "labels may not be the network's classes: the %zu class folders are labels 0 to %zu in the order of "
                 "their names, \"%s\" to \"%s\", but the network has %zu outputs. If accuracy or classes by label "
                 "matter, give the labels in a list of files",
                 folders, folders - 1, dataset_listing_class(listing, 0), dataset_listing_class(listing, folders - 1),
                 classes);
}

void class_names_check_labels(char *const *names, size_t classes, const struct dataset_listing *listing,
                              struct log *log)
{
    if (dataset_listing_classes(listing) > 0 && has_names(listing))
        check_order(names, classes, listing, log);
    else
        check_range(classes, listing, log);
}

void class_names_free(char **names, size_t classes)
{
    for (size_t i = 0; names && i < classes; i++)
        free(names[i]);
    free(names);
}
