/* `nrmflow report STORE [-o PAGE] [--images CONFIG]`: a store as one HTML page. */
#ifndef NRMFLOW_PIPELINE_COMMAND_REPORT_H
#define NRMFLOW_PIPELINE_COMMAND_REPORT_H

/* As command.h says. One rank; needs MPI only for images. */
int command_report(int argc, char **argv);

#endif
