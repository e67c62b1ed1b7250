#include "io/base/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BYTES   ((size_t)1 << 31)
#define CHILD_BYTES ((rlim_t)3 << 31) /* a reply, the data it is converted from, and HDF5's caches */

enum { CHILD_SECONDS = 60 };

/* Sanitizers reserve terabytes of address space, so the limit on memory is not set under them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

struct sandbox {
    pid_t pid;
    int socket;
    struct error ended; /* why the child has ended; OK while it lives */
};

/* The head of a request on the socket, followed by its texts and bytes. */
struct request_head {
    size_t op, numbers[SANDBOX_NUMBERS], lengths[SANDBOX_TEXTS], nbytes;
};

/* The head of a reply, followed by its bytes. */
struct reply_head {
    struct error err;
    size_t numbers[SANDBOX_NUMBERS], nbytes;
};

/* ---- the socket ------------------------------------------------------------------------------------------------ */

static bool put(int socket, const void *bytes, size_t nbytes)
{
    const char *from = bytes;

    while (nbytes > 0) {
        ssize_t n = send(socket, from, nbytes, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            from += n;
            nbytes -= (size_t)n;
        }
    }
    return true;
}

static bool get(void *bytes, int socket, size_t nbytes)
{
    char *to = bytes;

    while (nbytes > 0) {
        ssize_t n = recv(socket, to, nbytes, 0);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0) {
            to += n;
            nbytes -= (size_t)n;
        }
    }
    return true;
}

/* ---- the child ------------------------------------------------------------------------------------------------- */

/* Ignore the signals that the parent handles to end a run; a crash has its default effect, even if the parent catches
 * these signals. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF};
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void lower(int resource, rlim_t most)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > most)) {
        limit.rlim_cur = most;
        setrlimit(resource, &limit);
    }
}

/* No core file, and a limit on memory: what the parent has, where that is known, plus CHILD_BYTES. */
static void set_limits(void)
{
    unsigned long pages = 0;
    FILE *file = SANITIZED ? NULL : fopen("/proc/self/statm", "r");

    if (file && fscanf(file, "%lu", &pages) == 1 && pages > 0)
        lower(RLIMIT_AS, (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + CHILD_BYTES);
    if (file)
        fclose(file);
    lower(RLIMIT_CORE, 0);
}

static void start_clock(void)
{
    const struct itimerval time = {.it_value.tv_sec = CHILD_SECONDS};

    setitimer(ITIMER_PROF, &time, NULL);
}

/* The texts and bytes of a request, each followed by a NUL; NULL without memory. */
static char *get_body(struct sandbox_request *request, const struct request_head *q, int socket)
{
    size_t total = q->nbytes + 1;

    for (size_t i = 0; i < SANDBOX_TEXTS; i++)
        total += q->lengths[i] + 1;
    char *body = malloc(total), *at = body;

    if (!body || !get(body, socket, total)) {
        free(body);
        return NULL;
    }
    for (size_t i = 0; i < SANDBOX_TEXTS; i++) {
        request->texts[i] = at;
        at += q->lengths[i] + 1;
    }
    request->bytes = at;
    request->nbytes = q->nbytes;
    return body;
}

static bool answer_one(int socket, sandbox_answer *answer, void *state)
{
    struct sandbox_request request = {0};
    struct sandbox_reply reply = {0};
    struct request_head q;
    struct reply_head a = {0};

    if (!get(&q, socket, sizeof q))
        return false;
    request.op = q.op;
    memcpy(request.numbers, q.numbers, sizeof q.numbers);
    char *body = get_body(&request, &q, socket);
    if (!body)
        return false;
    start_clock();
    enum status rc = answer(&reply, state, &request, &a.err);
    if (rc == OK) {
        a.err.status = OK;
        a.nbytes = reply.nbytes;
        memcpy(a.numbers, reply.numbers, sizeof a.numbers);
    }
    bool sent = put(socket, &a, sizeof a) && put(socket, reply.bytes, a.nbytes);
    free(reply.bytes);
    free(body);
    return sent;
}

/* ---- the parent ------------------------------------------------------------------------------------------------ */

enum status sandbox_start(struct sandbox **out, sandbox_answer *answer, void *state, struct error *err)
{
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    int sockets[2] = {-1, -1};

    *out = NULL;
    if (!sandbox || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        goto failed;
    sandbox->socket = sockets[0];
    sandbox->pid = fork();
    if (sandbox->pid == 0) {
        close(sockets[0]);
        set_signals();
        set_limits();
        while (answer_one(sockets[1], answer, state))
            continue;
        _exit(0);
    }
    if (sandbox->pid < 0)
        goto failed;
    close(sockets[1]);
    *out = sandbox;
    return OK;
failed:
    error_set(err, FAIL_RESOURCE, "cannot start a process to read an HDF5 file: %s", strerror(errno));
    for (size_t i = 0; i < 2; i++)
        if (sockets[i] >= 0)
            close(sockets[i]);
    free(sandbox);
    return FAIL_RESOURCE;
}

/* Wait until the child ends; returns its exit status, or -1. */
static int wait_for(const struct sandbox *sandbox)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(sandbox->pid, &status, 0)) < 0 && errno == EINTR)
        continue;
    return pid < 0 ? -1 : status;
}

