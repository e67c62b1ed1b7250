#include "tests/support/assert.h"
#include "tests/support/weights_fixture.h"

#include <math.h>

struct sample {
    const char *file, *format;
    bool batchnorm;
};

static const struct sample samples[] = {
    {"plain.safetensors", "safetensors", false},
    {"timm.safetensors", "safetensors", false},
    {"f16.safetensors", "safetensors", false},
    {"bf16.safetensors", "safetensors", false},
    {"f64.safetensors", "safetensors", false},
    {"bn.safetensors", "safetensors", true},
    {"bn_no_bias.safetensors", "safetensors", true},
    {"small.safetensors", "safetensors", false},
    {"plain.pth", "pytorch zip", false},
    {"f16.pth", "pytorch zip", false},
    {"bf16.pth", "pytorch zip", false},
    {"bn.pth", "pytorch zip", true},
    {"checkpoint.pth", "pytorch zip", false},
    {"strided.pth", "pytorch zip", false},
    {"shared.pth", "pytorch zip", false},
    {"module.pth", "pytorch zip", false},
    {"small.pth", "pytorch zip", false},
    {"plain_stream.pth", "pytorch stream", false},
    {"f64.pth", "pytorch stream", false},
    {"bn_stream.pth", "pytorch stream", true},
    {"checkpoint_stream.pth", "pytorch stream", false},
    {"parameters.pth", "pytorch stream", false},
    {"strided_stream.pth", "pytorch stream", false},
    {"old_stream.pth", "pytorch stream", false},
    {"small_stream.pth", "pytorch stream", false},
    {"keras.h5", "keras", false},
    {"keras_old.h5", "keras", false},
    {"keras_chunked.h5", "keras", false},
    {"keras_edges.h5", "keras", false},
    {"keras_f16.h5", "keras", false},
    {"keras_f64.h5", "keras", false},
    {"keras_grey.h5", "keras", false},
    {"small.h5", "keras", false},
    {"their_averaged.pth", "pytorch zip", false},
    {"their_cadene.pth", "pytorch zip", false},
    {"their_compiled.pth", "pytorch zip", false},
    {"their_extras.pth", "pytorch zip", false},
    {"their_half_wrapped.pth", "pytorch zip", false},
    {"their_lightning.pth", "pytorch zip", false},
    {"their_protocol_4.pth", "pytorch zip", false},
    {"their_protocol_5.pth", "pytorch zip", false},
    {"their_script.pth", "pytorch zip", false},
    {"their_twice.pth", "pytorch zip", false},
    {"their_model.pth", "pytorch zip", true},
    {"their_parallel_model.pth", "pytorch zip", true},
    {"their_extras_stream.pth", "pytorch stream", false},
    {"their_model_stream.pth", "pytorch stream", true},
    {"their_caffe.safetensors", "safetensors", false},
    {"their_counters.safetensors", "safetensors", false},
    {"their_prefix.safetensors", "safetensors", false},
    {"their_keras.weights.h5", "keras", false},
    {"their_keras3.h5", "keras", false},
    {"their_keras3_bare.h5", "keras", false},
    {"their_keras_nested.h5", "keras", false},
    {"their_keras_nested.weights.h5", "keras", false},
    {"their_keras_order.h5", "keras", false},
    {"their_keras_bn.h5", "keras", true},
    {"their_keras_bn_names.h5", "keras", true},
};

static int setup(void **state)
{
    return fixture_setup(state, "valid");
}

static struct weights *open_sample(const struct fixture *f, const char *name)
{
    struct error err = {0};
    struct weights *w = NULL;
    char path[FIXTURE_PATH];

    fixture_path(path, f, name);
    if (weights_open(&w, path, &err) != OK)
        fail_msg("%s", err.message);
    return w;
}

/* Equal to the rounded expectation; with a BatchNorm, which has several right roundings, to a millionth. */
static void check_piece(const float *got, const double *expected, size_t n, const struct sample *s, size_t layer)
{
    for (size_t i = 0; i < n; i++) {
        double bound = s->batchnorm ? 1e-6 * fabs(expected[i]) : 0.0;
        if (!(fabs((double)got[i] - (double)(float)expected[i]) <= bound))
            fail_msg("%s, layer %zu, number %zu: %.9g instead of %.9g", s->file, layer, i, (double)got[i], expected[i]);
    }
}

static void check_layer_shape(const struct weights_layer *l, FILE *shapes)
{
    char kind[16] = "";
    size_t out, in;

    assert_int_equal(fscanf(shapes, "%15s %zu %zu", kind, &out, &in), 3);
    assert_string_equal(l->convolution ? "convolution" : "dense", kind);
    assert_int_equal(l->out, out);
    assert_int_equal(l->in, in);
    assert_int_equal(l->weight % WEIGHTS_ALIGN_FLOATS, 0);
    assert_int_equal(l->bias % WEIGHTS_ALIGN_FLOATS, 0);
}

