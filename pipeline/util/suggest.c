#include "pipeline/util/suggest.h"

#include "kernels/base/number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH = 63 };

static size_t clipped(const char *word)
{
    size_t n = strlen(word);

    return smaller(n, LENGTH);
}

static int letter(const char *word, size_t i)
{
    return tolower((unsigned char)word[i]);
}

/* d[i][j] is the distance between the first i letters of a and the first j of b. */
size_t suggest_distance(const char *a, const char *b)
{
    size_t d[LENGTH + 1][LENGTH + 1];
    size_t na = clipped(a), nb = clipped(b);

    for (size_t i = 0; i <= na; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= nb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        for (size_t j = 1; j <= nb; j++) {
            size_t replaced = d[i - 1][j - 1] + (letter(a, i - 1) != letter(b, j - 1));
            d[i][j] = smaller(replaced, smaller(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) && letter(a, i - 2) == letter(b, j - 1))
                d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[na][nb];
}

void suggest_init(struct suggest *s, const char *word)
{
    *s = (struct suggest){.word = word};
}

void suggest_offer(struct suggest *s, const char *candidate)
{
    size_t distance = suggest_distance(s->word, candidate);

    if (!s->best || distance < s->distance) {
        s->best = candidate;
        s->distance = distance;
    }
}

const char *suggest_best(const struct suggest *s)
{
    if (!s->best)
        return NULL;
    size_t longer = larger(strlen(s->word), strlen(s->best));
    return 3 * s->distance <= longer ? s->best : NULL;
}

void suggest_hint(char *out, size_t n, const struct suggest *s)
{
    const char *best = suggest_best(s);

    out[0] = '\0';
    if (best)
        snprintf(out, n, "; did you mean \"%s\"?", best);
}