/* End a child that no longer answers, or not as it should, and record why. */
static enum status reap(struct sandbox *sandbox, const char *path)
{
    shutdown(sandbox->socket, SHUT_RDWR);
    int status = wait_for(sandbox), killer = status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (killer == SIGPROF)
        return error_set(&sandbox->ended, FAIL_FORMAT,
                         "%s: is damaged or malicious: reading it did not end within %d s", path, CHILD_SECONDS);
    if (killer == SIGKILL)
        return error_set(&sandbox->ended, FAIL_RESOURCE,
                         "%s: the process that reads it was killed; perhaps the node ran out of memory", path);
    return error_set(&sandbox->ended, FAIL_FORMAT,
                     "%s: is damaged or malicious: the HDF5 library crashes on it (signal %d)", path, killer);
}

static bool put_request(const struct sandbox *sandbox, const struct sandbox_request *request)
{
    struct request_head q = {.op = request->op, .nbytes = request->nbytes};

    memcpy(q.numbers, request->numbers, sizeof q.numbers);
    for (size_t i = 0; i < SANDBOX_TEXTS; i++)
        q.lengths[i] = request->texts[i] ? strlen(request->texts[i]) : 0;
    bool sent = put(sandbox->socket, &q, sizeof q);

    for (size_t i = 0; sent && i < SANDBOX_TEXTS; i++)
        sent = put(sandbox->socket, request->texts[i] ? request->texts[i] : "", q.lengths[i] + 1);
    return sent && put(sandbox->socket, request->bytes, request->nbytes) && put(sandbox->socket, "", 1);
}

/* Send a request and receive the head of the reply; false unless its sizes are plausible. */
static bool exchange(struct reply_head *a, const struct sandbox *sandbox, const struct sandbox_request *request)
{
    if (!put_request(sandbox, request) || !get(a, sandbox->socket, sizeof *a))
        return false;
    a->err.message[sizeof a->err.message - 1] = '\0';
    return a->err.status <= FAIL_RESOURCE && a->nbytes <= MAX_BYTES && (a->err.status == OK || a->nbytes == 0);
}

static enum status ask(struct reply_head *a, struct sandbox *sandbox, const struct sandbox_request *request,
                       struct error *err)
{
    if (sandbox->ended.status == OK && !exchange(a, sandbox, request))
        reap(sandbox, request->path);
    if (sandbox->ended.status != OK)
        return error_set(err, sandbox->ended.status, "%s", sandbox->ended.message);
    return a->err.status == OK ? OK : error_set(err, a->err.status, "%s", a->err.message);
}

static enum status get_bytes(void *out, size_t nbytes, struct sandbox *sandbox, const char *path, struct error *err)
{
    if (get(out, sandbox->socket, nbytes))
        return OK;
    reap(sandbox, path);
    return error_set(err, sandbox->ended.status, "%s", sandbox->ended.message);
}

enum status sandbox_call(struct sandbox_reply *reply, struct sandbox *sandbox, const struct sandbox_request *request,
                         struct error *err)
{
    struct reply_head a = {0};
    enum status rc;

    *reply = (struct sandbox_reply){0};
    TRY(ask(&a, sandbox, request, err));
    memcpy(reply->numbers, a.numbers, sizeof reply->numbers);
    reply->bytes = malloc(a.nbytes + 1);
    if (!reply->bytes) {
        reap(sandbox, request->path); /* the reply's bytes are still in the socket */
        return error_set(err, FAIL_RESOURCE, "%s: no memory to read %zu bytes of it", request->path, a.nbytes);
    }
    ((char *)reply->bytes)[a.nbytes] = '\0';
    reply->nbytes = a.nbytes;
    TRY(get_bytes(reply->bytes, reply->nbytes, sandbox, request->path, err));
done:
    if (rc != OK) {
        free(reply->bytes);
        reply->bytes = NULL;
    }
    return rc;
}

enum status sandbox_call_into(void *out, size_t nbytes, struct sandbox *sandbox, const struct sandbox_request *request,
                              struct error *err)
{
    struct reply_head a = {0};
    enum status rc;

    TRY(ask(&a, sandbox, request, err));
    if (a.nbytes != nbytes) {
        reap(sandbox, request->path);
        return error_set(err, FAIL_FORMAT, "%s: is damaged: reading returned %zu bytes; %zu were expected",
                         request->path, a.nbytes, nbytes);
    }
    rc = get_bytes(out, nbytes, sandbox, request->path, err);
done:
    return rc;
}

bool sandbox_has_ended(const struct sandbox *sandbox)
{
    return sandbox->ended.status != OK;
}

void sandbox_end(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    shutdown(sandbox->socket, SHUT_RDWR);
    if (sandbox->ended.status == OK)
        wait_for(sandbox);
    close(sandbox->socket);
    free(sandbox);
}
