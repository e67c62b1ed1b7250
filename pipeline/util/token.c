#include "pipeline/util/token.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool token_whole(const char **at, size_t *value)
{
    const char *p = *at;
    size_t n = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        size_t digit = (size_t)(*p - '0');
        if (n > (SIZE_MAX - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    *value = n;
    *at = p;
    return true;
}

/* strtod alone would also take hexadecimal numbers, infinities and NaN. */
bool token_real(const char **at, double *value)
{
    char number[TOKEN], *end;
    size_t n = strspn(*at, "0123456789+-.eE");

    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, *at, n);
    number[n] = '\0';
    *value = strtod(number, &end);
    if (end != number + n || !isfinite(*value))
        return false;
    *at += n;
    return true;
}

bool token_mark(const char **at, char mark)
{
    if (**at != mark)
        return false;
    ++*at;
    return true;
}

enum token token_item(char item[TOKEN], const char **at, const char *start)
{
    const char *p = *at + strspn(*at, " \t");
    bool separated = false;

    if (p > start && *p == ',') {
        separated = true;
        p++;
        p += strspn(p, " \t");
    }
    size_t n = strcspn(p, ", \t");
    if (n == 0 && *p == '\0' && !separated)
        return TOKEN_END;
    if (n == 0 || n >= TOKEN)
        return TOKEN_BAD;
    memcpy(item, p, n);
    item[n] = '\0';
    *at = p + n;
    return TOKEN_WORD;
}

void token_print_real(FILE *out, double value)
{
    char number[TOKEN];
    bool plain = fabs(value) < 1e15; /* 600 rather than 6e+02 */

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value && !(plain && strstr(number, "e+")))
            break;
    }
    fputs(number, out);
}
