/* `nrmflow report STORE [-o PAGE]`: a store as one HTML page. */
#ifndef NRMFLOW_COMMAND_REPORT_H
#define NRMFLOW_COMMAND_REPORT_H

/* As command.h says. Needs no MPI. */
int command_report(int argc, char **argv);

#endif
