#include "io/base/fault.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_NONE, MODE_COUNT, MODE_FAIL, MODE_KILL };

static struct {
    enum mode mode;
    size_t point, number; /* the occurrence that fails, counted from one */
    atomic_size_t met[FAULT_NPOINTS];
} state;

static const struct {
    const char *name;
    int code; /* errno of the failure */
} points[FAULT_NPOINTS] = {
    [FAULT_ALLOCATE] = {"allocate", ENOMEM},
    [FAULT_OPEN] = {"open", EMFILE},
    [FAULT_READ] = {"read", EIO},
    [FAULT_DECODE] = {"decode", EILSEQ},
    [FAULT_FOLDER] = {"folder", ENOSPC},
    [FAULT_LOCK] = {"lock", EIO},
    [FAULT_CREATE] = {"create", ENOSPC},
    [FAULT_WRITE] = {"write", ENOSPC},
    [FAULT_TRUNCATE] = {"truncate", ENOSPC},
    [FAULT_SYNC] = {"sync", EIO},
    [FAULT_RENAME] = {"rename", EIO},
    [FAULT_SYNC_FOLDER] = {"sync_folder", EIO},
    [FAULT_REMOVE] = {"remove", EIO},
    [FAULT_SHARE] = {"share", ENOSPC},
    [FAULT_REDUCE] = {"reduce", EIO},
};

static enum status refuse(const char *text, struct error *err)
{
    char names[256] = "";

    for (size_t i = 0, n = 0; i < FAULT_NPOINTS && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", points[i].name);
    return error_set(err, FAIL_CONFIG,
                     "NRMFLOW_FAULT: \"%.100s\" is not \"count\", POINT:N or POINT:N:kill; the points are %s", text,
                     names);
}

enum status fault_start(const char *text, struct error *err)
{
    size_t point = 0, length = text ? strcspn(text, ":") : 0;
    char *end = NULL;

    if (!text || !*text)
        return OK;
    if (strcmp(text, "count") == 0) {
        state.mode = MODE_COUNT;
        return OK;
    }
    while (point < FAULT_NPOINTS &&
           (strlen(points[point].name) != length || strncmp(text, points[point].name, length) != 0))
        point++;
    if (point == FAULT_NPOINTS || text[length] != ':' || text[length + 1] < '1' || text[length + 1] > '9')
        return refuse(text, err);
    unsigned long long number = strtoull(text + length + 1, &end, 10);
    bool kill = strcmp(end, ":kill") == 0;
    if (*end && !kill)
        return refuse(text, err);
    state.point = point;
    state.number = (size_t)number;
    state.mode = kill ? MODE_KILL : MODE_FAIL;
    return OK;
}

bool fault_hit(enum fault_point point)
{
    if (state.mode == MODE_NONE)
        return false;
    size_t number = atomic_fetch_add(&state.met[point], 1) + 1;
    if (state.mode == MODE_COUNT || point != state.point || number != state.number)
        return false;
    if (state.mode == MODE_KILL)
        raise(SIGKILL);
    errno = points[point].code;
    return true;
}

bool fault_counting(void)
{
    return state.mode == MODE_COUNT;
}

const char *fault_name(enum fault_point point)
{
    return points[point].name;
}

size_t fault_met(enum fault_point point)
{
    return atomic_load(&state.met[point]);
}