static void check_sample(const struct fixture *f, const struct sample *s)
{
    char path[FIXTURE_PATH];
    struct error err = {0};
    struct weights *w = open_sample(f, s->file);
    size_t nbytes, at = 0;

    assert_string_equal(weights_format_name(w), s->format);
    assert_int_equal(weights_batchnorm(w), s->batchnorm);
    assert_int_equal(weights_keras_preprocessing(w), strcmp(s->format, "keras") == 0);
    assert_int_equal(weights_nlayers(w), 11);
    float *floats = malloc(weights_floats(w) * sizeof *floats);
    assert_non_null(floats);
    if (weights_load(floats, w, &err) != OK)
        fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/%s.expected", f->folder, s->file);
    unsigned char *bytes = fixture_bytes(&nbytes, path);
    const double *expected = (const double *)(void *)bytes;
    snprintf(path, sizeof path, "%s/%s.shapes", f->folder, s->file);
    FILE *shapes = fopen(path, "r");
    assert_non_null(shapes);
    for (size_t i = 0; i < weights_nlayers(w); i++) {
        const struct weights_layer *l = &weights_layers(w)[i];
        size_t n = l->out * l->in * (l->convolution ? 9 : 1);
        check_layer_shape(l, shapes);
        assert_at_most(at + n + l->out, nbytes / sizeof *expected);
        check_piece(floats + l->weight, expected + at, n, s, i);
        check_piece(floats + l->bias, expected + at + n, l->out, s, i);
        at += n + l->out;
    }
    assert_int_equal(at, nbytes / sizeof *expected);
    fclose(shapes);
    free(bytes);
    free(floats);
    weights_close(w);
}

static void check_format(void **state, const char *format)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strcmp(samples[i].format, format) == 0)
            check_sample(*state, &samples[i]);
}

static void safetensors_give_the_numbers_of_torch(void **state)
{
    check_format(state, "safetensors");
}

static void zip_files_give_the_numbers_of_torch(void **state)
{
    check_format(state, "pytorch zip");
}

static void stream_files_give_the_numbers_of_torch(void **state)
{
    check_format(state, "pytorch stream");
}

static void keras_files_give_the_numbers_in_the_order_of_torch(void **state)
{
    check_format(state, "keras");
}

static void tensors_are_listed_as_in_the_file(void **state)
{
    struct weights *w = open_sample(*state, "timm.safetensors");

    assert_int_equal(weights_ntensors(w), 22);
    const struct weights_tensor *t = weights_tensor(w, 16);
    assert_string_equal(t->name, "pre_logits.fc1.weight");
    assert_string_equal(t->dtype, "F32");
    assert_int_equal(t->ndim, 4);
    assert_int_equal(t->dims[0], 24);
    assert_int_equal(t->dims[1], 32);
    assert_int_equal(t->dims[2], 2);
    assert_int_equal(t->dims[3], 2);
    weights_close(w);
}

static void integer_tensors_are_listed_and_not_used(void **state)
{
    struct weights *w = open_sample(*state, "bn.pth");
    const struct weights_tensor *t = weights_tensor(w, 6);

    assert_string_equal(t->name, "features.1.num_batches_tracked");
    assert_string_equal(t->dtype, "I64");
    assert_int_equal(t->ndim, 0);
    weights_close(w);
}

static void metadata_is_found_by_key(void **state)
{
    struct weights *w = open_sample(*state, "plain.safetensors");

    assert_string_equal(weights_metadata(w, "network"), "vgg11");
    assert_null(weights_metadata(w, "dataset"));
    weights_close(w);
}

static void gaps_between_layers_are_zero(void **state)
{
    struct weights *w = open_sample(*state, "small.safetensors");
    struct error err = {0};
    size_t n = weights_floats(w), used = 0;
    float *floats = malloc(n * sizeof *floats);
    bool *covered = calloc(n, sizeof *covered);

    assert_non_null(floats);
    assert_non_null(covered);
    memset(floats, 0x7f, n * sizeof *floats);
    assert_int_equal(weights_load(floats, w, &err), OK);
    for (size_t i = 0; i < weights_nlayers(w); i++) {
        const struct weights_layer *l = &weights_layers(w)[i];
        size_t size = l->out * l->in * (l->convolution ? 9 : 1);
        memset(covered + l->weight, true, size);
        memset(covered + l->bias, true, l->out);
        used += size + l->out;
    }
    for (size_t i = 0; i < n; i++) {
        used -= covered[i];
        if (!covered[i])
            assert_same(floats[i], 0);
    }
    assert_int_equal(used, 0);
    free(covered);
    free(floats);
    weights_close(w);
}

