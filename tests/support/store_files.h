/* A folder for the files of one test program, emptied after every test. */
#ifndef NRMFLOW_TESTS_SUPPORT_STORE_FILES_H
#define NRMFLOW_TESTS_SUPPORT_STORE_FILES_H

#include "tests/support/assert.h"
#include "tests/support/temporary.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char files_folder[TEMPORARY_PATH];

static inline int files_setup(void **state)
{
    (void)state;
    temporary_folder(files_folder);
    return 0;
}

/* The path of a file in the folder; valid until the fourth call after this one. */
static inline const char *files_path(const char *name)
{
    static char paths[4][2 * TEMPORARY_PATH];
    static size_t turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", files_folder, name);
    return path;
}

static inline size_t files_count(void)
{
    DIR *folder = opendir(files_folder);
    size_t count = 0;

    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static inline int files_clean(void **state)
{
    DIR *folder = opendir(files_folder);

    (void)state;
    if (!folder)
        return -1;
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            remove(files_path(entry->d_name));
    return closedir(folder);
}

static inline int files_teardown(void **state)
{
    (void)state;
    return rmdir(files_folder);
}

static inline void files_write(const char *path, const void *bytes, size_t nbytes)
{
    FILE *stream = fopen(path, "wb");

    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, nbytes, stream), nbytes);
    assert_int_equal(fclose(stream), 0);
}

static inline void files_write_text(const char *path, const char *text)
{
    files_write(path, text, strlen(text));
}

/* The whole file; caller frees. */
static inline unsigned char *files_read(size_t *nbytes, const char *path)
{
    FILE *stream = fopen(path, "rb");

    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    *nbytes = (size_t)ftell(stream);
    rewind(stream);
    unsigned char *bytes = malloc(*nbytes + 1);

    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *nbytes, stream), *nbytes);
    fclose(stream);
    return bytes;
}

static inline void files_expect_text(const char *path, const char *text)
{
    size_t nbytes;
    unsigned char *bytes = files_read(&nbytes, path);

    assert_int_equal(nbytes, strlen(text));
    assert_memory_equal(bytes, text, nbytes);
    free(bytes);
}

/* Run a function in a process of its own and return its result, or minus the signal that ended it. The function must
 * not use cmocka's assertions, whose jumps and signal handlers belong to the parent. */
static inline int files_in_child(int (*function)(const char *path), const char *path)
{
    static const int caught[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT};
    int status = 0;

    fflush(NULL);
    pid_t child = fork();

    assert_at_least(child, 0);
    if (child == 0) {
        for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
            signal(caught[i], SIG_DFL);
        exit(function(path));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Part of an error message that must be there. */
static inline void files_expect_message(const char *message, const char *part)
{
    if (part[0] && !strstr(message, part))
        fail_msg("\"%s\" should say \"%s\"", message, part);
}

#endif
