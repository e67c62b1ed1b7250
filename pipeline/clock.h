/* Time that passes. */
#ifndef NRMFLOW_CLOCK_H
#define NRMFLOW_CLOCK_H

/* Seconds on a clock that never goes back. */
double clock_seconds(void);

/* Add the time since *start to *total and start again. */
void clock_lap(double *start, double *total);

#endif
