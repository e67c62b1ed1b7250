#include "pipeline/run/class_names.h"

#include "io/base/fault.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 1024 };

/* One name a line. A class keeps its number if its line is empty or missing. */
static enum status read_file(char **names, size_t n, const char *path, struct error *err)
{
    char line[NAME];
    enum status rc = OK;
    FILE *f = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "r");

    if (!f)
        return error_system(err, "%s: cannot read the class names", path);
    for (size_t i = 0; rc == OK && i < n && fgets(line, sizeof line, f); i++) {
        if (!strchr(line, '\n') && !feof(f))
            rc = error_set(err, FAIL_FORMAT, "%s: line %zu is no class name: it is not text, or has %d bytes or more",
                           path, i + 1, NAME - 1);
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line)
            continue;
        free(names[i]);
        names[i] = strdup(line);
    }
    if (fault_hit(FAULT_READ) || ferror(f))
        rc = error_system(err, "%s: cannot read the class names", path);
    fclose(f);
    return rc;
}

enum status class_names_load(char ***names, size_t classes, const struct config *config,
                             const struct dataset_listing *listing, struct error *err)
{
    bool same = dataset_listing_classes(listing) == classes;
    char number[32];
    enum status rc = OK;

    *names = calloc(classes, sizeof **names);
    for (size_t i = 0; *names && i < classes; i++) {
        snprintf(number, sizeof number, "%zu", i);
        (*names)[i] = strdup(same ? dataset_listing_class(listing, i) : number);
    }
    if (*names && *config->model.classes.file)
        rc = read_file(*names, classes, config->model.classes.file, err);
    for (size_t i = 0; rc == OK && i < classes; i++)
        if (!*names || !(*names)[i])
            rc = error_set(err, FAIL_SYSTEM, "no memory for class names");
    return rc;
}

void class_names_free(char **names, size_t classes)
{
    for (size_t i = 0; names && i < classes; i++)
        free(names[i]);
    free(names);
}
