#include "pipeline/run/heartbeat.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* BEAT seconds between two changes of the file; without one for so many beats its owner is dead. */
enum { BEAT = 10, DEAD_BEATS = 6, NOTE = 384, WHO = 256, LOOKS = 10 };

struct heartbeat {
    char *path;
    char who[WHO]; /* first line of our file */
    unsigned long count;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ending;
    bool ended;
};

/* ---- who ------------------------------------------------------------------------------------------------------- */

/* Clock tick of the start of a process, which tells it from a later one of the same number; 0: there is none. */
static unsigned long long started(long process)
{
    char path[64], text[1024];
    unsigned long long ticks = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    const char *at = strrchr(text, ')'); /* ends the name, field 2 */
    for (int field = 3; at && field <= 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        sscanf(at, "%llu", &ticks);
    return ticks;
}

/* Containers share a host's name, but not its numbers of processes. */
static void describe_space(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/ns/pid", out, size - 1);

    if (n <= 0)
        n = snprintf(out, size, "-");
    out[n] = '\0';
}

static void describe_self(char who[WHO], const char *host)
{
    char space[64];

    describe_space(space, sizeof space);
    snprintf(who, WHO, "process %ld on %.*s start %llu of %s", (long)getpid(), LOG_HOST, host, started((long)getpid()),
             space);
}

/* Whether this is the note of a process of this host, and whether it runs. */
static bool is_local(bool *alive, const char *note, const char *host)
{
    char there[LOG_HOST + 1], space[64], here[64];
    unsigned long long ticks;
    long process;

    _Static_assert(LOG_HOST == 64, "the width in the format below");
    describe_space(here, sizeof here);
    if (sscanf(note, "process %ld on %64s start %llu of %63s", &process, there, &ticks, space) != 4 ||
        strncmp(there, host, LOG_HOST) != 0 || strcmp(space, here) != 0)
        return false;
    *alive = ticks ? started(process) == ticks : kill((pid_t)process, 0) == 0 || errno == EPERM;
    return true;
}

/* ---- the file -------------------------------------------------------------------------------------------------- */

static double beat_seconds(void)
{
    const char *text = getenv("NRMFLOW_HEARTBEAT"); /* for tests */
    double seconds = text ? strtod(text, NULL) : 0;

    return seconds > 0 ? seconds : BEAT;
}

/* Read the file anew, past what NFS remembers; false if there is none. */
static bool read_note(char note[NOTE], const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file >= 0 ? pread(file, note, NOTE - 1, 0) : -1;

    if (file >= 0)
        close(file);
    note[n > 0 ? n : 0] = '\0';
    return n >= 0;
}

static bool is_ours(const struct heartbeat *h)
{
    char note[NOTE];

    return read_note(note, h->path) && strncmp(note, h->who, strlen(h->who)) == 0 && note[strlen(h->who)] == '\n';
}

/* A note has one length, so nobody reads half of one. */
static bool write_note(int file, const struct heartbeat *h)
{
    char note[NOTE];
    int n = snprintf(note, sizeof note, "%s\nbeat %012lu\n", h->who, h->count);

    return pwrite(file, note, (size_t)n, 0) == n;
}

static void pause_for(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}

/* Whether the owner of the file shows a sign of life. `note` is what was judged; "": the file is gone. */
static bool is_alive(char note[NOTE], const char *path, const char *host, struct log *log)
{
    char now[NOTE];
    bool alive = true;

    if (!read_note(note, path)) {
        note[0] = '\0';
        return false;
    }
    if (is_local(&alive, note, host))
        return alive;
    if (log)
        log_info(log, "waiting for a sign of life of the store's owner, at most %.0f s owner=\"%.*s\"",
                 beat_seconds() * DEAD_BEATS, (int)strcspn(note, "\n"), note);
    for (int i = 0; i < DEAD_BEATS * LOOKS; i++) {
        pause_for(beat_seconds() / LOOKS);
        if (!read_note(now, path)) {
            note[0] = '\0';
            return false;
        }
        if (strcmp(now, note) != 0) {
            memcpy(note, now, NOTE);
            return true;
        }
    }
    return false;
}

/* Remove the file of a dead owner. Somebody else may be doing the same, and have put their own in its place: what is
 * moved away is looked at, and put back if it is not what was judged. */
static void remove_dead(const char *path, const char *judged)
{
    size_t size = strlen(path) + 32;
    char *aside = malloc(size), note[NOTE];

    if (!aside)
        return;
    snprintf(aside, size, "%s.dead-%ld", path, (long)getpid());
    if (rename(path, aside) == 0) {
        if (read_note(note, aside) && strcmp(note, judged) != 0 && link(aside, path) != 0)
            errno = 0; /* there is a third one by now */
        unlink(aside);
    }
    free(aside);
}

static enum status refuse(const char *folder, const char *note, struct error *err)
{
    return error_set(err, FAIL_CONFIG,
                     "%s: another run is writing this store (%.*s); wait for it, or choose another --output", folder,
                     (int)strcspn(note, "\n"), note);
}

static char *path_in(const char *folder)
{
    size_t size = strlen(folder) + sizeof "/" HEARTBEAT_FILE;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/" HEARTBEAT_FILE, folder);
    return path;
}

/* Refuse a live owner; remove a dead one's file. */
static enum status make_way(const char *path, const char *folder, const char *host, struct log *log, struct error *err)
{
    char note[NOTE];

    if (is_alive(note, path, host, log))
        return refuse(folder, note, err);
    if (note[0])
        remove_dead(path, note);
    return OK;
}

enum status heartbeat_refuse(const char *folder, const char *host, struct log *log, struct error *err)
{
    char *path = path_in(folder);
    enum status rc = OK;

    if (!path)
        return error_set(err, FAIL_SYSTEM, "no memory for a path");
    if (access(path, F_OK) == 0)
        rc = make_way(path, folder, host, log, err);
    free(path);
    return rc;
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static void beat(struct heartbeat *h)
{
    if (!is_ours(h))
        return;
    int file = open(h->path, O_WRONLY | O_CLOEXEC);
    h->count++;
    if (file >= 0) {
        write_note(file, h);
        fsync(file);
        close(file);
    }
}

static void *run(void *argument)
{
    struct heartbeat *h = argument;
    double seconds = beat_seconds();
    struct timespec next;

    pthread_mutex_lock(&h->mutex);
    clock_gettime(CLOCK_REALTIME, &next);
    while (!h->ended) {
        next.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
        next.tv_sec += (time_t)seconds + next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&h->ending, &h->mutex, &next) == ETIMEDOUT)
            beat(h);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

/* The thread blocks all signals; the main thread handles them. */
static bool start_thread(struct heartbeat *h)
{
    sigset_t all, before;

    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->ending, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool running = pthread_create(&h->thread, NULL, run, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return running;
}

/* ---- the lock -------------------------------------------------------------------------------------------------- */

/* Create the file, which nobody else can do at the same time. */
static enum status create(struct heartbeat *h, const char *folder, const char *host, struct log *log, struct error *err)
{
    int file;
    enum status rc = OK;

    while ((file = open(h->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) < 0) {
        if (errno != EEXIST)
            TRY(error_system(err, "%s: cannot create a lock file in this folder", folder));
        TRY(make_way(h->path, folder, host, log, err));
    }
    if (!write_note(file, h))
        rc = error_system(err, "%s: cannot write to the lock file in this folder", folder);
    close(file);
    if (rc != OK)
        unlink(h->path);
done:
    return rc;
}

enum status heartbeat_start(struct heartbeat **out, const char *folder, const char *host, struct log *log,
                            struct error *err)
{
    struct heartbeat *h = calloc(1, sizeof *h);
    enum status rc = OK;

    if (h)
        h->path = path_in(folder);
    if (!h || !h->path)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for a lock"));
    describe_self(h->who, host);
    TRY(create(h, folder, host, log, err));
    if (!start_thread(h)) {
        unlink(h->path);
        TRY(error_set(err, FAIL_SYSTEM, "%s: there is no thread that renews the lock", folder));
    }
    *out = h;
    h = NULL;
done:
    if (h)
        free(h->path);
    free(h);
    return rc;
}

enum status heartbeat_check(const struct heartbeat *heartbeat, struct error *err)
{
    return is_ours(heartbeat)
               ? OK
               : error_set(err, FAIL_MISMATCH,
                           "%s: another process has taken over the store, because this one showed no sign of life; "
                           "nothing more is written here",
                           heartbeat->path);
}

void heartbeat_stop(struct heartbeat *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->mutex);
    h->ended = true;
    pthread_cond_signal(&h->ending);
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
    if (is_ours(h))
        unlink(h->path);
    pthread_cond_destroy(&h->ending);
    pthread_mutex_destroy(&h->mutex);
    free(h->path);
    free(h);
}
