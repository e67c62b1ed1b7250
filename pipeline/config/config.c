#include "pipeline/config/config.h"

#include "io/base/fault.h"
#include "pipeline/config/pairs.h"
#include "pipeline/config/table.h"
#include "pipeline/util/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

enum { NAME = 64, PLACE = 512 };

/* An assignment is complete only when the next one begins, since indented lines continue its value. */
struct pending {
    char section[NAME], *name, *value; /* name is NULL if there is none */
    size_t line;
};

struct parser {
    struct config *out;
    const char *at; /* the rest of the text */
    const char *folder;
    size_t line;
    bool indented; /* the current line */
    bool stored;   /* the text is a store's, in which nothing is unclear */
    struct pending pending;
    enum status rc;
    struct error *err;
};

/* ---- messages -------------------------------------------------------------------------------------------------- */

static void describe_place(char place[PLACE], const char *file, size_t line)
{
    if (line == CONFIG_SET)
        snprintf(place, PLACE, "--set: ");
    else if (line == CONFIG_DEFAULT)
        snprintf(place, PLACE, "%s: ", file);
    else
        snprintf(place, PLACE, "%s:%zu: ", file, line);
}

static enum status fail_at(struct parser *p, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status fail_at(struct parser *p, size_t line, const char *format, ...)
{
    char place[PLACE], message[sizeof p->err->message];
    va_list arguments;

    describe_place(place, p->out->name, line);
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(p->err, FAIL_CONFIG, "%s%s", place, message);
}

static enum status no_memory(struct error *err)
{
    return error_set(err, FAIL_SYSTEM, "no memory for the configuration");
}

static bool is_section(const char *name)
{
    const struct config_key *key;

    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++)
        if (strcmp(key->section, name) == 0)
            return true;
    return false;
}

static enum status unknown_section(struct parser *p, const char *name, size_t line)
{
    char hint[NAME + 32];
    struct suggest nearest;
    const struct config_key *key;

    suggest_init(&nearest, name);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++)
        suggest_offer(&nearest, key->section);
    suggest_hint(hint, sizeof hint, &nearest);
    return fail_at(p, line, "there is no section [%s]%s", name, hint);
}

/* The key of this name in any other section is a better hint than a similar name in this one. */
static enum status unknown_key(struct parser *p, const char *section, const char *name, size_t line)
{
    char hint[2 * NAME];
    struct suggest nearest;
    const struct config_key *key;

    suggest_init(&nearest, name);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (strcmp(key->section, section) == 0)
            suggest_offer(&nearest, key->name);
        else if (strcmp(key->name, name) == 0)
            return fail_at(p, line, "there is no key \"%s\" in [%s]; it belongs to [%s]", name, section, key->section);
    }
    suggest_hint(hint, sizeof hint, &nearest);
    return fail_at(p, line, "there is no key \"%s\" in [%s]%s", name, section,
                   hint[0] ? hint : "; nrmflow run --help lists all keys");
}

enum status config_fail(const struct config *config, struct error *err, const char *key, const char *format, ...)
{
    char place[PLACE], message[sizeof err->message], section[NAME];
    const char *dot = strchr(key, '.');
    va_list arguments;

    snprintf(section, sizeof section, "%.*s", dot ? (int)(dot - key) : 0, key);
    size_t i = config_table_find(section, dot ? dot + 1 : key);
    const struct config_key *row = config_table_key(i);
    size_t line = row ? config->lines[i] : CONFIG_DEFAULT;
    if (row && row->type == CONFIG_TYPE_PAIRS) {
        const struct config_pairs *pairs = (const void *)((const char *)config + row->offset);
        const struct config_pair *pair = config_pairs_find(pairs, dot + strlen(row->name) + 2);
        line = pair ? pair->line : CONFIG_DEFAULT;
    }
    describe_place(place, config->name, line);
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(err, FAIL_CONFIG, "%s%s: %s", place, key, message);
}

/* ---- assignments ----------------------------------------------------------------------------------------------- */

