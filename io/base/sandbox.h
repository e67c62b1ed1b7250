/* A sandboxed process, in which a library reads a file that may be hostile.
 *
 * HDF5 trusts a file's metadata: a hostile file can make it read outside of its buffers, divide by zero or never
 * return. So it runs in a child process, which answers one request after the other over a socket. If the child dies, or
 * computes for longer than a minute on one request, the caller gets an error that names the file, and the program
 * continues. The child's memory is limited, and it leaves no core file.
 *
 * The child is forked without exec, touches nothing except the file, and exits without any clean-up when its parent
 * ends. Replies are not trusted: sandbox_call checks their sizes, and the caller must check their contents. A handle is
 * used by one thread at a time; not collective.
 */
#ifndef NRMFLOW_IO_BASE_SANDBOX_H
#define NRMFLOW_IO_BASE_SANDBOX_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { SANDBOX_NUMBERS = 8, SANDBOX_TEXTS = 2 };

struct sandbox_request {
    const char *path; /* of the file, for messages */
    size_t op;        /* the caller's own code of the operation */
    size_t numbers[SANDBOX_NUMBERS];
    const char *texts[SANDBOX_TEXTS]; /* NULL means "" */
    const void *bytes;                /* [nbytes] */
    size_t nbytes;
};

struct sandbox_reply {
    size_t numbers[SANDBOX_NUMBERS];
    void *bytes;   /* [nbytes] from malloc; in the child freed after they are sent, in the parent by the caller */
    size_t nbytes; /* at most 2^31 */
};

/* Answer a request, in the child. The request's path is NULL there, and `state` is the child's own copy. A failure is
 * sent to the caller instead of the reply. */
typedef enum status sandbox_answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *request,
                                   struct error *err);

struct sandbox;

/* Start a child.
 *
 *   out    out  caller ends it with sandbox_end
 *   state  in   borrowed for the call; changes that the child makes are not visible in the parent
 * Errors: FAIL_RESOURCE. */
enum status sandbox_start(struct sandbox **out, sandbox_answer *answer, void *state, struct error *err);

/* Send a request to the child and wait for its reply.
 *
 *   reply  out  its bytes are set to NULL on failure
 * Errors: those of the answer; FAIL_FORMAT if the child crashed or took too long, now or earlier; FAIL_RESOURCE if it
 * was killed or there is no memory. */
enum status sandbox_call(struct sandbox_reply *reply, struct sandbox *sandbox, const struct sandbox_request *request,
                         struct error *err);

/* The same for a reply of known size.
 *
 *   out  out  [nbytes] undefined on failure
 * Errors: also FAIL_FORMAT if the reply has another size. */
enum status sandbox_call_into(void *out, size_t nbytes, struct sandbox *sandbox, const struct sandbox_request *request,
                              struct error *err);

/* Whether the child has ended; further requests fail. */
bool sandbox_has_ended(const struct sandbox *sandbox);

/* End the child; NULL is fine. */
void sandbox_end(struct sandbox *sandbox);

#endif
