#include "stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t requested;

static void request(int signal)
{
    (void)signal;
    requested = 1;
}

void stop_install(void)
{
    static const int signals[] = {SIGUSR1, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = request};

    sigemptyset(&action.sa_mask);
    action.sa_flags = (int)((unsigned)SA_RESETHAND | SA_RESTART); /* the second signal has its usual effect */
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

bool stop_requested(void)
{
    return requested != 0;
}
