/* `nrmflow classes STORE [A B]`: the classes of a store, and how two of them differ. */
#ifndef NRMFLOW_PIPELINE_COMMAND_CLASSES_H
#define NRMFLOW_PIPELINE_COMMAND_CLASSES_H

/* Not collective: needs no MPI. */
int command_classes(int argc, char **argv);

#endif
