#include "pipeline/mpi/progress.h"
#include "tests/mpi/check.h"

#include <string.h>
#include <time.h>

static int rank, nranks;
static const struct progress_limits calm = {1, false};

/* Everything the log of a rank holds so far. */
static void read_back(char *text, size_t n, FILE *out)
{
    rewind(out);
    text[fread(text, 1, n - 1, out)] = '\0';
}

static size_t occurrences(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static void counts_of_all_ranks_come_together(void)
{
    struct log log;
    struct progress progress;
    FILE *out = tmpfile();
    char text[8192], expected[64];
    const int rounds = 50;

    log_init(&log, out, LOG_INFO, rank, "host");
    progress_init(&progress, &log, 0, (size_t)(16 * rounds * nranks), calm, MPI_COMM_WORLD);
    for (int i = 0; i < rounds; i++) {
        progress_add(&progress, (struct progress_counts){16, i == 0 ? 1 : 0, 0});
        progress_poll(&progress);
    }
    progress_finish(&progress);
    struct progress_counts counts = progress_read(&progress);
    assert_true(counts.done == 16 * rounds * nranks && counts.failed == nranks);
    progress_free(&progress);
    read_back(text, sizeof text, out);
    snprintf(expected, sizeof expected, "done=%d failed=%d ", 16 * rounds * nranks, nranks);
    assert_int_equal(rank == 0, strstr(text, expected) != NULL);
    assert_true(rank == 0 || text[0] == '\0');
    fclose(out);
}

static void the_line_is_shown_when_it_is_time(void)
{
    struct log log;
    struct progress progress;
    FILE *out = tmpfile();
    char text[8192];

    log_init(&log, out, LOG_INFO, rank, "host");
    progress_init(&progress, &log, 100, 200, calm, MPI_COMM_WORLD);
    assert_true(progress.interval == 60);
    progress_poll(&progress);
    progress.interval = 0;
    progress_poll(&progress);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == nranks - 1)
        progress_add(&progress, (struct progress_counts){20, 0, 0});
    MPI_Barrier(MPI_COMM_WORLD);
    progress_poll(&progress);
    progress.interval = 60;
    progress_finish(&progress);
    progress_free(&progress);
    read_back(text, sizeof text, out);
    assert_int_equal(occurrences(text, "images 100/200 (50.0 %)"), rank == 0);
    assert_int_equal(occurrences(text, "images 120/200 (60.0 %)"), rank == 0);
    fclose(out);
}

/* The last rank comes late; the others wait for it, and rank 0 shows lines meanwhile. */
static void finishing_waits_for_all(void)
{
    const struct timespec late = {.tv_nsec = 200000000};
    struct log log;
    struct progress progress;
    FILE *out = tmpfile();
    char text[65536];

    log_init(&log, out, LOG_INFO, rank, "host");
    progress_init(&progress, &log, 0, 7, calm, MPI_COMM_WORLD);
    progress.interval = 0.02;
    if (rank == nranks - 1) {
        nanosleep(&late, NULL);
        progress_add(&progress, (struct progress_counts){7, 0, 0});
    }
    progress_finish(&progress);
    assert_int_equal(progress_read(&progress).done, 7);
    progress_free(&progress);
    read_back(text, sizeof text, out);
    assert_true(rank != 0 || nranks == 1 || occurrences(text, "images 0/7") >= 2);
    assert_true(rank != 0 || occurrences(text, "done=7 failed=0") == 1);
    fclose(out);
}

static void many_failures_are_warned_about_once(void)
{
    struct log log;
    struct progress progress;
    FILE *out = tmpfile();
    char text[8192];

    log_init(&log, out, LOG_WARN, rank, "host");
    progress_init(&progress, &log, 0, 5000, calm, MPI_COMM_WORLD);
    for (int i = 0; rank == nranks - 1 && i < 20; i++)
        progress_add(&progress, (struct progress_counts){10, 5, 0});
    MPI_Barrier(MPI_COMM_WORLD);
    progress_poll(&progress);
    progress_poll(&progress);
    read_back(text, sizeof text, out);
    assert_int_equal(occurrences(text, "many images fail"), rank == 0);
    fseek(out, 0, SEEK_END);
    progress_finish(&progress);
    progress_free(&progress);
    read_back(text, sizeof text, out);
    assert_int_equal(occurrences(text, "many images fail"), rank == 0);
    fclose(out);
}

