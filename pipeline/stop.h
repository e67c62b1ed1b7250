/* The wish to stop a run before its end.
 *
 * SIGUSR1, SIGINT and SIGTERM ask for a stop at the next clean point; a second one ends the process at once. The wish is
 * process-wide, as signals are. mpirun hands USR1 on to all ranks, and kills them a second after TERM.
 */
#ifndef NRMFLOW_STOP_H
#define NRMFLOW_STOP_H

#include <stdbool.h>

/* Install the handlers; before MPI_Init, as USR1 kills a process that has none. */
void stop_install(void);

/* Has a signal come? */
bool stop_requested(void);

#endif