static enum status set_twice(struct parser *p, const char *section, const char *name, size_t line, size_t before)
{
    if (line == CONFIG_SET)
        return fail_at(p, line, "%s.%s: given twice", section, name);
    return fail_at(p, line, "%s.%s: already set in line %zu", section, name, before);
}

/* Has the same source, the file or the command line, set the key before? */
static bool repeats(size_t line, size_t before)
{
    return before != CONFIG_DEFAULT && (line == CONFIG_SET) == (before == CONFIG_SET);
}

static enum status assign_pair(struct parser *p, const struct config_key *key, const char *name, const char *text,
                               size_t line)
{
    struct config_pairs *pairs = (void *)((char *)p->out + key->offset);
    const char *own = name + strlen(key->name) + 1;
    const struct config_pair *before = config_pairs_find(pairs, own);

    if (key->note)
        return fail_at(p, line, "%s.%s: %s", key->section, name, key->note);
    if (!*text)
        return fail_at(p, line, "%s.%s: the value is empty", key->section, name);
    if (before && repeats(line, before->line))
        return set_twice(p, key->section, name, line, before->line);
    return config_pairs_set(pairs, own, text, line, p->err);
}

static enum status assign_value(struct parser *p, size_t i, const char *text, size_t line)
{
    const struct config_key *key = config_table_key(i);
    struct error why = {0};

    if (repeats(line, p->out->lines[i]))
        return set_twice(p, key->section, key->name, line, p->out->lines[i]);
    if (key->unclear && !p->stored && strcmp(text, key->unclear) == 0)
        return fail_at(p, line, "%s.%s: %s", key->section, key->name, key->question);
    const struct config_base base = {line == CONFIG_SET ? "" : p->folder, !p->stored};
    enum status rc = config_value_parse((char *)p->out + key->offset, key, text, &base, &why);
    if (rc == FAIL_SYSTEM)
        return no_memory(p->err);
    if (rc != OK)
        return fail_at(p, line, "%s.%s: %s%s%s", key->section, key->name, why.message, key->note ? "; " : "",
                       key->note ? key->note : "");
    p->out->lines[i] = line;
    return OK;
}

static enum status assign(struct parser *p, const char *section, const char *name, const char *text, size_t line)
{
    size_t i = config_table_find(section, name);
    const struct config_key *key = config_table_key(i);

    if (!*section)
        return fail_at(p, line, "\"%s\" comes before the first section, such as [data]", name);
    if (!is_section(section))
        return unknown_section(p, section, line);
    if (!key)
        return unknown_key(p, section, name, line);
    return key->type == CONFIG_TYPE_PAIRS ? assign_pair(p, key, name, text, line) : assign_value(p, i, text, line);
}

static enum status assign_defaults(struct parser *p)
{
    enum status rc = OK;
    const struct config_key *key;

    for (size_t i = 0; rc == OK && (key = config_table_key(i)) != NULL; i++)
        if (key->type != CONFIG_TYPE_PAIRS)
            rc = assign_value(p, i, key->fallback, CONFIG_DEFAULT);
    return rc;
}

/* "section.key=value" */
static enum status assign_set(struct parser *p, const char *set)
{
    char section[NAME], name[2 * NAME];
    const char *equals = strchr(set, '='), *dot = strchr(set, '.');

    if (!equals || !dot || dot > equals)
        return fail_at(p, CONFIG_SET, "\"%s\" is not of the form section.key=value", set);
    if (strpbrk(set, "\r\n"))
        return fail_at(p, CONFIG_SET, "the value contains a line break");
    snprintf(section, sizeof section, "%.*s", (int)(dot - set), set);
    snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    for (size_t n = strlen(name); n > 0 && strchr(" \t", name[n - 1]); n--)
        name[n - 1] = '\0';
    char *value = strdup(equals + 1 + strspn(equals + 1, " \t"));
    if (!value)
        return no_memory(p->err);
    for (size_t n = strlen(value); n > 0 && strchr(" \t\r\n", value[n - 1]); n--)
        value[n - 1] = '\0';
    enum status rc = assign(p, section, name, value, CONFIG_SET);
    free(value);
    return rc;
}

