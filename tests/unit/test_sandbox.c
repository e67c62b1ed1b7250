/* A sandboxed process answers, and its end is an error and nothing more. */
#include "io/base/sandbox.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum what { ECHO, COUNT, REFUSE, LARGE, RAISE, LEAVE, SIGNALS };

enum { LARGE_BYTES = 30000000 };

struct state {
    size_t count;
};

static enum status echo(struct sandbox_reply *reply, const struct sandbox_request *r)
{
    size_t first = strlen(r->texts[0]), second = strlen(r->texts[1]);
    char *bytes = malloc(first + second + r->nbytes + 1);

    if (!bytes)
        return FAIL_SYSTEM;
    memcpy(bytes, r->texts[0], first);
    memcpy(bytes + first, r->texts[1], second);
    memcpy(bytes + first + second, r->bytes, r->nbytes);
    reply->bytes = bytes;
    reply->nbytes = first + second + r->nbytes;
    memcpy(reply->numbers, r->numbers, sizeof reply->numbers);
    return OK;
}

static enum status answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *r, struct error *err)
{
    struct state *s = state;

    switch ((enum what)r->op) {
    case ECHO:
        return echo(reply, r);
    case COUNT:
        reply->numbers[0] = ++s->count;
        return OK;
    case REFUSE:
        return error_set(err, FAIL_LIMIT, "%zu is too much", r->numbers[0]);
    case LARGE:
        reply->bytes = calloc(1, LARGE_BYTES);
        reply->nbytes = reply->bytes ? LARGE_BYTES : 0;
        return OK;
    case RAISE:
        raise((int)r->numbers[0]);
        return OK;
    case LEAVE:
        _exit(0);
    case SIGNALS:
        raise(SIGINT);
        raise(SIGTERM);
        raise(SIGUSR1);
        return OK;
    }
    return FAIL_FORMAT;
}

static struct sandbox *start(void)
{
    struct state state = {.count = 40};
    struct sandbox *sandbox;
    struct error err = {0};

    if (sandbox_start(&sandbox, answer, &state, &err) != OK)
        fail_msg("%s", err.message);
    return sandbox;
}

static enum status ask(struct sandbox *sandbox, enum what what, size_t number, struct error *err)
{
    const struct sandbox_request request = {.path = "some.h5", .op = what, .numbers = {number}};
    struct sandbox_reply reply;
    enum status rc = sandbox_call(&reply, sandbox, &request, err);

    free(reply.bytes);
    return rc;
}

static void answers_hold_what_was_asked(void **state)
{
    struct sandbox *sandbox = start();
    const struct sandbox_request request = {.path = "some.h5",
                                            .op = ECHO,
                                            .numbers = {1, 2, 3, SIZE_MAX},
                                            .texts = {"one ", "two "},
                                            .bytes = "bytes\0here",
                                            .nbytes = 10};
    struct sandbox_reply reply;
    struct error err = {0};
    char into[18];

    (void)state;
    assert_int_equal(sandbox_call(&reply, sandbox, &request, &err), OK);
    assert_int_equal(reply.nbytes, 18);
    assert_memory_equal(reply.bytes, "one two bytes\0here", 19);
    assert_memory_equal(reply.numbers, request.numbers, sizeof reply.numbers);
    free(reply.bytes);
    assert_int_equal(sandbox_call_into(into, sizeof into, sandbox, &request, &err), OK);
    assert_memory_equal(into, "one two bytes\0here", 18);
    sandbox_end(sandbox);
}

static void state_is_kept_between_requests(void **state)
{
    struct sandbox *sandbox = start();
    const struct sandbox_request request = {.path = "some.h5", .op = COUNT};
    struct sandbox_reply reply;

    (void)state;
    for (size_t i = 41; i < 44; i++) {
        assert_int_equal(sandbox_call(&reply, sandbox, &request, NULL), OK);
        assert_int_equal(reply.numbers[0], i);
        free(reply.bytes);
    }
    sandbox_end(sandbox);
}

