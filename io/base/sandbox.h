/* A sandboxed process, in which a library reads a file that may be hostile.
 *
 * HDF5 trusts what a file's metadata say: a hostile file can make it read outside of its buffers, divide by zero or never
 * return. So it is called in a child process, which is asked one thing after the other over a socket. If the child ends, or
 * computes for longer than a minute on one request, that is an error that names the file, and the program goes on. The
 * child has limits on memory and leaves no core file.
 *
 * It is a fork without exec, that touches nothing but the file, and ends without any clean-up. It ends when its parent
 * does. Answers are not trusted: their sizes are checked here, their contents by whoever asked. A handle is used by one
 * thread at a time; not collective.
 */
#ifndef NRMFLOW_IO_BASE_SANDBOX_H
#define NRMFLOW_IO_BASE_SANDBOX_H

#include "io/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { SANDBOX_NUMBERS = 8, SANDBOX_TEXTS = 2 };

struct sandbox_request {
    const char *path; /* of the file, for messages */
    size_t what;      /* a number of the asker's own */
    size_t numbers[SANDBOX_NUMBERS];
    const char *texts[SANDBOX_TEXTS]; /* NULL is as good as "" */
    const void *bytes;                /* [nbytes] */
    size_t nbytes;
};

struct sandbox_reply {
    size_t numbers[SANDBOX_NUMBERS];
    void *bytes;   /* [nbytes], from malloc: the child's are freed once they are sent, the parent's by the asker */
    size_t nbytes; /* at most 2^31 */
};

/* Answer a request, in the child; its path is NULL there. `state` is the child's own copy. A failure goes to the asker, without the reply. */
typedef enum status sandbox_answer(struct sandbox_reply *reply, void *state, const struct sandbox_request *request,
                                   struct error *err);

struct sandbox;

/* Start a child.
 *
 *   out    out  caller ends it with sandbox_end
 *   state  in   borrowed for the call; what the child does to it is not seen here
 * Errors: FAIL_RESOURCE. */
enum status sandbox_start(struct sandbox **out, sandbox_answer *answer, void *state, struct error *err);

/* Ask the child, and wait for its answer.
 *
 *   reply  out  its bytes are set to NULL on failure
 * Errors: those of the answer; FAIL_FORMAT if the child has ended without one, now or before. */
enum status sandbox_call(struct sandbox_reply *reply, struct sandbox *sandbox, const struct sandbox_request *request,
                         struct error *err);

/* The same where the size of the answer is known.
 *
 *   out  out  [nbytes] undefined on failure
 * Errors: FAIL_FORMAT, too, if the answer has another size. */
enum status sandbox_call_into(void *out, size_t nbytes, struct sandbox *sandbox, const struct sandbox_request *request,
                              struct error *err);

/* Whether the child has ended, so that nothing more can be asked. */
bool sandbox_has_ended(const struct sandbox *sandbox);

/* End the child; NULL is fine. */
void sandbox_end(struct sandbox *sandbox);

#endif
