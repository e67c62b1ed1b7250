#include "pipeline/run/stop.h"
#include "tests/support/assert.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_refused(const char *limit, const char *reserve, const char *reason)
{
    struct stop_times times;
    struct error err = {0};

    assert_int_equal(stop_read_times(&times, limit, reserve, &err), FAIL_CONFIG);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" is expected in: %s", reason, err.message);
}

static void times_are_read_with_their_units(void **state)
{
    struct stop_times times;
    struct error err = {0};

    (void)state;
    assert_int_equal(stop_read_times(&times, "1.5h", "2m", &err), OK);
    assert_same(times.limit, 5400);
    assert_same(times.reserve, 120);
    assert_int_equal(stop_read_times(&times, NULL, NULL, &err), OK);
    assert_same(times.limit, INFINITY);
    assert_nan(times.reserve);
    assert_int_equal(stop_read_times(&times, NULL, "45", &err), OK);
    assert_same(times.limit, INFINITY);
    assert_same(times.reserve, 45);
    assert_refused("soon", NULL, "--time-limit");
    assert_refused("1h", "-3", "--reserve");
    assert_refused("1m", "60s", "--reserve 60s leaves nothing of --time-limit 1m");
}

/* What stop_start makes for a limit of so many seconds, without a file. */
static struct stop limited(double seconds)
{
    return (struct stop){
        .timed = STOP_LIMIT, .end = log_seconds() + seconds, .reserve = NAN, .least = fmin(60, seconds / 2)};
}

static void the_reserve_grows_with_blocks_and_saving(void **state)
{
    struct stop stop = limited(1000);

    (void)state;
    assert_same(stop_reserve(&stop), 60);
    stop_took_block(&stop, 30);
    stop_took_save(&stop, 10);
    assert_same(stop_reserve(&stop), 60);
    stop_took_save(&stop, 20);
    stop_took_save(&stop, 5);
    stop_took_block(&stop, 25);
    assert_same(stop_reserve(&stop), 30 + 2 * 20);
    stop.reserve = 7;
    assert_same(stop_reserve(&stop), 7);
}

static void no_block_is_begun_when_only_the_reserve_is_left(void **state)
{
    struct stop stop = limited(1000);

    (void)state;
    assert_int_equal(stop_poll(&stop), STOP_NONE);
    stop_took_block(&stop, 1001);
    assert_int_equal(stop_poll(&stop), STOP_LIMIT);
    stop.reserve = 999;
    assert_int_equal(stop_poll(&stop), STOP_NONE);
    stop.reserve = 1000;
    assert_int_equal(stop_poll(&stop), STOP_LIMIT);
    stop.end = INFINITY;
    assert_int_equal(stop_poll(&stop), STOP_NONE);
}

static void the_file_is_looked_for_once_a_second(void **state)
{
    struct stop stop = limited(INFINITY);
    char path[] = "stop_XXXXXX";
    int file = mkstemp(path);

    (void)state;
    assert_at_least(file, 0);
    close(file);
    assert_int_equal(stop_poll(&stop), STOP_NONE); /* no name: not rank 0 */
    snprintf(stop.file, sizeof stop.file, "%s", path);
    assert_int_equal(stop_poll(&stop), STOP_FILE);
    assert_int_equal(stop_poll(&stop), STOP_NONE);
    stop.looked -= 1;
    assert_int_equal(stop_poll(&stop), STOP_FILE);
    stop.looked -= 1;
    remove(path);
    assert_int_equal(stop_poll(&stop), STOP_NONE);
}

static void wait_seconds(double seconds)
{
    struct timespec pause = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};

    nanosleep(&pause, NULL);
}

/* How a process ends that gets signals with a pause between the first two and the third: its exit status is the reason
 * that it sees after the third. */
static int end_of_process(const int numbers[3], double pause)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct stop stop = limited(INFINITY);
        stop_install();
        if (stop_poll(&stop) != STOP_NONE)
            _exit(100);
        raise(numbers[0]);
        raise(numbers[1]);
        wait_seconds(pause);
        raise(numbers[2]);
        _exit((int)stop_poll(&stop));
    }
    assert_more(child, 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_signal_is_a_wish(void **state)
{
    static const struct {
        int number;
        enum stop_reason reason;
    } rows[] = {{SIGUSR1, STOP_USR1}, {SIGINT, STOP_INT}, {SIGTERM, STOP_TERM}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = end_of_process((const int[]){rows[i].number, rows[i].number, SIGCONT}, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i].reason);
    }
}

static void a_second_one_of_the_same_kind_ends_the_process(void **state)
{
    int status = end_of_process((const int[]){SIGTERM, SIGTERM, SIGTERM}, 2);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    status = end_of_process((const int[]){SIGUSR1, SIGUSR1, SIGTERM}, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STOP_USR1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_with_their_units),
        cmocka_unit_test(the_reserve_grows_with_blocks_and_saving),
        cmocka_unit_test(no_block_is_begun_when_only_the_reserve_is_left),
        cmocka_unit_test(the_file_is_looked_for_once_a_second),
        cmocka_unit_test(a_signal_is_a_wish),
        cmocka_unit_test(a_second_one_of_the_same_kind_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
