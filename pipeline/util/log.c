#include "pipeline/util/log.h"

#include "io/store/store.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048 };

double log_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void log_init(struct log *log, FILE *out, enum log_level level, int rank, const char *host)
{
    *log = (struct log){.out = out, .level = level, .rank = rank, .start = log_seconds()};
    log->terminal = isatty(fileno(out)) == 1;
    snprintf(log->host, sizeof log->host, "%s", host);
}

/* "17:04:11Z +12.3s warn: rank 3 on node7: " */
static size_t write_prefix(char line[LINE], const struct log *log, enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char clock[16] = "", source[LOG_HOST + 32] = "";
    time_t now = time(NULL);
    struct tm utc;

    if (gmtime_r(&now, &utc))
        strftime(clock, sizeof clock, "%H:%M:%SZ", &utc);
    if (log->rank != 0 || level == LOG_DEBUG)
        snprintf(source, sizeof source, "rank %d on %s: ", log->rank, log->host);
    return (size_t)snprintf(line, LINE, "%s +%.1fs %s: %s", clock, log_seconds() - log->start, names[level], source);
}

static void write_line(struct log *log, enum log_level level, const char *format, va_list arguments)
{
    char line[LINE];
    bool silent = log->rank != 0 && level != LOG_ERROR && level != LOG_DEBUG;

    if (level > log->level || silent)
        return;
    size_t used = write_prefix(line, log, level);
    vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    for (char *c = line + used; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    char *text = store_escape_name(line); /* names of files may be any bytes */
    log_status(log, "");
    fprintf(log->out, "%s\n", text ? text : line);
    fflush(log->out);
    free(text);
}

void log_error(struct log *log, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(log, LOG_ERROR, format, arguments);
    va_end(arguments);
}

void log_warn(struct log *log, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(log, LOG_WARN, format, arguments);
    va_end(arguments);
}

void log_info(struct log *log, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(log, LOG_INFO, format, arguments);
    va_end(arguments);
}

void log_debug(struct log *log, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(log, LOG_DEBUG, format, arguments);
    va_end(arguments);
}

void log_status(struct log *log, const char *text)
{
    if (!log->terminal || (!log->status && !*text))
        return;
    fprintf(log->out, "\r\033[K%s", text);
    fflush(log->out);
    log->status = *text != '\0';
}
