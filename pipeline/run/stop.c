#include "pipeline/run/stop.h"

#include "pipeline/config/number.h"
#include "pipeline/mpi/agree.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- signals --------------------------------------------------------------------------------------------------- */

static const struct {
    int number;
    enum stop_reason reason;
} signals[] = {{SIGUSR1, STOP_USR1}, {SIGINT, STOP_INT}, {SIGTERM, STOP_TERM}};

enum { NSIGNALS = sizeof signals / sizeof signals[0] };

static volatile sig_atomic_t
    came[NSIGNALS]; /* second of the monotonic clock, plus 1, at which each first came; 0: not yet */

static void request(int number)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    for (size_t i = 0; i < NSIGNALS; i++) {
        if (signals[i].number != number)
            continue;
        if (came[i] == 0)
            came[i] = (sig_atomic_t)(now.tv_sec + 1);
        else if (now.tv_sec + 1 - came[i] > 1) {
            signal(number, SIG_DFL);
            raise(number); /* blocked until the handler returns */
        }
    }
}

void stop_install(void)
{
    struct sigaction action = {.sa_handler = request, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < NSIGNALS; i++)
        sigaction(signals[i].number, &action, NULL);
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static enum status read_time(double *out, const char *option, const char *text, struct error *err)
{
    static const struct config_key bounds = {.high = 1e9};
    struct error why = {0};

    if (!text || config_number_parse_seconds(out, &bounds, text, &why) == OK)
        return OK;
    return error_set(err, FAIL_CONFIG, "--%s: %s", option, why.message);
}

enum status stop_read_times(struct stop_times *out, const char *limit, const char *reserve, struct error *err)
{
    enum status rc = OK;

    *out = (struct stop_times){log_seconds(), INFINITY, NAN};
    TRY(read_time(&out->limit, "time-limit", limit, err));
    TRY(read_time(&out->reserve, "reserve", reserve, err));
    if (out->reserve >= out->limit)
        rc = error_set(err, FAIL_CONFIG, "--reserve %s leaves nothing of --time-limit %s", reserve, limit);
done:
    return rc;
}

/* Seconds that Slurm leaves this job; INFINITY outside of one. */
static double slurm_seconds_left(struct log *log)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    char *end;

    if (!text || !*text)
        return INFINITY;
    double left = strtod(text, &end) - (double)time(NULL);
    if (*end == '\0' && left > 0)
        return left;
    log_warn(log, "Slurm's end time is in the past or no number, ignored SLURM_JOB_END_TIME=%s", text);
    return INFINITY;
}

/* Rank 0's part of stop_start. */
static enum status find_limits(struct stop *stop, double *left, const struct stop_times *times, const char *output,
                               struct log *log, struct error *err)
{
    double slurm = slurm_seconds_left(log), limit = times->began + times->limit - log_seconds();

    *left = slurm < limit ? slurm : limit;
    stop->timed = slurm < limit ? STOP_SLURM : STOP_LIMIT;
    if ((size_t)snprintf(stop->file, sizeof stop->file, "%s.stop", output) >= sizeof stop->file)
        return error_set(err, FAIL_CONFIG, "the path of the output is too long: %s", output);
    if (access(stop->file, F_OK) == 0)
        return error_set(err, FAIL_CONFIG, "%s: this stop file prevents the run from starting; remove it first",
                         stop->file);
    return OK;
}

enum status stop_start(struct stop *stop, const struct stop_times *times, const char *output, const struct node *node,
                       struct log *log, struct error *err)
{
    const double least = 60;
    double left = 0;
    int timed = 0;
    enum status rc = OK;

    *stop = (struct stop){.reserve = times->reserve};
    if (node->rank == 0)
        rc = find_limits(stop, &left, times, output, log, err);
    timed = stop->timed;
    TRY(agree(node->world, rc, err));
    MPI_Bcast(&left, 1, MPI_DOUBLE, 0, node->world);
    MPI_Bcast(&timed, 1, MPI_INT, 0, node->world);
    stop->timed = (enum stop_reason)timed;
    stop->end = log_seconds() + left;
    stop->least = fmin(least, left / 2);
    if (isfinite(left))
        log_info(log, "time is limited seconds=%.4g reserve=%.4g by=\"%s\"", left, stop_reserve(stop),
                 stop_reason_name(stop->timed));
done:
    return rc;
}

void stop_took_block(struct stop *stop, double seconds)
{
    stop->block = fmax(stop->block, seconds);
}

void stop_took_save(struct stop *stop, double seconds)
{
    stop->save = fmax(stop->save, seconds);
}

double stop_reserve(const struct stop *stop)
{
    return isnan(stop->reserve) ? fmax(stop->least, stop->block + 2 * stop->save) : stop->reserve;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

/* Whether the stop file exists; checked once a second, since the file system may be slow. */
static bool file_is_there(struct stop *stop, double now)
{
    if (!stop->file[0] || now < stop->looked + 1)
        return false;
    stop->looked = now;
    return access(stop->file, F_OK) == 0;
}

enum stop_reason stop_poll(struct stop *stop)
{
    double now = log_seconds();

    for (size_t i = 0; i < NSIGNALS; i++)
        if (came[i])
            return signals[i].reason;
    if (now >= stop->end - stop_reserve(stop))
        return stop->timed;
    return file_is_there(stop, now) ? STOP_FILE : STOP_NONE;
}

const char *stop_reason_name(enum stop_reason reason)
{
    static const char *const names[] = {[STOP_NONE] = "nothing",         [STOP_FILE] = "the stop file",
                                        [STOP_LIMIT] = "the time limit", [STOP_SLURM] = "Slurm's end time",
                                        [STOP_USR1] = "SIGUSR1",         [STOP_INT] = "SIGINT",
                                        [STOP_TERM] = "SIGTERM",         [STOP_FAILED] = "too many failed images"};

    return names[reason];
}
