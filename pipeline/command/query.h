/* `nrmflow query CONFIG EXPRESSION`: the relevance of sets of neurons, for some images. */
#ifndef NRMFLOW_PIPELINE_COMMAND_QUERY_H
#define NRMFLOW_PIPELINE_COMMAND_QUERY_H

int command_query(int argc, char **argv);

#endif
