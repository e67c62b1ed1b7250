#include "pipeline/evaluate/answers_table.h"

#include <math.h>
#include <stdio.h>

struct answers_mean answers_right(const struct answers_summary *summary)
{
    return isnan(summary->accuracy.value) ? summary->agreement : summary->accuracy;
}

/* The share where the first order and this one differ most, of those where that is by more than three errors; the
 * number of shares if there is none. */
static size_t most_different(const struct answers_table *table, const struct answers_line *line)
{
    size_t most = table->nshares;
    double largest = 0;

    for (size_t i = 0; i < table->nshares; i++) {
        struct answers_mean mean = answers_right(&line->excess[i]);
        if (fabs(mean.value) > 3 * mean.error && fabs(mean.value) > largest) {
            largest = fabs(mean.value);
            most = i;
        }
    }
    return most;
}

bool answers_verdict(char text[ANSWERS_VERDICT], const struct answers_table *table, size_t i)
{
    const char *what = isnan(table->whole.accuracy.value) ? "agreement" : "accuracy", *first = table->lines[0].name;

    for (size_t l = 1; l < table->nlines; l++) {
        const struct answers_line *line = &table->lines[l];
        size_t share = most_different(table, line);
        if (share == table->nshares || i-- > 0)
            continue;
        struct answers_mean mean = answers_right(&line->excess[share]);
        snprintf(text, ANSWERS_VERDICT, "%s: with %.3g %% of the %s, %s is better than %s, by %.3f +- %.3f (%s)",
                 table->test, 100 * table->shares[share], table->share_title, mean.value > 0 ? first : line->name,
                 mean.value > 0 ? line->name : first, fabs(mean.value), mean.error, what);
        return true;
    }
    return false;
}
