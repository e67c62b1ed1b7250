#include "pipeline/config/token.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool config_token_whole(const char **at, size_t *value)
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
bool config_token_real(const char **at, double *value)
{
    char number[CONFIG_TOKEN], *end;
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

bool config_token_mark(const char **at, char mark)
{
    if (**at != mark)
        return false;
    ++*at;
    return true;
}

enum config_token config_token_item(char item[CONFIG_TOKEN], const char **at, const char *start)
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
        return CONFIG_TOKEN_END;
    if (n == 0 || n >= CONFIG_TOKEN)
        return CONFIG_TOKEN_BAD;
    memcpy(item, p, n);
    item[n] = '\0';
    *at = p + n;
    return CONFIG_TOKEN_WORD;
}

void config_token_print_real(FILE *out, double value)
{
    char number[CONFIG_TOKEN];
    bool plain = fabs(value) < 1e15; /* 600 rather than 6e+02 */

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value && !(plain && strstr(number, "e+")))
            break;
    }
    fputs(number, out);
}
