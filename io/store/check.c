#include "io/store/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "/" and the path; NULL without memory. */
static char *new_place(const char *path)
{
    size_t nbytes = strlen(path) + 2;
    char *place = malloc(nbytes);

    if (place)
        snprintf(place, nbytes, "/%s", path);
    return place;
}

static bool grow(struct store_problems *problems)
{
    if (problems->count < problems->capacity)
        return true;
    size_t capacity = problems->capacity ? 2 * problems->capacity : 16;
    struct store_problem *items = realloc(problems->items, capacity * sizeof *items);

    if (!items)
        return false;
    problems->items = items;
    problems->capacity = capacity;
    return true;
}

void store_problem_add(struct store_problems *problems, const char *path, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (problems->count == STORE_MOST_PROBLEMS) {
        problems->left_out++;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!grow(problems)) {
        problems->no_memory = true;
        return;
    }
    struct store_problem problem = {new_place(path), strdup(text)};

    if (!problem.place || !problem.what) {
        problems->no_memory = true;
        free(problem.place);
        free(problem.what);
        return;
    }
    problems->items[problems->count++] = problem;
}

void store_problems_free(struct store_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].place);
        free(problems->items[i].what);
    }
    free(problems->items);
    *problems = (struct store_problems){0};
}