static void large_answers_arrive_whole(void **state)
{
    struct sandbox *sandbox = start();
    const struct sandbox_request request = {.path = "some.h5", .op = LARGE};
    struct sandbox_reply reply;
    size_t sum = 0;

    (void)state;
    assert_int_equal(sandbox_call(&reply, sandbox, &request, NULL), OK);
    assert_int_equal(reply.nbytes, LARGE_BYTES);
    for (size_t i = 0; i < reply.nbytes; i++)
        sum += ((unsigned char *)reply.bytes)[i];
    assert_int_equal(sum, 0);
    free(reply.bytes);
    sandbox_end(sandbox);
}

static void failure_comes_with_its_message(void **state)
{
    struct sandbox *sandbox = start();
    struct error err = {0};

    (void)state;
    assert_int_equal(ask(sandbox, REFUSE, 7, &err), FAIL_LIMIT);
    assert_string_equal(err.message, "7 is too much");
    assert_false(sandbox_has_ended(sandbox));
    assert_int_equal(ask(sandbox, COUNT, 0, NULL), OK);
    sandbox_end(sandbox);
}

/* The child ends by a signal or by itself: this request and all that follow fail, and say so. */
static void expect_end(enum what what, int signal, enum status status, const char *message)
{
    struct sandbox *sandbox = start();

    for (size_t i = 0; i < 2; i++) {
        struct error err = {0};

        assert_int_equal(ask(sandbox, i == 0 ? what : COUNT, (size_t)signal, &err), status);
        if (strncmp(err.message, "some.h5: ", 9) != 0 || !strstr(err.message, message))
            fail_msg("\"%s\" says nothing of \"%s\"", err.message, message);
        assert_true(sandbox_has_ended(sandbox));
    }
    sandbox_end(sandbox);
}

static void crash_is_an_error(void **state)
{
    (void)state;
    expect_end(RAISE, SIGSEGV, FAIL_FORMAT, "crashes on it (signal 11)");
    expect_end(RAISE, SIGABRT, FAIL_FORMAT, "crashes on it");
    expect_end(LEAVE, 0, FAIL_FORMAT, "crashes on it");
}

static void endless_reading_is_an_error(void **state)
{
    (void)state;
    expect_end(RAISE, SIGPROF, FAIL_FORMAT, "did not end within");
}

static void killed_child_is_no_fault_of_the_file(void **state)
{
    (void)state;
    expect_end(RAISE, SIGKILL, FAIL_RESOURCE, "was killed");
}

static void signals_of_a_run_do_not_end_it(void **state)
{
    struct sandbox *sandbox = start();

    (void)state;
    assert_int_equal(ask(sandbox, SIGNALS, 0, NULL), OK);
    sandbox_end(sandbox);
}

static void answer_of_another_size_is_refused(void **state)
{
    struct sandbox *sandbox = start();
    const struct sandbox_request request = {.path = "some.h5", .op = ECHO, .texts = {"four"}};
    struct error err = {0};
    char into[5];

    (void)state;
    assert_int_equal(sandbox_call_into(into, sizeof into, sandbox, &request, &err), FAIL_FORMAT);
    assert_non_null(strstr(err.message, "4 bytes; 5 were expected"));
    assert_int_equal(ask(sandbox, COUNT, 0, NULL), FAIL_FORMAT);
    sandbox_end(sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_hold_what_was_asked),
        cmocka_unit_test(state_is_kept_between_requests),
        cmocka_unit_test(large_answers_arrive_whole),
        cmocka_unit_test(failure_comes_with_its_message),
        cmocka_unit_test(crash_is_an_error),
        cmocka_unit_test(endless_reading_is_an_error),
        cmocka_unit_test(killed_child_is_no_fault_of_the_file),
        cmocka_unit_test(signals_of_a_run_do_not_end_it),
        cmocka_unit_test(answer_of_another_size_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
