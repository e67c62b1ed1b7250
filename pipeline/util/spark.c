#include "pipeline/util/spark.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const blocks[SPARK_LEVELS] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                                 "\u2585", "\u2586", "\u2587", "\u2588"};
static const char *const letters[SPARK_LEVELS] = {"_", ".", ":", "-", "=", "+", "*", "#"};

bool spark_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = "";

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*locale; i++) {
        const char *value = getenv(names[i]);
        locale = value ? value : "";
    }
    const char *dot = strchr(locale, '.');

    return dot && (strncasecmp(dot + 1, "utf-8", 5) == 0 || strncasecmp(dot + 1, "utf8", 4) == 0);
}

void spark_draw(char *out, const double *values, size_t n, double top, bool unicode)
{
    for (size_t i = 0; i < n; i++) {
        double level = floor(values[i] / top * SPARK_LEVELS);
        const char *bar = " ";

        if (isfinite(values[i])) {
            size_t at = level > 0 ? (size_t)fmin(level, SPARK_LEVELS - 1) : 0;
            bar = unicode ? blocks[at] : letters[at];
        }
        memcpy(out, bar, strlen(bar));
        out += strlen(bar);
    }
    *out = '\0';
}
