#include "pipeline/results/classes.h"

#include "pipeline/command/commands.h"
#include "pipeline/results/class_depth.h"
#include "pipeline/results/origin.h"
#include "pipeline/util/json_output.h"
#include "pipeline/util/table.h"
#include "pipeline/util/wrap.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { LISTED = 10, MAX_LISTED = 1000000 };

struct arguments {
    const char *path, *a, *b; /* a and b NULL: list the classes */
    const char *layer, *flow, *evaluation;
    size_t top; /* 0: not given */
    bool json;
};

static const struct option_row rows[] = {
    {"layer", 0, OPTION_TEXT, FIELD(layer), "LAYER",
     .help = "compare the channels of this layer only; default: of all layers"},
    {"flow", 0, OPTION_TEXT, FIELD(flow), "PAIR",
     .help = "compare the entries of this flow, such as conv4_3-conv5_1, instead of channels"},
    {"top", 0, OPTION_WHOLE, FIELD(top), "N", .help = "list the N largest differences; default: 10, with --json all",
     .low = 1, .high = MAX_LISTED},
    {"evaluation", 0, OPTION_TEXT, FIELD(evaluation), "FILE",
     .help =
         "an evaluation of the store's configuration, whose test `targets` says below which layer a comparison says "
         "little; default: a rule of thumb"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object"},
};

static const char help[] =
    "Lists the classes of a store, or compares two of them, A and B, given by number (#2) or name: the mean relevance "
    "of every channel in A minus that in B, with its standard error. Each mean is relative to the class's own mean "
    "mass of the condition, if the run has one. A star marks differences of more than three standard errors; among "
    "thousands of "
    "channels, a few exceed that by chance. Far below the logits, relevance hardly depends on the class with most "
    "composites: a note says below which layer.";

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;

    if (a->a && !a->b)
        return error_set(err, FAIL_CONFIG, "missing argument: the class to compare %s with", a->a);
    if (!a->a && (a->layer || a->flow || a->top || a->evaluation))
        return error_set(err, FAIL_CONFIG, "--layer, --flow, --top and --evaluation need two classes");
    if (a->layer && a->flow)
        return error_set(err, FAIL_CONFIG, "--layer and --flow cannot be combined");
    return OK;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_name(const char *name, int width)
{
    int n = (int)strlen(name);

    table_text(stdout, name);
    printf("%*s", width > n ? width - n : 0, "");
}

/* `mark` is the class's name in the comparison. */
static void print_class(const struct classes *classes, size_t i, const char *mark)
{
    printf("%s%5zu  ", mark, i);
    print_name(classes->names[i], 24);
    printf("  %9" PRId64, classes->images[i]);
    if (classes->conditioned && classes->images[i] > 0)
        printf("  %10.4g +- %.2g%s", classes->given[i], classes->given_error[i],
               classes_weak(classes, i) ? "  weak" : "");
    putchar('\n');
}

static void print_head(const struct classes *classes, const char *mark)
{
    printf("%s%5s  %-24s  %9s%s\n", mark, "class", "name", "images", classes->conditioned ? "  given mass" : "");
}

static void print_weak(const struct classes *classes, size_t first, size_t second)
{
    bool weak = false;

    for (size_t i = 0; i < classes->count; i++)
        weak = weak || ((i == first || i == second || first == classes->count) && classes_weak(classes, i));
    if (weak)
        puts("\nwarning: weak: the condition's mean in this class is zero or within 3 standard errors of it, so means\n"
             "divided by it are statistically unreliable. Run again with `given = none`, or with a composite of\n"
             "nonnegative rules.");
}

static void print_differences(const struct classes_differences *d, const char *name, bool flow, size_t listed)
{
    putchar('\n');
    print_name(name, 0);
    printf("\n%s%8s  %22s  %22s  %22s\n", flow ? "   upper  " : "", flow ? "lower" : "channel", "A", "B", "A - B");
    for (size_t i = 0; i < d->count && i < listed; i++) {
        const struct classes_difference *x = &d->items[i];
        if (flow)
            printf("%8zu  ", x->upper);
        printf("%8zu  %11.4g +- %-7.1g  %11.4g +- %-7.1g  %11.4g +- %-7.1g%s\n", x->channel, x->a, x->a_error, x->b,
               x->b_error, x->difference, x->std_error, fabs(x->difference) > 3 * x->std_error ? " *" : "");
    }
    if (d->count > listed)
        printf("and %zu more; --top or --json lists them\n", d->count - listed);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *json_class(const struct classes *classes, size_t i)
{
    json_t *object = json_object();

    json_object_set_new(object, "class", json_integer((json_int_t)i));
    json_object_set_new(object, "name", json_output_text(classes->names[i]));
    json_object_set_new(object, "images", json_integer((json_int_t)classes->images[i]));
    json_object_set_new(object, "given_mass", json_output_real(classes->given[i]));
    json_object_set_new(object, "given_std_error", json_output_real(classes->given_error[i]));
    json_object_set_new(object, "weak_condition", json_boolean(classes_weak(classes, i)));
    return object;
}

static json_t *json_differences(const struct classes_differences *d, bool flow, size_t listed)
{
    static const char *const flow_names[] = {"upper", "lower"}, *const layer_names[] = {"channel"};
    static const char *const names[] = {"a", "a_std_error", "b", "b_std_error", "difference", "std_error"};

    enum { COLUMNS = sizeof names / sizeof names[0] };

    json_t *object = json_object(), *places[2], *lists[COLUMNS];

    json_output_columns(places, object, flow ? flow_names : layer_names, flow ? 2 : 1);
    json_output_columns(lists, object, names, COLUMNS);
    for (size_t i = 0; i < d->count && i < listed; i++) {
        const struct classes_difference *x = &d->items[i];
        json_t *cells[COLUMNS] = {json_output_real(x->a),          json_output_real(x->a_error),
                                  json_output_real(x->b),          json_output_real(x->b_error),
                                  json_output_real(x->difference), json_output_real(x->std_error)};
        if (flow)
            json_array_append_new(places[0], json_integer((json_int_t)x->upper));
        json_array_append_new(places[flow], json_integer((json_int_t)x->channel));
        json_output_row(lists, cells, COLUMNS);
    }
    return object;
}

/* ---- command ----------------------------------------------------------------------------------------------------- */

static void list_classes(const struct store_reader *reader, const struct classes *classes, bool json)
{
    json_t *object, *list;

    if (json) {
        object = json_object();
        list = json_array();
        json_object_set_new(object, "complete", json_boolean(origin_complete(reader)));
        for (size_t i = 0; i < classes->count; i++)
            json_array_append_new(list, json_class(classes, i));
        json_object_set_new(object, "classes", list);
        json_output_print(object);
        return;
    }
    print_head(classes, "");
    for (size_t i = 0; i < classes->count; i++)
        print_class(classes, i, "");
    print_weak(classes, classes->count, classes->count);
}

/* A comparison of two classes. */
struct comparison {
    const struct store_reader *reader;
    const struct classes *classes;
    const struct arguments *arguments;
    const struct class_depth *depth;
    size_t a, b;
    bool headed;   /* the classes have been printed */
    bool below;    /* one of the layers shown is where a comparison says little */
    json_t *parts; /* by layer or flow; NULL: print */
};

static void print_comparison(struct comparison *c, const struct classes_differences *d, const char *name, size_t listed)
{
    if (!c->headed) {
        print_head(c->classes, "   ");
        print_class(c->classes, c->a, "A  ");
        print_class(c->classes, c->b, "B  ");
    }
    c->headed = true;
    print_differences(d, name, c->arguments->flow != NULL, listed);
}

/* One layer or flow. */
static enum status show(struct comparison *c, const char *name, struct error *err)
{
    bool flow = c->arguments->flow != NULL;
    size_t listed = c->arguments->top ? c->arguments->top : c->parts ? SIZE_MAX : LISTED;
    struct classes_differences d;
    enum status rc = flow ? classes_compare_flow(&d, c->reader, name, c->a, c->b, err)
                          : classes_compare_layer(&d, c->reader, name, c->a, c->b, err);

    if (rc == OK && c->parts)
        json_object_set_new(c->parts, name, json_differences(&d, flow, listed));
    else if (rc == OK)
        print_comparison(c, &d, name, listed);
    free(d.items);
    c->below = c->below || class_depth_is_below(c->depth, name, flow);
    return rc;
}

/* In which of the layers shown the comparison says little. */
static void print_depth(const struct comparison *c)
{
    char text[CLASS_DEPTH_TEXT], classes[64];

    if (!c->below)
        return;
    snprintf(classes, sizeof classes, "%zu-%zu", c->a, c->b);
    class_depth_text(text, c->depth, classes);
    putchar('\n');
    printf("note: ");
    wrap_words(stdout, text, 6, 6);
}

/* The layers to show, or the flow. */
static enum status list_names(struct store_names *names, const struct store_reader *reader,
                              const struct arguments *arguments, struct error *err)
{
    const char *one = arguments->flow ? arguments->flow : arguments->layer;

    if (!one)
        return store_list(names, reader, "layers", err);
    names->names = calloc(1, sizeof *names->names);
    if (names->names)
        names->names[0] = strdup(one);
    names->count = names->names ? 1 : 0;
    return names->count && names->names[0] ? OK : error_set(err, FAIL_SYSTEM, "no memory for a name");
}

static enum status check_class(const struct classes *classes, size_t class, const char *path, struct error *err)
{
    if (classes->images[class] > 0)
        return OK;
    return error_set(err, FAIL_CONFIG, "%s has no images of class %zu, %s", path, class, classes->names[class]);
}

static enum status compare_classes(const struct store_reader *reader, const struct classes *classes,
                                   const struct arguments *arguments, struct error *err)
{
    struct class_depth depth = {.nbelow = 0};
    struct comparison c = {reader, classes, arguments, &depth, .parts = arguments->json ? json_object() : NULL};
    struct store_names names = {0};
    enum status rc = OK;

    TRY(arguments->evaluation ? class_depth_measure(&depth, reader, arguments->path, arguments->evaluation, err)
                              : class_depth_read(&depth, reader, arguments->path, err));
    TRY(classes_find(&c.a, classes, arguments->a, err));
    TRY(classes_find(&c.b, classes, arguments->b, err));
    TRY(check_class(classes, c.a, arguments->path, err));
    TRY(check_class(classes, c.b, arguments->path, err));
    TRY(list_names(&names, reader, arguments, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(show(&c, names.names[i], err));
    if (c.parts)
        json_output_print(json_pack("{s:b,s:o,s:o,s:o,s:O}", "complete", origin_complete(reader), "a",
                                    json_class(classes, c.a), "b", json_class(classes, c.b), "says_little_below",
                                    depth.nbelow ? json_output_text(depth.from) : json_null(),
                                    arguments->flow ? "flows" : "layers", c.parts));
    else {
        print_weak(classes, c.a, c.b);
        print_depth(&c);
    }
done:
    class_depth_free(&depth);
    json_decref(c.parts);
    store_names_free(&names);
    return rc;
}

static enum status answer(const struct arguments *arguments, struct error *err)
{
    struct classes classes = {.count = 0};
    struct store_reader *reader = NULL;
    enum status rc = OK;

    TRY(origin_open(&reader, arguments->path, err));
    TRY(classes_read(&classes, reader, arguments->path, err));
    origin_warn_partial(reader, arguments->path);
    if (arguments->a)
        TRY(compare_classes(reader, &classes, arguments, err));
    else
        list_classes(reader, &classes, arguments->json);
done:
    classes_free(&classes);
    store_close(reader);
    return rc;
}

static int run(const void *arguments)
{
    struct error err = {0};

    return command_end(answer(arguments, &err), &err);
}

const struct command command_classes = {
    .summary = "list the classes of a store, or compare two of them",
    .table = {.command = "classes",
              .operands = {"STORE [A B]", 1, 3, OPTION_TEXT, {FIELD(path), FIELD(a), FIELD(b)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
