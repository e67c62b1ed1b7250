#include "pipeline/util/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool paint_wanted(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return !(no && *no) && terminal && strcmp(terminal, "dumb") != 0 && isatty(fileno(out)) == 1;
}

const char *paint_start(bool on, enum paint paint)
{
    static const char *const codes[] = {[PAINT_PLAIN] = "",
                                        [PAINT_BOLD] = "\033[1m",
                                        [PAINT_DIM] = "\033[2m",
                                        [PAINT_YELLOW] = "\033[33m",
                                        [PAINT_RED] = "\033[31m"};

    return on ? codes[paint] : "";
}

const char *paint_end(bool on, enum paint paint)
{
    return on && paint != PAINT_PLAIN ? "\033[0m" : "";
}