static void a_long_run_is_hopeless_once_more_of_its_first_thousand_failed_than_may(void)
{
    assert_true(progress_hopeless((struct progress_counts){16, 16, 0}, 0.01, 5000));
    assert_false(progress_hopeless((struct progress_counts){10, 10, 0}, 0.01, 5000));
    assert_false(progress_hopeless((struct progress_counts){2000, 20, 0}, 0.01, 5000));
    assert_true(progress_hopeless((struct progress_counts){2000, 21, 0}, 0.01, 5000));
    assert_false(progress_hopeless((struct progress_counts){900, 900, 0}, 0.01, 1000));
    assert_false(progress_hopeless((struct progress_counts){1000, 1000, 0}, 1, 5000));
}

static void a_condition_that_no_image_meets_is_warned_about_early_and_once(void)
{
    struct log log;
    struct progress progress;
    FILE *out = tmpfile();
    char text[8192];

    log_init(&log, out, LOG_WARN, rank, "host");
    progress_init(&progress, &log, 0, 5000, (struct progress_limits){1, true}, MPI_COMM_WORLD);
    for (int i = 0; rank == nranks - 1 && i < 11; i++)
        progress_add(&progress, (struct progress_counts){100, 0, 0});
    MPI_Barrier(MPI_COMM_WORLD);
    progress_poll(&progress);
    progress_poll(&progress);
    read_back(text, sizeof text, out);
    assert_int_equal(occurrences(text, "none of the first 1100 images meets measure.given"), rank == 0);
    progress_finish(&progress);
    progress_free(&progress);
    fclose(out);
}

static void the_alarm_is_about_one_percent_of_the_first_thousand(void)
{
    assert_false(progress_alarming((struct progress_counts){0, 0, 0}, false));
    assert_false(progress_alarming((struct progress_counts){10, 10, 0}, false));
    assert_true(progress_alarming((struct progress_counts){11, 11, 0}, false));
    assert_false(progress_alarming((struct progress_counts){1000, 10, 0}, false));
    assert_true(progress_alarming((struct progress_counts){1000, 11, 0}, false));
    assert_false(progress_alarming((struct progress_counts){1200, 12, 0}, false));
    assert_true(progress_alarming((struct progress_counts){1200, 13, 0}, false));
    assert_true(progress_alarming((struct progress_counts){10, 1, 0}, true));
    assert_false(progress_alarming((struct progress_counts){100, 1, 0}, true));
    assert_false(progress_alarming((struct progress_counts){0, 0, 0}, true));
}

static void the_line_says_rate_and_time_left(void)
{
    char line[PROGRESS_LINE];

    progress_line(line, (struct progress_counts){1000, 3, 0}, 500, 2500, 50, 4);
    assert_string_equal(line, "images 1500/2500 (60.0 %)  20 images/s (5 a rank)  time left 50 s  failed 3");
    progress_line(line, (struct progress_counts){0, 0, 0}, 0, 2500, 1, 1);
    assert_non_null(strstr(line, "time left unknown"));
    progress_line(line, (struct progress_counts){100, 0, 0}, 0, 1300000, 100, 1);
    assert_non_null(strstr(line, "time left 15.0 days"));
    progress_line(line, (struct progress_counts){100, 0, 0}, 0, 1300, 100, 1);
    assert_non_null(strstr(line, "time left 20 min"));
    progress_line(line, (struct progress_counts){0, 0, 0}, 0, 0, 0, 1);
    assert_non_null(strstr(line, "(100.0 %)"));
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    counts_of_all_ranks_come_together();
    the_line_is_shown_when_it_is_time();
    finishing_waits_for_all();
    many_failures_are_warned_about_once();
    a_condition_that_no_image_meets_is_warned_about_early_and_once();
    a_long_run_is_hopeless_once_more_of_its_first_thousand_failed_than_may();
    the_alarm_is_about_one_percent_of_the_first_thousand();
    the_line_says_rate_and_time_left();
    MPI_Finalize();
    return 0;
}
