#include "pipeline/run/stage.h"

const char *stage_attribute(enum block_stage stage)
{
    static const char *const names[BLOCK_STAGES] = {[STAGE_DECODE] = "seconds_decode",
                                                    [STAGE_MEASURE] = "seconds_measure",
                                                    [STAGE_STATISTICS] = "seconds_statistics"};

    return names[stage];
}