/* ---- the INI file ---------------------------------------------------------------------------------------------- */

static void flush_pending(struct parser *p)
{
    struct pending *q = &p->pending;

    if (q->name && p->rc == OK)
        p->rc = assign(p, q->section, q->name, q->value, q->line);
    free(q->name);
    free(q->value);
    *q = (struct pending){0};
}

static void begin_pending(struct parser *p, const char *section, const char *name, const char *value)
{
    flush_pending(p);
    p->pending = (struct pending){.name = strdup(name), .value = strdup(value), .line = p->line};
    snprintf(p->pending.section, NAME, "%s", section);
    if (p->rc == OK && (!p->pending.name || !p->pending.value))
        p->rc = no_memory(p->err);
}

/* An indented key would otherwise vanish in the value before. */
static bool looks_like_a_key(const char *section, const char *text)
{
    char name[2 * NAME];

    if (!strchr(text, '='))
        return false;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, " \t="), text);
    return config_table_key(config_table_find(section, name)) != NULL;
}

static void continue_pending(struct parser *p, const char *more)
{
    struct pending *q = &p->pending;
    size_t nbytes = strlen(q->value) + strlen(more) + 2;

    if (looks_like_a_key(q->section, more)) {
        p->rc = fail_at(p, p->line,
                        "the line is indented, so it continues the value of line %zu; remove the indentation", q->line);
        return;
    }
    char *joined = malloc(nbytes);
    if (!joined) {
        p->rc = no_memory(p->err);
        return;
    }
    snprintf(joined, nbytes, "%s%s%s", q->value, *q->value ? " " : "", more);
    free(q->value);
    q->value = joined;
}

/* Called by inih for every assignment and every continuation. */
static int handle(void *context, const char *section, const char *name, const char *value)
{
    struct parser *p = context;

    if (p->rc == OK && p->indented && p->pending.name)
        continue_pending(p, value);
    else if (p->rc == OK)
        begin_pending(p, section, name, value);
    return 1;
}

static void begin_section(struct parser *p, const char *line)
{
    char name[NAME];

    flush_pending(p);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 1, "]\n"), line + 1);
    if (p->rc == OK && line[1 + strlen(name)] == ']' && !is_section(name))
        p->rc = unknown_section(p, name, p->line);
}

/* Cut a comment off: a # behind a blank and something else. A line that begins with # is a comment for inih. */
static size_t without_comment(const char *line, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (line[i] == '#' && (line[i - 1] == ' ' || line[i - 1] == '\t') && strspn(line, " \t") < i)
            return i;
    return n;
}

/* Called by inih for every line; like fgets. */
static char *next_line(char *line, int size, void *context)
{
    struct parser *p = context;
    size_t n = strcspn(p->at, "\n");

    if (p->rc != OK || !*p->at)
        return NULL;
    p->line++;
    p->indented = *p->at == ' ' || *p->at == '\t';
    if (n + 2 > (size_t)size) {
        p->rc = fail_at(p, p->line,
                        "the line is longer than %d characters; continue a list on an indented line, or give the "
                        "value with --set",
                        size - 2);
        return NULL;
    }
    size_t kept = p->stored ? n : without_comment(p->at, n);
    memcpy(line, p->at, kept);
    line[kept] = '\n';
    line[kept + 1] = '\0';
    p->at += p->at[n] ? n + 1 : n;
    const char *start = line + strspn(line, " \t");
    if (*start == '[')
        begin_section(p, start);
    return p->rc == OK ? line : NULL;
}

static enum status parse_text(struct parser *p, const char *text)
{
    p->at = text;
    int bad_line = ini_parse_stream(next_line, p, handle, p);
    flush_pending(p);
    if (p->rc == OK && bad_line > 0)
        p->rc = fail_at(p, (size_t)bad_line, "this is neither [section] nor key = value");
    else if (p->rc == OK && bad_line < 0)
        p->rc = no_memory(p->err);
    return p->rc;
}

/* ---- the whole file -------------------------------------------------------------------------------------------- */

