/* `nrmflow merge --output STORE SHARD ...` */
#ifndef NRMFLOW_PIPELINE_COMMAND_MERGE_H
#define NRMFLOW_PIPELINE_COMMAND_MERGE_H

int command_merge(int argc, char **argv);

#endif
