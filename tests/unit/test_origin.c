/* The run of a store: whether its numbers are of all images, and whether a configuration asks for the same measure. */
#include "pipeline/config/text.h"
#include "pipeline/results/origin.h"
#include "tests/support/assert.h"
#include "tests/support/store_sample.h"

enum { IMAGES = 6 };

#define CONFIG "[data]\npath = x\n[model]\nweights = y\n[measure]\nrule.conv1_1 = zbox -1 1\n"

static void must(enum status rc, const struct error *err)
{
    if (rc != OK)
        fail_msg("%s", err->message);
}

/* CONFIG as stores have it: every key, in canonical form. The caller frees. */
static char *stored_config(void)
{
    struct config config;
    struct error err = {0};

    must(config_parse(&config, CONFIG, "old.ini", NULL, 0, &err), &err);
    char *text = config_text(&config);
    config_free(&config);
    return text;
}

/* A store with these attributes; finished < 0 and a NULL shard are left out. */
static struct store_reader *make_store(int64_t complete, int64_t finished, const char *shard)
{
    static const uint8_t status[IMAGES];
    const size_t n = IMAGES;
    struct store *store = sample_begin("store.h5");
    char *config = stored_config();
    struct error err = {0};

    must(store_set_int(store, "", "complete", complete, &err), &err);
    if (finished >= 0)
        must(store_set_int(store, "", "finished", finished, &err), &err);
    if (shard)
        must(store_set_text(store, "", "shard", shard, &err), &err);
    must(store_set_text(store, "", "config", config, &err), &err);
    free(config);
    must(store_set_text(store, "", "model_sha256", "abc", &err), &err);
    must(store_write(store, "images/status", status, 1, &n, &err), &err);
    return sample_finish(store, "store.h5");
}

static void a_partial_store_says_what_it_lacks(void **state)
{
    static const struct {
        int64_t complete, finished;
        const char *shard, *message;
    } cases[] = {
        {1, -1, NULL, ""},
        {1, 6, NULL, ""},
        {0, 4, NULL, "is unfinished: its numbers are of 4 of 6 images; start the run again to continue"},
        {0, -1, NULL, "is unfinished; start the run again to continue"},
        {0, 4, "2/3", "is unfinished: its numbers are of 4 of 6 images; start the run again to continue"},
        {1, -1, "2/3", "is shard 2/3 of a run; `nrmflow merge` puts all together"},
    };

    char message[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_reader *reader = make_store(cases[i].complete, cases[i].finished, cases[i].shard);
        assert_int_equal(origin_complete(reader), cases[i].complete);
        assert_int_equal(origin_describe_partial(message, sizeof message, reader), cases[i].message[0] != '\0');
        assert_string_equal(message, cases[i].message);
        store_close(reader);
    }
}

/* Compare the store's run with its own configuration after a change. */
static enum status compare(const char *change, const char *sha256, bool by_class, struct error *err)
{
    struct store_reader *reader = make_store(1, -1, NULL);
    struct origin origin;
    struct config mine;

    must(origin_read(&origin, reader, "old.h5", err), err);
    must(config_parse(&mine, CONFIG, "new.ini", &change, change ? 1 : 0, err), err);
    enum status rc = origin_compare(&origin, &mine, sha256, by_class, err);

    config_free(&mine);
    origin_free(&origin);
    store_close(reader);
    return rc;
}

static void the_same_measure_agrees(void **state)
{
    static const char *const others[] = {NULL, "measure.given=conv1_1", "run.seed=5", "store.top=7", "data.images=1:3"};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        must(compare(others[i], "abc", true, &err), &err);
    must(compare("store.class_by=label", "abc", false, &err), &err);
}

static void another_measure_is_named(void **state)
{
    static const struct {
        const char *change, *sha256, *message;
    } cases[] = {
        {"measure.composite=epsilon_plus", "abc",
         "measure.composite is \"epsilon_plus\" here, but \"epsilon_gamma_box\" in the store"},
        {"measure.bias=spread", "abc", "measure.bias is \"spread\" here"},
        {"measure.pool=first", "abc", "measure.pool is \"first\" here"},
        {"measure.target=class:3", "abc", "measure.target is \"class:3\" here"},
        {"store.class_by=label", "abc", "store.class_by is \"label\" here"},
        {"measure.rule.conv1_1=zbox -1 2", "abc", "measure.rule.conv1_1 is \"zbox -1 2\" here"},
        {"measure.rule.conv1_2=zbox -1 1", "abc", "measure.rule.conv1_2 is \"zbox -1 1\" here, but \"not set\""},
        {NULL, "abd", "made with other weights"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        assert_int_equal(compare(cases[i].change, cases[i].sha256, true, &err), FAIL_MISMATCH);
        files_expect_message(err.message, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_partial_store_says_what_it_lacks, files_clean),
        cmocka_unit_test_teardown(the_same_measure_agrees, files_clean),
        cmocka_unit_test_teardown(another_measure_is_named, files_clean),
    };

    return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