static enum status check_whole(const struct config *config, struct error *err)
{
    const struct config_data *data = &config->data;
    const struct config_key *key;

    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++)
        if (key->required && config->lines[i] == CONFIG_DEFAULT)
            return error_set(err, FAIL_CONFIG, "%s: %s.%s is not set: %s", config->name, key->section, key->name,
                             key->help);
    if (!*data->path.given)
        return config_fail(config, err, "data.path", "the value is empty");
    if (!*config->model.weights.given)
        return config_fail(config, err, "model.weights", "the value is empty");
    if (data->mean.count && data->std.count && data->mean.count != data->std.count)
        return config_fail(config, err, "data.std", "%zu numbers, but data.mean has %zu", data->std.count,
                           data->mean.count);
    return OK;
}

/* The folder of a file: "" for the working folder. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = strdup(path);

    if (folder)
        folder[!slash ? 0 : slash == path ? 1 : slash - path] = '\0';
    return folder;
}

static enum status parse_whole(struct parser *parser, const char *text, const char *path, const char *const *sets,
                               size_t nsets)
{
    struct config *out = parser->out;
    char *folder = folder_of(path);
    enum status rc;

    *out = (struct config){.name = strdup(path)};
    parser->folder = folder;
    if (!folder || !out->name) {
        free(folder);
        return no_memory(parser->err);
    }
    TRY(assign_defaults(parser));
    TRY(parse_text(parser, text));
    for (size_t i = 0; i < nsets; i++)
        TRY(assign_set(parser, sets[i]));
    TRY(check_whole(out, parser->err));
done:
    free(folder);
    return rc;
}

enum status config_parse(struct config *out, const char *text, const char *path, const char *const *sets, size_t nsets,
                         struct error *err)
{
    struct parser parser = {.out = out, .err = err};

    return parse_whole(&parser, text, path, sets, nsets);
}

enum status config_parse_stored(struct config *out, const char *text, const char *path, struct error *err)
{
    struct parser parser = {.out = out, .stored = true, .err = err};

    return parse_whole(&parser, text, path, NULL, 0);
}

enum status config_set(struct config *config, const char *section, const char *key, const char *value,
                       struct error *err)
{
    struct parser parser = {.out = config, .folder = "", .err = err};
    size_t i = config_table_find(section, key);

    if (config_table_key(i))
        config->lines[i] = CONFIG_DEFAULT; /* a second time is no mistake here */
    return assign(&parser, section, key, value, CONFIG_SET);
}

void config_free(struct config *config)
{
    const struct config_key *key;

    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        void *field = (char *)config + key->offset;
        if (key->type == CONFIG_TYPE_PAIRS)
            config_pairs_release(field);
        else
            config_value_release(field, key);
    }
    free(config->name);
    *config = (struct config){0};
}

enum status config_read(char **text, const char *path, struct error *err)
{
    char *buffer = malloc(CONFIG_MAX_BYTES + 1);
    FILE *file = fault_hit(FAULT_OPEN) ? NULL : fopen(path, "rb");
    size_t n = 0;
    enum status rc = OK;

    *text = NULL;
    if (!file)
        rc = error_system(err, "cannot open the configuration %s", path);
    else if (!buffer)
        rc = no_memory(err);
    else
        n = fread(buffer, 1, CONFIG_MAX_BYTES + 1, file);
    if (rc == OK && (fault_hit(FAULT_READ) || ferror(file)))
        rc = error_system(err, "cannot read the configuration %s", path);
    else if (rc == OK && n > CONFIG_MAX_BYTES)
        rc = error_set(err, FAIL_CONFIG, "%s is not a configuration: it is larger than %d bytes", path,
                       CONFIG_MAX_BYTES);
    else if (rc == OK && memchr(buffer, '\0', n))
        rc = error_set(err, FAIL_CONFIG, "%s is not a configuration: it is not text", path);
    if (file)
        fclose(file);
    if (rc == OK) {
        buffer[n] = '\0';
        *text = buffer;
    } else
        free(buffer);
    return rc;
}
