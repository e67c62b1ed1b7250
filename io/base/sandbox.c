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
#define CHILD_BYTES ((rlim_t)3 << 31) /* an answer, what it is converted from, and what HDF5 keeps */

enum { CHILD_SECONDS = 60 };

/* Sanitizers reserve terabytes of addresses. */
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

struct apart {
    pid_t pid;
    int socket;
    struct error ended; /* why there is no child any more */
};

/* What goes over the socket, followed by the texts and bytes. */
struct question {
    size_t what, numbers[APART_NUMBERS], lengths[APART_TEXTS], nbytes;
};

struct answer {
    struct error err;
    size_t numbers[APART_NUMBERS], nbytes;
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

/* Signals that end a run in order are the parent's affair; those of a crash have their usual effect, whatever the
 * parent does with them. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    static const int usual[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF};
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        signal(usual[i], SIG_DFL);
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

/* No core file, and a limit on memory above what the parent has, where that can be known. */
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

/* The texts and bytes of a question, each with a NUL behind it; NULL without memory. */
static char *get_rest(struct apart_request *request, const struct question *q, int socket)
{
    size_t total = q->nbytes + 1;

    for (size_t i = 0; i < APART_TEXTS; i++)
        total += q->lengths[i] + 1;
    char *rest = malloc(total), *at = rest;

    if (!rest || !get(rest, socket, total)) {
        free(rest);
        return NULL;
    }
    for (size_t i = 0; i < APART_TEXTS; i++) {
        request->texts[i] = at;
        at += q->lengths[i] + 1;
    }
    request->bytes = at;
    request->nbytes = q->nbytes;
    return rest;
}

static bool answer_one(int socket, apart_answer *answer, void *state)
{
    struct apart_request request = {0};
    struct apart_reply reply = {0};
    struct question q;
    struct answer a = {0};

    if (!get(&q, socket, sizeof q))
        return false;
    request.what = q.what;
    memcpy(request.numbers, q.numbers, sizeof q.numbers);
    char *rest = get_rest(&request, &q, socket);
    if (!rest)
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
    free(rest);
    return sent;
}

/* ---- the parent ------------------------------------------------------------------------------------------------ */

enum status apart_start(struct apart **out, apart_answer *answer, void *state, struct error *err)
{
    struct apart *apart = calloc(1, sizeof *apart);
    int sockets[2] = {-1, -1};

    *out = NULL;
    if (!apart || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        goto failed;
    apart->socket = sockets[0];
    apart->pid = fork();
    if (apart->pid == 0) {
        close(sockets[0]);
        set_signals();
        set_limits();
        while (answer_one(sockets[1], answer, state))
            continue;
        _exit(0);
    }
    if (apart->pid < 0)
        goto failed;
    close(sockets[1]);
    *out = apart;
    return OK;
failed:
    error_set(err, FAIL_RESOURCE, "no process can be started to read an HDF5 file: %s", strerror(errno));
    for (size_t i = 0; i < 2; i++)
        if (sockets[i] >= 0)
            close(sockets[i]);
    free(apart);
    return FAIL_RESOURCE;
}

/* Wait for the child's end; its status, or -1. */
static int wait_for(const struct apart *apart)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(apart->pid, &status, 0)) < 0 && errno == EINTR)
        continue;
    return pid < 0 ? -1 : status;
}

/* The child does not answer any more, or not in order: record why. */
static enum status bury(struct apart *apart, const char *path)
{
    shutdown(apart->socket, SHUT_RDWR);
    int status = wait_for(apart), killer = status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (killer == SIGPROF)
        return error_set(&apart->ended, FAIL_FORMAT,
                         "%s: is damaged, or made to do harm: reading it did not end within %d s", path, CHILD_SECONDS);
    if (killer == SIGKILL)
        return error_set(&apart->ended, FAIL_RESOURCE,
                         "%s: the process that reads it was killed, perhaps for want of memory", path);
    return error_set(&apart->ended, FAIL_FORMAT,
                     "%s: is damaged, or made to do harm: the HDF5 library crashes on it (signal %d)", path, killer);
}

