/* The stages of a rank's work on a block of images. The store keeps their time as attributes. */
#ifndef NRMFLOW_PIPELINE_RUN_STAGE_H
#define NRMFLOW_PIPELINE_RUN_STAGE_H

enum block_stage {
    STAGE_DECODE,     /* waiting for images to be read and decoded */
    STAGE_MEASURE,    /* the network and its relevance */
    STAGE_STATISTICS, /* adding the results to the sums */
    BLOCK_STAGES
};

/* Name of the root's attribute that holds a stage's seconds, "seconds_decode". */
const char *stage_attribute(enum block_stage stage);

#endif
