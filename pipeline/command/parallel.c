#include "pipeline/command/parallel.h"

#include "pipeline/command/command.h"

int command_parallel(enum status (*work)(const void *arguments, const struct node *node, struct log *log,
                                         struct error *err),
                     const void *arguments)
{
    struct node node;
    struct log log;
    struct error err = {0};
    int status = COMMAND_OK;

    node_begin(&node);
    log_init(&log, stderr, LOG_WARN, node.rank, node.host);
    if (work(arguments, &node, &log, &err) != OK)
        status = node.rank == 0 ? command_fail(&err) : COMMAND_FAILED;
    else
        status = node.rank == 0 ? command_finish(COMMAND_OK) : COMMAND_OK;
    node_end(&node);
    return status;
}
