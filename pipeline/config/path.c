#include "pipeline/config/path.h"

#include <stdlib.h>
#include <string.h>

enum { NAME = 128 };

static enum status no_memory(struct error *err)
{
    return error_set(err, FAIL_SYSTEM, "no memory for a path");
}

static bool is_in_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Read the name of a variable behind a dollar, and move *at behind it; "" if there is none. */
static void read_name(char name[NAME], const char **at)
{
    bool braces = **at == '{';
    const char *first = *at + braces;
    size_t n = 0;

    while (is_in_name(first[n]))
        n++;
    bool whole = n > 0 && n < NAME && !(first[0] >= '0' && first[0] <= '9') && (!braces || first[n] == '}');
    snprintf(name, NAME, "%.*s", whole ? (int)n : 0, first);
    *at += whole ? n + 2 * (size_t)braces : 0;
}

static enum status write_variable(FILE *out, const char *name, struct error *err)
{
    const char *value = getenv(name);

    if (!value)
        return error_set(err, FAIL_CONFIG,
                         "the environment variable %s is not set; set it (for ranks on other nodes: mpirun -x %s), or "
                         "write $$ for a dollar",
                         name, name);
    fputs(value, out);
    return OK;
}

static enum status write_expanded(FILE *out, const char *text, struct error *err)
{
    char name[NAME];
    enum status rc = OK;

    if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
        TRY(write_variable(out, "HOME", err));
        text++;
    }
    while (*text) {
        char c = *text++;
        name[0] = '\0';
        if (c == '$' && *text == '$')
            text++;
        else if (c == '$')
            read_name(name, &text);
        if (name[0])
            TRY(write_variable(out, name, err));
        else
            fputc(c, out);
    }
done:
    return rc;
}

static enum status expand(char **out, const char *text, struct error *err)
{
    size_t nbytes;
    FILE *memory = open_memstream(out, &nbytes);

    if (!memory)
        return no_memory(err);
    enum status rc = write_expanded(memory, text, err);
    bool failed = ferror(memory) != 0;
    if (fclose(memory) != 0 || failed)
        rc = rc == OK ? no_memory(err) : rc;
    return rc;
}

static char *join(const char *folder, const char *path)
{
    bool relative = path[0] && path[0] != '/' && folder[0];
    size_t nbytes = strlen(folder) + strlen(path) + 2;
    char *joined = malloc(nbytes);

    if (joined)
        snprintf(joined, nbytes, "%s%s%s", relative ? folder : "", relative ? "/" : "", path);
    return joined;
}

enum status config_path_parse(void *field, const char *text, const struct config_base *base, struct error *err)
{
    struct config_path path = {0};
    char *expanded = NULL;
    enum status rc = OK;

    if (base->expanded)
        TRY(expand(&expanded, text, err));
    path = (struct config_path){strdup(text), join(base->folder, base->expanded ? expanded : text)};
    if (!path.given || !path.file)
        TRY(no_memory(err));
    *(struct config_path *)field = path;
    path = (struct config_path){0};
done:
    config_path_release(&path);
    free(expanded);
    return rc;
}

void config_path_print(FILE *out, const void *field, const struct config_key *key)
{
    (void)key;
    fputs(((const struct config_path *)field)->given, out);
}

void config_path_release(void *field)
{
    struct config_path *path = field;

    free(path->given);
    free(path->file);
}
