/* Huge pages: the system is asked for them, which no number shows. */
#include "pipeline/mpi/huge_pages.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { NBYTES = 16 << 20 };

/* The flags that the kernel lists for the mapping that holds an address; empty without such a list. */
static void flags_of(const void *address, char flags[256])
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;

    flags[0] = '\0';
    while (file && fgets(line, sizeof line, file)) {
        uintptr_t first, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &first, &end) == 2)
            inside = (uintptr_t)address >= first && (uintptr_t)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, 256, "%.255s", line + 8);
    }
    if (file)
        fclose(file);
}

static void large_memory_is_marked_for_huge_pages(void **state)
{
    char flags[256], *memory = malloc(NBYTES);

    (void)state;
    assert_non_null(memory);
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
        free(memory);
        print_message("this system has no transparent huge pages\n");
        skip();
    }
    huge_pages_prefer(memory, NBYTES);
    flags_of(memory + NBYTES / 2, flags);
    free(memory);
    if (!strstr(flags, " hg"))
        fail_msg("the mapping's flags are%s", flags[0] ? flags : " not listed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_memory_is_marked_for_huge_pages)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
