/* `nrmflow weights FILE`: what is in a weights file. */
#ifndef NRMFLOW_PIPELINE_COMMAND_WEIGHTS_H
#define NRMFLOW_PIPELINE_COMMAND_WEIGHTS_H

/* List tensors, format, checksum and the network that they make. Returns the exit status: COMMAND_FAILED if the file
 * cannot be read, or, after listing it, if it holds no network that `nrmflow run` takes. */
int command_weights(int argc, char **argv);

#endif
