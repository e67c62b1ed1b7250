/* What keeps two runs off one store: a folder beside it, locked by one process.
 *
 * Where the file system has locks, a lock of fcntl on the file `lock` in the folder, which ends with its process.
 * Elsewhere (NFS without its lock service, Lustre mounted without flock, and the like) a lock of our own: the file
 * `owner`, created exclusively, which names host and process and which a thread changes every few seconds, so that
 * others can tell a running owner from a dead one. On the owner's host they see at once whether it is dead; on others
 * they watch the file, for at most a minute.
 *
 * Not collective: one process of a run holds the lock for all.
 */
#ifndef NRMFLOW_PIPELINE_RUN_LOCK_H
#define NRMFLOW_PIPELINE_RUN_LOCK_H

#include "io/base/error.h"
#include "pipeline/config/config.h"
#include "pipeline/util/log.h"

struct lock;

/* Create the folder, or use an existing one, and lock it.
 *
 *   out   out  caller releases it with lock_release
 *   host  in   this computer's name, for those who find the lock
 *   mode  in   which of the locks; CONFIG_LOCK_AUTO: our own if there is no other
 *   log   in   of warnings and of waiting; NULL: silent
 * Errors: FAIL_CONFIG if another run holds the lock; FAIL_SYSTEM. */
enum status lock_take(struct lock **out, const char *folder, const char *host, enum config_lock mode, struct log *log,
                      struct error *err);

/* FAIL_MISMATCH if somebody has taken our own lock away: a process that was stopped for a minute counts as dead. */
enum status lock_check(const struct lock *lock, struct error *err);

/* Release the lock. `last`: remove its file, because the folder is no longer needed. NULL is fine. */
void lock_release(struct lock *lock, bool last);

#endif
