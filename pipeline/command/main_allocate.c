/* Wrappers of malloc and related functions, with which tests make any of the program's allocations fail
 * (io/base/fault.h).
 *
 * The linker redirects every such call in kernels/, io/ and pipeline/ to these functions (`--wrap` in CMakeLists.txt),
 * so no call is missed; calls inside external libraries stay as they are. Part of the executable, like main.c, and not
 * of the libraries.
 */
#include "io/base/fault.h"

#include <stddef.h>

void *main_malloc(size_t nbytes) __asm__("__wrap_malloc");
void *main_calloc(size_t count, size_t nbytes) __asm__("__wrap_calloc");
void *main_realloc(void *memory, size_t nbytes) __asm__("__wrap_realloc");
void *main_aligned_alloc(size_t alignment, size_t nbytes) __asm__("__wrap_aligned_alloc");
char *main_strdup(const char *text) __asm__("__wrap_strdup");
char *main_strndup(const char *text, size_t length) __asm__("__wrap_strndup");

void *system_malloc(size_t nbytes) __asm__("__real_malloc");
void *system_calloc(size_t count, size_t nbytes) __asm__("__real_calloc");
void *system_realloc(void *memory, size_t nbytes) __asm__("__real_realloc");
void *system_aligned_alloc(size_t alignment, size_t nbytes) __asm__("__real_aligned_alloc");
char *system_strdup(const char *text) __asm__("__real_strdup");
char *system_strndup(const char *text, size_t length) __asm__("__real_strndup");

void *main_malloc(size_t nbytes)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_malloc(nbytes);
}

void *main_calloc(size_t count, size_t nbytes)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_calloc(count, nbytes);
}

void *main_realloc(void *memory, size_t nbytes)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_realloc(memory, nbytes);
}

void *main_aligned_alloc(size_t alignment, size_t nbytes)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_aligned_alloc(alignment, nbytes);
}

char *main_strdup(const char *text)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_strdup(text);
}

char *main_strndup(const char *text, size_t length)
{
    return fault_hit(FAULT_ALLOCATE) ? NULL : system_strndup(text, length);
}
