/* Messages of a run, one line for one event.
 *
 *   17:04:11Z +12.3s warn: the shared-memory file system is full node=3
 *
 * The clock is UTC, the seconds count from log_init. Levels are named by their audience: an error never occurs in a
 * clean run; a warning is worth a look afterwards; info reports the progress of a run in about 20 lines; debug is for
 * developers. Rank 0 writes them all, other ranks write only errors and debug lines, with rank and host. Each line
 * is written in one call, so lines of several ranks do not mix.
 *
 * Not collective.
 */
#ifndef NRMFLOW_PIPELINE_UTIL_LOG_H
#define NRMFLOW_PIPELINE_UTIL_LOG_H

#include <stdbool.h>
#include <stdio.h>

enum { LOG_HOST = 64 };

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log {
    FILE *out;
    enum log_level level;
    int rank;
    char host[LOG_HOST];
    double start;  /* monotonic seconds */
    bool terminal; /* `out` is a terminal: it can show a status line */
    bool status;   /* a status line is showing */
};

/* Seconds of a monotonic clock, from an arbitrary origin. */
double log_seconds(void);

/* Write messages up to `level` to `out`, which is borrowed. */
void log_init(struct log *log, FILE *out, enum log_level level, int rank, const char *host);

/* One sentence without a final newline, then key=value pairs. */
void log_error(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warn(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Show a line that the next one overwrites; on a terminal only. An empty text removes it. */
void log_status(struct log *log, const char *text);

#endif
