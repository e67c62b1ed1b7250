#include "pipeline/util/log.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the calls below write, to be freed. */
static char *written(enum log_level level, int rank)
{
    struct log log;
    FILE *out = tmpfile();
    char *text = calloc(1, 16384);

    log_init(&log, out, level, rank, "host7");
    log_error(&log, "E %d", 1);
    log_warn(&log, "W %d", 2);
    log_info(&log, "I %d", 3);
    log_debug(&log, "D %d", 4);
    rewind(out);
    assert_more(fread(text, 1, 16383, out), 0);
    fclose(out);
    return text;
}

static void levels_hide_what_is_for_other_audiences(void **state)
{
    char *text = written(LOG_WARN, 0);

    (void)state;
    assert_non_null(strstr(text, " error: E 1\n"));
    assert_non_null(strstr(text, " warn: W 2\n"));
    assert_null(strstr(text, "I 3"));
    assert_null(strstr(text, "D 4"));
    free(text);
}

static void other_ranks_write_errors_with_their_place(void **state)
{
    char *text = written(LOG_INFO, 5);

    (void)state;
    assert_non_null(strstr(text, " error: rank 5 on host7: E 1\n"));
    assert_null(strstr(text, "W 2"));
    assert_null(strstr(text, "I 3"));
    free(text);
}

static void all_ranks_write_debug_lines(void **state)
{
    char *text = written(LOG_DEBUG, 5);

    (void)state;
    assert_non_null(strstr(text, " debug: rank 5 on host7: D 4\n"));
    assert_null(strstr(text, "I 3"));
    free(text);
}

static void lines_begin_with_the_clock_and_the_seconds(void **state)
{
    char *text = written(LOG_ERROR, 0);
    int hour, minute, second;
    double since;

    (void)state;
    assert_int_equal(sscanf(text, "%2d:%2d:%2dZ +%lfs error: ", &hour, &minute, &second, &since), 4);
    assert_at_least(since, 0);
    assert_less(since, 10);
    free(text);
}

static void an_event_stays_on_one_line_of_bounded_length(void **state)
{
    struct log log;
    FILE *out = tmpfile();
    char text[8192] = "", message[5000];

    (void)state;
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    message[100] = '\n';
    log_init(&log, out, LOG_INFO, 0, "host");
    log_info(&log, "%s", message);
    rewind(out);
    size_t n = fread(text, 1, sizeof text - 1, out);
    assert_more(n, 1000);
    assert_less(n, 4096);
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
    fclose(out);
}

static void a_status_line_is_for_terminals_only(void **state)
{
    struct log log;
    FILE *out = tmpfile();

    (void)state;
    log_init(&log, out, LOG_INFO, 0, "host");
    log_status(&log, "half way");
    assert_int_equal(ftell(out), 0);
    log.terminal = true;
    log_status(&log, "half way");
    assert_more(ftell(out), 0);
    log_info(&log, "event");
    char text[256] = "";
    rewind(out);
    assert_more(fread(text, 1, sizeof text - 1, out), 0);
    assert_non_null(strstr(text, "half way\r\033[K"));
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_hide_what_is_for_other_audiences),
        cmocka_unit_test(other_ranks_write_errors_with_their_place),
        cmocka_unit_test(all_ranks_write_debug_lines),
        cmocka_unit_test(lines_begin_with_the_clock_and_the_seconds),
        cmocka_unit_test(an_event_stays_on_one_line_of_bounded_length),
        cmocka_unit_test(a_status_line_is_for_terminals_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
