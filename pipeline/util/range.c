#include "pipeline/util/range.h"

#include "pipeline/util/token.h"

#include <stdint.h>

enum status range_parse(struct range *out, const char *text, struct error *err)
{
    struct range range = {0, SIZE_MAX};
    const char *at = text;

    if (*text) {
        bool first = token_whole(&at, &range.first);
        bool colon = token_mark(&at, ':');
        bool end = token_whole(&at, &range.end);
        if (!colon || *at || !(first || end))
            return error_set(err, FAIL_CONFIG, "\"%s\" is not a range such as 0:100, 500: or :100", text);
    }
    if (range.first >= range.end)
        return error_set(err, FAIL_CONFIG, "the range %s is empty; its end is exclusive", text);
    *out = range;
    return OK;
}
