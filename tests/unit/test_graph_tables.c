/* The network's tables in a store: any graph comes back as it was, and damaged tables are refused. */
#include "pipeline/run/graph.h"
#include "tests/support/assert.h"
#include "tests/support/graph_random.h"
#include "tests/support/graph_text.h"
#include "tests/support/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include <cmocka.h>

enum { GRAPHS = 40 };

struct fixture {
    char folder[TEMPORARY_PATH], path[2 * TEMPORARY_PATH];
    struct network net, back;
};

static int setup(void **state)
{
    static struct fixture f;

    temporary_folder(f.folder);
    snprintf(f.path, sizeof f.path, "%s/store.h5", f.folder);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    temporary_remove(((struct fixture *)*state)->folder);
    return 0;
}

static void write(const struct fixture *f)
{
    struct store *store = NULL;
    struct error err = {0};

    if (store_create(&store, f->path, 4, &err) != OK || store_set_text(store, "", "network", f->net.name, &err) != OK ||
        graph_save(store, &f->net, &err) != OK || store_commit(store, &err) != OK)
        fail_msg("%s", err.message);
}

static enum status read(struct fixture *f, struct error *err)
{
    struct store_reader *reader = NULL;
    enum status rc = OK;

    *err = (struct error){0};
    TRY(store_open_read(&reader, f->path, err));
    assert_true(graph_is_stored(reader));
    rc = graph_load(&f->back, reader, f->path, err);
done:
    store_close(reader);
    return rc;
}

static void assert_same_network(const struct network *got, const struct network *want)
{
    assert_string_equal(got->name, want->name);
    assert_same(got->nlinks, want->nlinks);
    assert_same(got->nedges, want->nedges);
    for (size_t k = 0; k < want->nlinks; k++) {
        struct link link = got->links[k];
        link.weight = want->links[k].weight; /* places of weights are not stored */
        link.bias = want->links[k].bias;
        assert_string_equal(link.name, want->links[k].name);
        assert_memory_equal(&link.upper, &want->links[k].upper, sizeof link.upper);
        assert_memory_equal(&link.window, &want->links[k].window, sizeof link.window);
        assert_memory_equal(&link.activation, &want->links[k].activation, sizeof link.activation);
        assert_int_equal(link.kind, want->links[k].kind);
        assert_same(link.groups, want->links[k].groups);
        assert_same(link.gate, want->links[k].gate);
        assert_int_equal(link.weighted, want->links[k].weighted);
        assert_int_equal(link.count_padding, want->links[k].count_padding);
    }
    assert_memory_equal(got->edges, want->edges, want->nedges * sizeof *want->edges);
    assert_memory_equal(got->cut, want->cut, (want->nlinks + 1) * sizeof *want->cut);
}

static void any_graph_comes_back(void **state)
{
    struct fixture *f = *state;
    struct random random = random_seed("graph tables");
    char text[GRAPH_TEXT], message[200];
    struct error err;

    for (size_t i = 0; i < GRAPHS; i++) {
        if (i % 2)
            graph_random_small(text, &random);
        else
            graph_random_large(text, (enum graph_family)(i / 2 % GRAPH_FAMILIES), &random);
        if (!graph_text_read(&f->net, text, message, sizeof message))
            continue;
        write(f);
        if (read(f, &err) != OK)
            fail_msg("%s\n%s", err.message, text);
        assert_same_network(&f->back, &f->net);
    }
}

/* Set number `at` of a dataset of whole numbers. */
static void damage(const struct fixture *f, const char *path, hsize_t at, int64_t value)
{
    hid_t file = H5Fopen(f->path, H5F_ACC_RDWR, H5P_DEFAULT), dataset = H5Dopen2(file, path, H5P_DEFAULT);
    hid_t space = H5Dget_space(dataset), one = H5Screate(H5S_SCALAR);

    assert_true(H5Sselect_elements(space, H5S_SELECT_SET, 1, &at) >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, one, space, H5P_DEFAULT, &value) >= 0);
    H5Sclose(one);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(file);
}

static void damaged_tables_are_refused(void **state)
{
    static const char text[] = "input 3x9x9\n"
                               "a convolution input out=4 window=3 pad=1 relu\n"
                               "b convolution a out=4 window=3 pad=1\n"
                               "sum add a,b relu\n"
                               "all channels sum,a\n"
                               "mean average all\n"
                               "fc dense mean out=2";

    static const struct {
        const char *path;
        hsize_t at;
        int64_t value;
    } cases[] = {
        {"network/edges/reads", 2, 7},        {"network/edges/reads", 2, -1},
        {"network/edges/link", 0, 3},         {"network/edges/channel_count", 4, INT64_MAX},
        {"network/edges/channel_step", 4, 0}, {"network/links/channels", 1, INT64_MAX},
        {"network/links/channels", 1, 5},     {"network/links/groups", 0, 0},
        {"network/links/stride_down", 0, 0},  {"network/links/window_height", 0, INT64_MAX},
        {"network/links/pad_top", 0, -3},     {"network/links/height", 0, 8},
    };
    struct fixture *f = *state;
    struct error err;
    char message[200];

    assert_true(graph_text_read(&f->net, text, message, sizeof message));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write(f);
        damage(f, cases[i].path, cases[i].at, cases[i].value);
        if (read(f, &err) != FAIL_FORMAT || !strstr(err.message, "/network is damaged"))
            fail_msg("%s[%llu] = %lld: %s", cases[i].path, (unsigned long long)cases[i].at, (long long)cases[i].value,
                     err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_graph_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_tables_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