static bool put_question(const struct apart *apart, const struct apart_request *request)
{
    struct question q = {.what = request->what, .nbytes = request->nbytes};

    memcpy(q.numbers, request->numbers, sizeof q.numbers);
    for (size_t i = 0; i < APART_TEXTS; i++)
        q.lengths[i] = request->texts[i] ? strlen(request->texts[i]) : 0;
    bool sent = put(apart->socket, &q, sizeof q);

    for (size_t i = 0; sent && i < APART_TEXTS; i++)
        sent = put(apart->socket, request->texts[i] ? request->texts[i] : "", q.lengths[i] + 1);
    return sent && put(apart->socket, request->bytes, request->nbytes) && put(apart->socket, "", 1);
}

/* Send a question and get the answer's head, whose sizes are credible then. */
static bool exchange(struct answer *a, const struct apart *apart, const struct apart_request *request)
{
    if (!put_question(apart, request) || !get(a, apart->socket, sizeof *a))
        return false;
    a->err.message[sizeof a->err.message - 1] = '\0';
    return a->err.status <= FAIL_RESOURCE && a->nbytes <= MAX_BYTES && (a->err.status == OK || a->nbytes == 0);
}

static enum status ask(struct answer *a, struct apart *apart, const struct apart_request *request, struct error *err)
{
    if (apart->ended.status == OK && !exchange(a, apart, request))
        bury(apart, request->path);
    if (apart->ended.status != OK)
        return error_set(err, apart->ended.status, "%s", apart->ended.message);
    return a->err.status == OK ? OK : error_set(err, a->err.status, "%s", a->err.message);
}

static enum status get_bytes(void *out, size_t nbytes, struct apart *apart, const char *path, struct error *err)
{
    if (get(out, apart->socket, nbytes))
        return OK;
    bury(apart, path);
    return error_set(err, apart->ended.status, "%s", apart->ended.message);
}

enum status apart_ask(struct apart_reply *reply, struct apart *apart, const struct apart_request *request,
                      struct error *err)
{
    struct answer a = {0};
    enum status rc;

    *reply = (struct apart_reply){0};
    TRY(ask(&a, apart, request, err));
    memcpy(reply->numbers, a.numbers, sizeof reply->numbers);
    reply->bytes = malloc(a.nbytes + 1);
    if (!reply->bytes) {
        bury(apart, request->path); /* what comes next is this answer's bytes */
        return error_set(err, FAIL_RESOURCE, "%s: no memory for %zu bytes of it", request->path, a.nbytes);
    }
    ((char *)reply->bytes)[a.nbytes] = '\0';
    reply->nbytes = a.nbytes;
    TRY(get_bytes(reply->bytes, reply->nbytes, apart, request->path, err));
done:
    if (rc != OK) {
        free(reply->bytes);
        reply->bytes = NULL;
    }
    return rc;
}

enum status apart_ask_into(void *out, size_t nbytes, struct apart *apart, const struct apart_request *request,
                           struct error *err)
{
    struct answer a = {0};
    enum status rc;

    TRY(ask(&a, apart, request, err));
    if (a.nbytes != nbytes) {
        bury(apart, request->path);
        return error_set(err, FAIL_FORMAT, "%s: is damaged: it gave %zu bytes where %zu were expected", request->path,
                         a.nbytes, nbytes);
    }
    rc = get_bytes(out, nbytes, apart, request->path, err);
done:
    return rc;
}

bool apart_has_ended(const struct apart *apart)
{
    return apart->ended.status != OK;
}

void apart_end(struct apart *apart)
{
    if (!apart)
        return;
    shutdown(apart->socket, SHUT_RDWR);
    if (apart->ended.status == OK)
        wait_for(apart);
    close(apart->socket);
    free(apart);
}
