/* `nrmflow run CONFIG [--output STORE] [--set KEY=VALUE ...]` */
#ifndef NRMFLOW_PIPELINE_COMMAND_RUN_H
#define NRMFLOW_PIPELINE_COMMAND_RUN_H

int command_run(int argc, char **argv);

#endif