static void epsilon_is_that_of_the_file_or_of_its_library(void **state)
{
    static const struct {
        const char *file;
        double epsilon;
    } known[] = {{"bn.pth", 1e-5},
                 {"bn.safetensors", 1e-5},
                 {"their_model.pth", 1e-3},
                 {"their_keras_bn_names.h5", 1e-3},
                 {"their_keras_bn.h5", 2e-3},
                 {"plain.pth", 0}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct weights *w = open_sample(*state, known[i].file);
        assert_same(weights_epsilon(w), known[i].epsilon);
        weights_close(w);
    }
}

static void place_in_a_checkpoint_is_as_python_writes_it(void **state)
{
    static const char *const known[][2] = {{"plain.pth", ""},
                                           {"checkpoint.pth", "[\"state_dict\"]"},
                                           {"their_protocol_4.pth", "[\"weights\"][\"best\"]"},
                                           {"their_protocol_5.pth", "[\"ema\"]"},
                                           {"their_model_stream.pth", "[\"model\"]"},
                                           {"keras.h5", ""}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct weights *w = open_sample(*state, known[i][0]);
        assert_string_equal(weights_place(w), known[i][1]);
        weights_close(w);
    }
}

/* gamma / sqrt(variance + epsilon): of one kernel with two epsilons, the ratio tells the variance. */
static void epsilon_that_is_set_is_used(void **state)
{
    struct weights *w = open_sample(*state, "bn.pth");
    struct error err = {0};
    size_t n = weights_floats(w);
    float *own = malloc(n * sizeof *own), *other = malloc(n * sizeof *other);

    assert_non_null(own);
    assert_non_null(other);
    assert_int_equal(weights_load(own, w, &err), OK);
    weights_set_epsilon(w, 0.25);
    assert_same(weights_epsilon(w), 0.25);
    assert_int_equal(weights_load(other, w, &err), OK);
    double ratio = (double)own[0] / (double)other[0], square = ratio * ratio;
    double variance = (0.25 - square * 1e-5) / (square - 1);
    assert_within(variance, 1e-4, 1.0001, "the variances of the sample are drawn from there");
    free(own);
    free(other);
    weights_close(w);
}

static void checksum_is_that_of_the_file(void **state)
{
    struct weights *w = open_sample(*state, "keras.h5");
    char path[FIXTURE_PATH], hex[SHA256_HEX], expected[SHA256_HEX];
    struct error err = {0};

    fixture_path(path, *state, "keras.h5");
    assert_int_equal(sha256_file(expected, path, &err), OK);
    assert_int_equal(weights_sha256(hex, w, &err), OK);
    assert_string_equal(hex, expected);
    weights_close(w);
}

static void name_of_the_file_does_not_matter(void **state)
{
    const struct fixture *f = *state;
    char from[FIXTURE_PATH], to[FIXTURE_PATH];

    fixture_path(from, f, "keras_old.h5");
    fixture_path(to, f, "weights.pth");
    assert_int_equal(link(from, to), 0);
    struct weights *w = open_sample(f, "weights.pth");
    assert_string_equal(weights_format_name(w), "keras");
    weights_close(w);
}

static void files_that_are_no_files_are_refused(void **state)
{
    const struct fixture *f = *state;
    char path[FIXTURE_PATH];
    struct weights *w;
    struct error err = {0};

    assert_int_equal(weights_open(&w, f->folder, &err), FAIL_SYSTEM);
    assert_non_null(strstr(err.message, f->folder));
    assert_null(w);
    error_clear(&err);
    fixture_path(path, f, "there_is_none");
    assert_int_equal(weights_open(&w, path, &err), FAIL_SYSTEM);
    assert_non_null(strstr(err.message, "there_is_none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_give_the_numbers_of_torch),
        cmocka_unit_test(zip_files_give_the_numbers_of_torch),
        cmocka_unit_test(stream_files_give_the_numbers_of_torch),
        cmocka_unit_test(keras_files_give_the_numbers_in_the_order_of_torch),
        cmocka_unit_test(tensors_are_listed_as_in_the_file),
        cmocka_unit_test(integer_tensors_are_listed_and_not_used),
        cmocka_unit_test(metadata_is_found_by_key),
        cmocka_unit_test(gaps_between_layers_are_zero),
        cmocka_unit_test(epsilon_is_that_of_the_file_or_of_its_library),
        cmocka_unit_test(epsilon_that_is_set_is_used),
        cmocka_unit_test(place_in_a_checkpoint_is_as_python_writes_it),
        cmocka_unit_test(checksum_is_that_of_the_file),
        cmocka_unit_test(name_of_the_file_does_not_matter),
        cmocka_unit_test(files_that_are_no_files_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
