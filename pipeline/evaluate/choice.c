#include "pipeline/evaluate/choice.h"

#include "pipeline/util/suggest.h"

#include <stdio.h>
#include <string.h>

bool choice_name(char name[CHOICE_NAME], const char *list, size_t i)
{
    for (; i > 0; i--) {
        list = strchr(list, ',');
        if (!list)
            return false;
        list++;
    }
    snprintf(name, CHOICE_NAME, "%.*s", (int)strcspn(list, ","), list);
    return true;
}

enum status choice_unknown(const char *option, const char *name, const char *const *names, size_t n, struct error *err)
{
    struct suggest nearest;
    char hint[SUGGEST_HINT], all[256] = "";

    suggest_init(&nearest, name);
    for (size_t i = 0; i < n; i++) {
        if (!names[i])
            continue;
        size_t used = strlen(all);
        suggest_offer(&nearest, names[i]);
        snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", names[i]);
    }
    suggest_hint(hint, sizeof hint, &nearest);
    if (*hint)
        return error_set(err, FAIL_CONFIG, "--%s: there is no \"%.60s\"%s", option, name, hint);
    return error_set(err, FAIL_CONFIG, "--%s: there is no \"%.60s\"; choose from %s", option, name, all);
}
