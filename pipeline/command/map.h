/* `nrmflow map CONFIG EXPRESSION --output FOLDER`: where in the images the walks through sets of neurons go. */
#ifndef NRMFLOW_PIPELINE_COMMAND_MAP_H
#define NRMFLOW_PIPELINE_COMMAND_MAP_H

int command_map(int argc, char **argv);

#endif
