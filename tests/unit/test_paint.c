#include "pipeline/util/paint.h"
#include "tests/support/assert.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void text_is_painted_only_if_wanted(void **state)
{
    (void)state;
    assert_string_equal(paint_start(true, PAINT_RED), "\033[31m");
    assert_string_equal(paint_end(true, PAINT_RED), "\033[0m");
    assert_string_equal(paint_start(false, PAINT_RED), "");
    assert_string_equal(paint_end(false, PAINT_RED), "");
    assert_string_equal(paint_start(true, PAINT_PLAIN), "");
    assert_string_equal(paint_end(true, PAINT_PLAIN), "");
}

/* A terminal of this test's own; NULL where the system has none to give. */
static FILE *open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    if (*master < 0 || grantpt(*master) != 0 || unlockpt(*master) != 0)
        return NULL;
    return fopen(ptsname(*master), "r+");
}

static void colours_are_for_terminals_that_have_them(void **state)
{
    static const struct {
        const char *term, *no_color;
        bool wanted;
    } cases[] = {
        {"xterm", NULL, true}, {"xterm", "", true}, {"xterm", "1", false}, {"dumb", NULL, false}, {NULL, NULL, false}};

    int master;
    FILE *terminal = open_terminal(&master), *file = tmpfile();

    (void)state;
    if (!terminal)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsetenv("NO_COLOR");
        unsetenv("TERM");
        if (cases[i].term)
            setenv("TERM", cases[i].term, 1);
        if (cases[i].no_color)
            setenv("NO_COLOR", cases[i].no_color, 1);
        assert_int_equal(paint_wanted(terminal), cases[i].wanted);
        assert_false(paint_wanted(file));
    }
    fclose(file);
    fclose(terminal);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_painted_only_if_wanted),
        cmocka_unit_test(colours_are_for_terminals_that_have_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
