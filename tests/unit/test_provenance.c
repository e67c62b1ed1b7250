#include "pipeline/mpi/provenance.h"
#include "tests/support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct provenance made_of(const char *isa, const char *core)
{
    struct provenance provenance = {0};

    snprintf(provenance.traits[PROVENANCE_ISA], PROVENANCE_TEXT, "%s", isa);
    snprintf(provenance.traits[PROVENANCE_BLAS_CORE], PROVENANCE_TEXT, "%s", core);
    snprintf(provenance.traits[PROVENANCE_PROGRAM], PROVENANCE_TEXT, "1.0");
    return provenance;
}

static void this_machine_has_all_traits_and_does_not_differ_from_itself(void **state)
{
    struct provenance here;
    char message[64];

    (void)state;
    provenance_here(&here, "avx2");
    for (size_t i = 0; i < PROVENANCE_TRAITS; i++)
        assert_true(here.traits[i][0] != '\0');
    assert_false(provenance_differs(message, sizeof message, &here, &here));
    assert_false(provenance_mixed(&here));
}

static void a_name_that_is_not_listed_is_a_difference(void **state)
{
    struct provenance one = made_of("avx2", "Zen"), other = made_of("avx2", "Zen2");
    char message[64];

    (void)state;
    assert_true(provenance_differs(message, sizeof message, &one, &other)); /* "Zen" is no part of "Zen2" */
    assert_string_equal(message, "OpenBLAS kernels: Zen, not Zen2");
    assert_true(provenance_differs(message, sizeof message, &other, &one));
}

static void joined_machines_list_each_name_once(void **state)
{
    struct provenance all = made_of("avx2", "Zen"), more = made_of("avx512", "Zen");
    char message[64];

    (void)state;
    provenance_join(&all, &more);
    provenance_join(&all, &more);
    assert_string_equal(all.traits[PROVENANCE_ISA], "avx2, avx512");
    assert_string_equal(all.traits[PROVENANCE_BLAS_CORE], "Zen");
    assert_true(provenance_mixed(&all));
    assert_false(provenance_differs(message, sizeof message, &more, &all));
    assert_true(provenance_differs(message, sizeof message, &all, &more));
}

static void a_list_that_is_too_long_ends_with_dots(void **state)
{
    struct provenance all = made_of("avx2", "core000"), more;
    char name[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "core%03d", i);
        more = made_of("avx2", name);
        provenance_join(&all, &more);
    }
    const char *list = all.traits[PROVENANCE_BLAS_CORE];
    size_t length = strlen(list);

    assert_less(length, PROVENANCE_TEXT);
    assert_string_equal(list + length - 5, ", ...");
    assert_ptr_equal(strstr(list, "..."), list + length - 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_machine_has_all_traits_and_does_not_differ_from_itself),
        cmocka_unit_test(a_name_that_is_not_listed_is_a_difference),
        cmocka_unit_test(joined_machines_list_each_name_once),
        cmocka_unit_test(a_list_that_is_too_long_ends_with_dots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
