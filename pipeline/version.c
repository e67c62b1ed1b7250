#include "version.h"

const char *version_string(void)
{
    return NRMFLOW_VERSION;
}
