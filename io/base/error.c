#include "io/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef error_set /* the macros that error.h defines for clang-tidy */
#undef error_system

/* Some failures are temporary and not the fault of the request. The last four codes come from network file systems. */
static enum status status_of(int code)
{
    static const int temporary[] = {ENOMEM, EMFILE, ENFILE, ESTALE, ETIMEDOUT, ENOTCONN, EHOSTDOWN};

    for (size_t i = 0; i < sizeof temporary / sizeof temporary[0]; i++)
        if (code == temporary[i])
            return FAIL_RESOURCE;
    return FAIL_SYSTEM;
}

static void record(struct error *err, enum status status, const char *format, va_list arguments)
{
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, arguments);
}

enum status error_set(struct error *err, enum status status, const char *format, ...)
{
    if (err && err->status == OK) {
        va_list arguments;

        va_start(arguments, format);
        record(err, status, format, arguments);
        va_end(arguments);
    }
    return status;
}

enum status error_system(struct error *err, const char *format, ...)
{
    int code = errno;

    if (err && err->status == OK) {
        va_list arguments;

        va_start(arguments, format);
        record(err, status_of(code), format, arguments);
        va_end(arguments);
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(code));
    }
    return status_of(code);
}

void error_clear(struct error *err)
{
    *err = (struct error){0};
}

const char *error_name(enum status status)
{
    static const char *const names[] = {"ok",     "system", "format",   "unsupported",
                                        "config", "limit",  "mismatch", "resource"};

    return names[status];
}
