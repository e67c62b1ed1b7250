#include "pipeline/run/class_list.h"

#include "io/base/fault.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { NAME = 1024, MAX_BYTES = 1 << 24, MAX_CLASSES = 1 << 20 };

struct file {
    const char *path;
    char *text;
    size_t nbytes;
    struct error *err;
};

static enum status no_memory(const struct file *f)
{
    return error_set(f->err, FAIL_SYSTEM, "%s: no memory for class names", f->path);
}

static enum status read_whole(struct file *f)
{
    FILE *in = fault_hit(FAULT_OPEN) ? NULL : fopen(f->path, "rb");
    enum status rc = OK;

    if (!in)
        return error_system(f->err, "%s: cannot read the class names", f->path);
    f->text = malloc(MAX_BYTES + 1);
    if (!f->text)
        rc = no_memory(f);
    else
        f->nbytes = fread(f->text, 1, MAX_BYTES, in);
    if (rc == OK && (fault_hit(FAULT_READ) || ferror(in)))
        rc = error_system(f->err, "%s: cannot read the class names", f->path);
    fclose(in);
    if (rc == OK)
        f->text[f->nbytes] = '\0';
    return rc;
}

/* A name is UTF-8, as what jansson makes a string of. */
static bool is_name(const char *text, size_t n)
{
    json_t *string = n < NAME && !memchr(text, '\0', n) ? json_stringn(text, n) : NULL;

    json_decref(string);
    return string != NULL;
}

/* Make the list longer, with empty names. */
static enum status extend(struct class_list *list, size_t count, const struct file *f)
{
    char **names = count <= MAX_CLASSES ? realloc(list->names, (count + 1) * sizeof *names) : NULL;

    if (count > MAX_CLASSES)
        return error_set(f->err, FAIL_LIMIT, "%s: more than %d class names", f->path, MAX_CLASSES);
    if (!names)
        return no_memory(f);
    list->names = names;
    while (list->count < count) {
        names[list->count] = strdup("");
        if (!names[list->count])
            return no_memory(f);
        list->count++;
    }
    return OK;
}

static enum status set_name(struct class_list *list, size_t class, const char *name, size_t n, const struct file *f)
{
    char *copy = strndup(name, n);

    if (!copy)
        return no_memory(f);
    free(list->names[class]);
    list->names[class] = copy;
    return OK;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static enum status read_lines(struct class_list *out, const struct file *f, const char *text)
{
    const char *end = f->text + f->nbytes;
    const char newline = memchr(text, '\n', (size_t)(end - text)) ? '\n' : '\r'; /* as old Macs end lines */
    size_t room = 0, used = 0;
    enum status rc = OK;

    for (size_t line = 1; text < end; line++) {
        const char *stop = memchr(text, newline, (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        size_t whole = n + (stop != NULL);
        if (!is_name(text, n))
            return error_set(f->err, FAIL_FORMAT,
                             "%s: line %zu is no class name: it is not text in UTF-8, or has %d bytes or more", f->path,
                             line, NAME);
        while (n > 0 && strchr(" \t\r", text[n - 1]))
            n--;
        if (line > room) {
            room = 2 * line;
            TRY(extend(out, room, f));
        }
        TRY(set_name(out, line - 1, text, n, f));
        used = n > 0 ? line : used;
        text += whole;
    }
    while (out->count > used)
        free(out->names[--out->count]);
done:
    return rc;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* "tench", ["n01440764", "tench"] or {"name": "tench"}; NULL for anything else. */
static const char *name_in(const json_t *value)
{
    if (json_is_array(value))
        value = json_array_get(value, json_array_size(value) - 1);
    else if (json_is_object(value))
        value = json_object_get(value, "name");
    return json_string_value(value);
}

/* A key that is a number, or `index` in an object; false if there is none. */
static bool number_in(size_t *number, const char *key, const json_t *value)
{
    const json_t *index = json_is_object(value) ? json_object_get(value, "index") : NULL;
    char *end = NULL;

    if (json_is_integer(index) && json_integer_value(index) >= 0) {
        *number = (size_t)json_integer_value(index);
        return true;
    }
    if (!key || *key < '0' || *key > '9')
        return false;
    *number = (size_t)strtoull(key, &end, 10);
    return *end == '\0';
}

static enum status put(struct class_list *out, const struct file *f, size_t class, const char *name)
{
    enum status rc = OK;

    if (!name || !is_name(name, strlen(name)))
        return error_set(f->err, FAIL_FORMAT,
                         "%s: entry %zu is no class name; write a list of names, or one name on each line", f->path,
                         class);
    if (class >= out->count)
        TRY(extend(out, class + 1, f));
    if (out->names[class][0])
        return error_set(f->err, FAIL_FORMAT, "%s: class %zu has two names, \"%.100s\" and \"%.100s\"", f->path, class,
                         out->names[class], name);
    rc = set_name(out, class, name, strlen(name), f);
done:
    return rc;
}

static enum status read_array(struct class_list *out, const struct file *f, const json_t *root)
{
    const json_t *value;
    size_t i, class;
    enum status rc = OK;

    json_array_foreach(root, i, value)
    {
        class = i;
        number_in(&class, NULL, value);
        TRY(put(out, f, class, name_in(value)));
    }
done:
    return rc;
}

static enum status read_object(struct class_list *out, const struct file *f, json_t *root)
{
    const char *key;
    json_t *value;
    size_t class = 0;
    enum status rc = OK;

    json_object_foreach(root, key, value)
    {
        bool turned = json_is_integer(value) && json_integer_value(value) >= 0;
        if (turned)
            class = (size_t)json_integer_value(value);
        else if (!number_in(&class, key, value))
            return error_set(
                f->err, FAIL_FORMAT,
                "%s: \"%.100s\" is neither the number of a class nor has it one; write a list of names, or "
                "one name on each line",
                f->path, key);
        TRY(put(out, f, class, turned ? key : name_in(value)));
    }
done:
    return rc;
}

static enum status read_json(struct class_list *out, const struct file *f, const char *text)
{
    json_error_t why;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    enum status rc;

    if (!root)
        return error_set(
            f->err, FAIL_FORMAT,
            "%s: begins as JSON but is not, line %d: %s; if it is a dict of Python, write its names line by "
            "line: import ast; d = ast.literal_eval(open(\"FILE\").read()); open(\"names.txt\", "
            "\"w\").write(\"\\n\".join(d[i] for i in sorted(d)))",
            f->path, why.line, why.text);
    rc = json_is_array(root) ? read_array(out, f, root) : read_object(out, f, root);
    json_decref(root);
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

enum status class_list_read(struct class_list *out, const char *path, struct error *err)
{
    static const char mark[] = "\xef\xbb\xbf", *const wide[] = {"\xff\xfe", "\xfe\xff"};
    struct file f = {.path = path, .err = err};
    enum status rc;

    *out = (struct class_list){0};
    TRY(read_whole(&f));
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (strncmp(f.text, wide[i], 2) == 0) {
            rc = error_set(err, FAIL_FORMAT, "%s: is text in UTF-16; save it as UTF-8", path);
            goto done;
        }
    const char *text = f.text + (strncmp(f.text, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0);
    const char *first = text + strspn(text, " \t\r\n");
    rc = *first == '[' || *first == '{' ? read_json(out, &f, text) : read_lines(out, &f, text);
done:
    free(f.text);
    return rc;
}

void class_list_free(struct class_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct class_list){0};
}
