/* What `nrmflow weights` prints about an ONNX file. */
#ifndef NRMFLOW_PIPELINE_COMMAND_WEIGHTS_GRAPH_H
#define NRMFLOW_PIPELINE_COMMAND_WEIGHTS_GRAPH_H

#include <stdbool.h>

/* Print the graph of a file as text or as one JSON object. Returns the exit status; reports errors. */
int weights_graph_print(const char *path, bool json);

#endif
