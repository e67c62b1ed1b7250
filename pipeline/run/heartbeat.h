/* A lock that any file system can keep: a file, created exclusively, that its owner keeps changing; see lock.h. */
#ifndef NRMFLOW_PIPELINE_RUN_HEARTBEAT_H
#define NRMFLOW_PIPELINE_RUN_HEARTBEAT_H

#include "io/base/error.h"
#include "pipeline/util/log.h"

#define HEARTBEAT_FILE "owner"

struct heartbeat;

/* Create the file in this folder, and start the thread that changes it. The file of a dead owner is taken over: one of
 * this host whose process is gone, or one of another host that does not change for a minute.
 * Errors: FAIL_CONFIG if there is a live owner, FAIL_SYSTEM. */
enum status heartbeat_start(struct heartbeat **out, const char *folder, const char *host, struct log *log,
                            struct error *err);

/* FAIL_CONFIG if there is a file with a live owner; a dead one's is removed. */
enum status heartbeat_refuse(const char *folder, const char *host, struct log *log, struct error *err);

/* FAIL_MISMATCH if the file is no longer ours. */
enum status heartbeat_check(const struct heartbeat *heartbeat, struct error *err);

/* End the thread and remove the file, if it is ours. NULL is fine. */
void heartbeat_stop(struct heartbeat *heartbeat);

#endif
