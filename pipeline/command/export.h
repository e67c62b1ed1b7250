/* `nrmflow export virelay STORE`: a store as files that other programs open. */
#ifndef NRMFLOW_PIPELINE_COMMAND_EXPORT_H
#define NRMFLOW_PIPELINE_COMMAND_EXPORT_H

int command_export(int argc, char **argv);

#endif
