#include "pipeline/mpi/provenance.h"

#include "pipeline/mpi/blas.h"
#include "pipeline/util/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *attribute, *what;
} traits[PROVENANCE_TRAITS] = {
    [PROVENANCE_ISA] = {"isa", "instruction set"},
    [PROVENANCE_BLAS_CORE] = {"blas_core", "OpenBLAS kernels"},
    [PROVENANCE_PROGRAM] = {"program_version", "nrmflow version"},
};

static const char separator[] = ", ", more[] = "...";

void provenance_here(struct provenance *out, const char *isa)
{
    const char *const names[PROVENANCE_TRAITS] = {
        [PROVENANCE_ISA] = isa, [PROVENANCE_BLAS_CORE] = blas_core(), [PROVENANCE_PROGRAM] = version_string()};

    for (size_t i = 0; i < PROVENANCE_TRAITS; i++)
        snprintf(out->traits[i], PROVENANCE_TEXT, "%s", names[i]);
}

/* Take the next name of a list at *at; returns its length, 0 at the end. */
static size_t next_name(const char **name, const char **at)
{
    const char *end = strstr(*at, separator);
    size_t length = end ? (size_t)(end - *at) : strlen(*at);

    *name = *at;
    *at += end ? length + strlen(separator) : length;
    return length;
}

static bool lists(const char *list, const char *name, size_t length)
{
    const char *own;
    size_t n;

    while ((n = next_name(&own, &list)) > 0)
        if (n == length && strncmp(own, name, n) == 0)
            return true;
    return false;
}

bool provenance_differs(char *message, size_t n, const struct provenance *mine, const struct provenance *stored)
{
    for (size_t i = 0; i < PROVENANCE_TRAITS; i++) {
        const char *name, *at = mine->traits[i];
        size_t length;
        while ((length = next_name(&name, &at)) > 0) {
            if (lists(stored->traits[i], name, length))
                continue;
            snprintf(message, n, "%s: %.*s, not %s", traits[i].what, (int)length, name, stored->traits[i]);
            return true;
        }
    }
    return false;
}

bool provenance_mixed(const struct provenance *provenance)
{
    for (size_t i = 0; i < PROVENANCE_TRAITS; i++)
        if (strstr(provenance->traits[i], separator))
            return true;
    return false;
}

static void append(char list[PROVENANCE_TEXT], const char *name, size_t length)
{
    size_t used = strlen(list), room = strlen(separator) + strlen(more) + 1;

    if (used + strlen(separator) + length + room <= PROVENANCE_TEXT)
        snprintf(list + used, PROVENANCE_TEXT - used, "%s%.*s", used ? separator : "", (int)length, name);
    else if (!lists(list, more, strlen(more)))
        snprintf(list + used, PROVENANCE_TEXT - used, "%s%s", separator, more);
}

void provenance_join(struct provenance *into, const struct provenance *from)
{
    for (size_t i = 0; i < PROVENANCE_TRAITS; i++) {
        const char *name, *at = from->traits[i];
        size_t length;
        while ((length = next_name(&name, &at)) > 0)
            if (!lists(into->traits[i], name, length))
                append(into->traits[i], name, length);
    }
}

enum status provenance_write(struct store *store, const struct provenance *provenance, struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; rc == OK && i < PROVENANCE_TRAITS; i++)
        rc = store_set_text(store, "", traits[i].attribute, provenance->traits[i], err);
    return rc;
}

enum status provenance_read(struct provenance *out, const struct store_reader *store, struct error *err)
{
    enum status rc = OK;

    *out = (struct provenance){0};
    for (size_t i = 0; rc == OK && i < PROVENANCE_TRAITS; i++) {
        char *text = NULL;
        rc = store_get_text(&text, store, "", traits[i].attribute, err);
        if (rc == OK)
            snprintf(out->traits[i], PROVENANCE_TEXT, "%s", text);
        free(text);
    }
    return rc;
}
