/* Status and message of an expected failure.
 *
 * Functions that can fail return `enum status` and fill a `struct error` supplied by the caller. The first failure
 * writes the message and later ones leave it alone, so the message names the cause and not its consequences.
 */
#ifndef NRMFLOW_IO_BASE_ERROR_H
#define NRMFLOW_IO_BASE_ERROR_H

enum status {
    OK = 0,
    FAIL_SYSTEM,      /* the operating system or a library failed: open, read, write, rename, memory */
    FAIL_FORMAT,      /* a file is damaged or is not what it claims to be */
    FAIL_UNSUPPORTED, /* a file is valid, but of a kind that this program does not read */
    FAIL_CONFIG,      /* the configuration or the command line is wrong */
    FAIL_LIMIT,       /* a stated limit is exceeded: a size, the memory plan, the share of failed images */
    FAIL_MISMATCH,    /* a file belongs to another run, model or dataset */
    FAIL_RESOURCE     /* memory or file descriptors ran out, or a file system is away; a retry may succeed */
};

struct error {
    enum status status;
    char message[1024]; /* what, where and what to do; one sentence without a final newline */
};

/* Call a function that returns `enum status`; on failure jump to the label `done`. Needs a variable `rc`. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        rc = (call);                                                                                                   \
        if (rc != OK)                                                                                                  \
            goto done;                                                                                                 \
    } while (0)

/* Record a failure unless one is recorded already; returns `status`. `err` may be NULL. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of errno appended. FAIL_RESOURCE if errno says so, else FAIL_SYSTEM. */
enum status error_system(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* clang-tidy analyses one file at a time and would assume that a failure can return OK. */
#ifdef __clang_analyzer__
void error_use(const void *err, const char *format, ...);
#define error_set(err, status, ...) (error_use(err, __VA_ARGS__), (status))
#define error_system(err, ...)      (error_use(err, __VA_ARGS__), FAIL_SYSTEM)
#endif

/* Forget a recorded failure, after it has been dealt with. */
void error_clear(struct error *err);

/* A short name of a status, for logs: "format", "system", ... */
const char *error_name(enum status status);

#endif
