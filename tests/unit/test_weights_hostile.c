#include "tests/support/assert.h"
#include "tests/support/weights_fixture.h"

#include <errno.h>

struct refusal {
    const char *file;
    enum status status;
    const char *reason; /* a part of the message, next to the path */
};

static int setup(void **state)
{
    return fixture_setup(state, "hostile");
}

static int setup_valid(void **state)
{
    return fixture_setup(state, "valid");
}

static void check_message(const struct error *err, const char *path, const char *reason)
{
    if (!strstr(err->message, path) || !strstr(err->message, reason))
        fail_msg("%s: \"%s\" says nothing of \"%s\"", path, err->message, reason);
    for (const char *c = err->message; *c; c++) {
        assert_at_least((unsigned char)*c, ' ');
        assert_true(*c != 0x7f);
    }
}

static void check_refusals(const struct fixture *f, const struct refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[FIXTURE_PATH];
        struct error err = {0};
        float *floats = NULL;
        fixture_path(path, f, refusals[i].file);
        enum status rc = fixture_load(&floats, path, &err);
        if (rc != refusals[i].status)
            fail_msg("%s: status %s instead of %s, \"%s\"", refusals[i].file, error_name(rc),
                     error_name(refusals[i].status), err.message);
        check_message(&err, path, refusals[i].reason);
    }
}

#define CHECK(state, refusals) check_refusals(state, refusals, sizeof(refusals) / sizeof(refusals)[0])

static void damaged_safetensors_headers_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"header_huge.safetensors", FAIL_FORMAT, "header of 9223372036854775813 bytes"},
        {"header_to_end.safetensors", FAIL_FORMAT, "not a JSON object"},
        {"header_limit.safetensors", FAIL_LIMIT, "header of 33554432 bytes"},
        {"header_list.safetensors", FAIL_FORMAT, "not a JSON object"},
        {"header_deep.safetensors", FAIL_FORMAT, "not a JSON object"},
        {"header_not_utf8.safetensors", FAIL_FORMAT, "not a JSON object"},
        {"duplicate.safetensors", FAIL_FORMAT, "duplicate"},
        {"overlap.safetensors", FAIL_FORMAT, "features.3.bias': its numbers overlap"},
        {"beyond_file.safetensors", FAIL_FORMAT, "classifier.6.bias': its data_offsets are beyond"},
        {"offsets_reversed.safetensors", FAIL_FORMAT, "classifier.6.bias': its data_offsets are beyond"},
        {"offsets_negative.safetensors", FAIL_FORMAT, "features.0.weight': its data_offsets"},
        {"offsets_huge.safetensors", FAIL_FORMAT, "classifier.6.bias': its data_offsets are beyond"},
        {"offsets_three.safetensors", FAIL_FORMAT, "classifier.6.bias': its data_offsets"},
        {"size_mismatch.safetensors", FAIL_FORMAT, "features.3.bias': its data_offsets do not match"},
        {"shape_overflow.safetensors", FAIL_FORMAT, "features.3.bias' has an impossible shape"},
        {"shape_wraps.safetensors", FAIL_FORMAT, "features.3.bias' has an impossible shape"},
        {"shape_9d.safetensors", FAIL_FORMAT, "features.3.bias': its shape"},
        {"shape_text.safetensors", FAIL_FORMAT, "features.3.bias': its shape"},
        {"shape_float.safetensors", FAIL_FORMAT, "features.3.bias': its shape"},
        {"dtype_unknown.safetensors", FAIL_FORMAT, "features.3.bias': its dtype"},
        {"dtype_number.safetensors", FAIL_FORMAT, "features.3.bias': its dtype"},
        {"entry_list.safetensors", FAIL_FORMAT, "features.3.bias': its dtype"},
        {"metadata_number.safetensors", FAIL_FORMAT, "__metadata__"},
        {"metadata_list.safetensors", FAIL_FORMAT, "__metadata__"},
        {"name_escape.safetensors", FAIL_FORMAT, "not printable"},
        {"name_long.safetensors", FAIL_FORMAT, "too long"},
        {"trailing.safetensors", FAIL_FORMAT, "4 bytes follow the last tensor"},
        {"text.safetensors", FAIL_UNSUPPORTED, "first bytes"},
    };

    CHECK(*state, refusals);
}

static void tensors_that_are_no_network_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"nothing.safetensors", FAIL_FORMAT, "no convolutions"},
        {"no_convolutions.safetensors", FAIL_FORMAT, "no convolutions"},
        {"two_dense.safetensors", FAIL_FORMAT, "2 dense layers"},
        {"no_bias.safetensors", FAIL_FORMAT, "features.8.weight': its bias is missing"},
        {"no_weight.safetensors", FAIL_FORMAT, "features.8.bias': the weight"},
        {"kernel_5x5.safetensors", FAIL_FORMAT, "features.3.weight': its kernel is not 3x3"},
        {"kernel_3d.safetensors", FAIL_FORMAT, "features.3.weight': the kernel of a convolution"},
        {"bias_length.safetensors", FAIL_FORMAT, "features.3.bias': its shape is not (8)"},
        {"bias_2d.safetensors", FAIL_FORMAT, "features.3.bias': its shape is not (8)"},
        {"empty_tensor.safetensors", FAIL_FORMAT, "features.3.weight': it is empty"},
        {"unknown_name.safetensors", FAIL_FORMAT, "extra.weight': its name is not"},
        {"prefix_twice.safetensors", FAIL_FORMAT, "module.features.0.bias': another tensor"},
        {"dense_3d.safetensors", FAIL_FORMAT, "classifier.0.weight': the weight of a dense layer"},
        {"statistics.safetensors", FAIL_FORMAT, "features.3.running_mean': these are running statistics"},
        {"bn_no_variance.safetensors", FAIL_FORMAT, "features.5.weight': a BatchNorm needs"},
        {"bn_alone.safetensors", FAIL_FORMAT, "features.5.weight': this BatchNorm does not"},
        {"integers.safetensors", FAIL_FORMAT, "features.3.bias': its dtype is not"},
        {"many_layers.safetensors", FAIL_LIMIT, "layers"},
    };

    CHECK(*state, refusals);
}

static void numbers_that_are_not_finite_are_named(void **state)
{
    static const struct refusal refusals[] = {
        {"nan.safetensors", FAIL_FORMAT, "features.3.bias': element 5 "},
        {"infinite.safetensors", FAIL_FORMAT, "features.6.weight': element 93 "},
        {"beyond_float.safetensors", FAIL_FORMAT, "features.6.weight': element 1 "},
        {"bn_negative.safetensors", FAIL_FORMAT, "features.5.running_var': element 2 is a neg"},
        {"nan.pth", FAIL_FORMAT, "classifier.3.weight': element 76 "},
        {"nan_stream.pth", FAIL_FORMAT, "classifier.3.weight': element 76 "},
        {"nan.h5", FAIL_FORMAT, "kernel:0': element 188 "},
        {"nan_matrix.h5", FAIL_FORMAT, "fc1/fc1/kernel:0': element 2417 "},
    };

    CHECK(*state, refusals);
}

/* Each is made as a zip archive and as a stream; what is wrong is in the pickle and the message is the same. */
static const struct refusal no_state_dicts[] = {
    {"shell", FAIL_UNSUPPORTED, "asks for posix.system"},
    {"eval", FAIL_UNSUPPORTED, "asks for __builtin__.eval"},
    {"hidden_shell", FAIL_UNSUPPORTED, "asks for posix.system"},
    {"whole_model", FAIL_FORMAT, "'0.weight': its name is not"},
    {"int_storage", FAIL_FORMAT, "features.0.weight': its dtype is not"},
    {"unknown_storage", FAIL_UNSUPPORTED, "unknown kind torch.OtherStorage"},
    {"two_networks", FAIL_UNSUPPORTED, "at [\"model\"], [\"model_ema\"]"},
    {"numpy_arrays", FAIL_UNSUPPORTED, "'features.0.weight' is not a tensor but made by numpy."},
    {"module_cycle", FAIL_LIMIT, "shares dicts between modules"},
    {"object", FAIL_FORMAT, "only an object of class fractions.Fraction"},
    {"protocol_4", FAIL_FORMAT, "no dict of tensors"},
    {"protocol_6", FAIL_UNSUPPORTED, "pickle protocol 6"},
    {"instance", FAIL_UNSUPPORTED, "opcode 0x69"},
    {"new_object", FAIL_FORMAT, "no dict of tensors"},
    {"stack_global", FAIL_UNSUPPORTED, "asks for os.system"},
    {"stack_global_number", FAIL_FORMAT, "is missing on its stack"},
    {"next_buffer", FAIL_UNSUPPORTED, "opcode 0x97"},
    {"call_type", FAIL_UNSUPPORTED, "calls torch.FloatStorage"},
    {"name_escape", FAIL_FORMAT, "class ?[31mos.system"},
    {"beyond_storage", FAIL_FORMAT, "features.0.bias': it extends beyond"},
    {"offset_huge", FAIL_FORMAT, "features.0.bias': it extends beyond"},
    {"offset_negative", FAIL_FORMAT, "storage and an offset"},
    {"stride_huge", FAIL_FORMAT, "features.0.bias': it extends beyond"},
    {"stride_zero", FAIL_FORMAT, "features.0.bias': it repeats"},
    {"shape_overflow", FAIL_FORMAT, "features.0.bias' has an impossible shape"},
    {"shape_9d", FAIL_FORMAT, "more than 8 dimensions"},
    {"shape_list", FAIL_FORMAT, "size or stride is wrong"},
    {"strides_few", FAIL_FORMAT, "size or stride is wrong"},
    {"no_storage", FAIL_FORMAT, "storage and an offset"},
    {"few_arguments", FAIL_FORMAT, "storage and an offset"},
    {"no_tensors", FAIL_FORMAT, "no dict of tensors"},
    {"list", FAIL_FORMAT, "no dict of tensors"},
    {"cycle", FAIL_FORMAT, "no dict of tensors"},
    {"memo_bomb", FAIL_FORMAT, "no dict of tensors"},
    {"call_dict", FAIL_FORMAT, "is missing on its stack"},
    {"build_tuple", FAIL_FORMAT, "is missing on its stack"},
    {"stack_empty", FAIL_FORMAT, "is missing on its stack"},
    {"tuple_without_mark", FAIL_FORMAT, "is missing on its stack"},
    {"tuple_over_mark", FAIL_FORMAT, "is missing on its stack"},
    {"items_without_mark", FAIL_FORMAT, "is missing on its stack"},
    {"items_odd", FAIL_FORMAT, "is missing on its stack"},
    {"items_in_tuple", FAIL_FORMAT, "is missing on its stack"},
    {"persistent_dict", FAIL_FORMAT, "is missing on its stack"},
    {"memo_empty_stack", FAIL_FORMAT, "is missing on its stack"},
    {"persistent_module", FAIL_FORMAT, "not of a storage"},
    {"name_endless", FAIL_FORMAT, "a name does not end"},
    {"stop_empty", FAIL_FORMAT, "missing or left over"},
    {"stop_mark", FAIL_FORMAT, "missing or left over"},
    {"stop_two", FAIL_FORMAT, "missing or left over"},
    {"memo_missing", FAIL_FORMAT, "refers to an object"},
    {"string_long", FAIL_FORMAT, "in the middle of an object"},
    {"bytes_long", FAIL_FORMAT, "in the middle of an object"},
    {"integer_long", FAIL_FORMAT, "in the middle of an object"},
    {"pop_nothing", FAIL_FORMAT, "is missing on its stack"},
    {"frozen_set_without_mark", FAIL_FORMAT, "is missing on its stack"},
    {"build_number", FAIL_FORMAT, "is missing on its stack"},
    {"parameter_none", FAIL_FORMAT, "a parameter is not a tensor"},
    {"ordered_dict_none", FAIL_FORMAT, "not made from pairs"},
    {"ordered_dict_triple", FAIL_FORMAT, "not made from pairs"},
    {"memo_far", FAIL_LIMIT, "more objects"},
    {"many_objects", FAIL_LIMIT, "more objects"},
    {"many_marks", FAIL_LIMIT, "more objects"},
};

static void pickles_that_are_no_state_dicts_are_refused(void **state)
{
    static const char *const endings[] = {".pth", "_stream.pth"};

    for (size_t i = 0; i < sizeof no_state_dicts / sizeof no_state_dicts[0]; i++)
        for (size_t e = 0; e < sizeof endings / sizeof endings[0]; e++) {
            char name[FIXTURE_PATH / 4];
            struct refusal refusal = no_state_dicts[i];
            snprintf(name, sizeof name, "%s%s", no_state_dicts[i].file, endings[e]);
            refusal.file = name;
            check_refusals(*state, &refusal, 1);
        }
}

static void files_that_are_taken_for_weights_are_named(void **state)
{
    static const struct refusal refusals[] = {
        {"lfs", FAIL_UNSUPPORTED, "run `git lfs pull`"},
        {"page", FAIL_UNSUPPORTED, "it is a web page"},
        {"gzip", FAIL_UNSUPPORTED, "run `gunzip`"},
        {"index", FAIL_UNSUPPORTED, "the .safetensors files beside it"},
        {"pickle", FAIL_UNSUPPORTED, "pickle.load"},
        {"arrays.npz", FAIL_UNSUPPORTED, "numpy.load"},
        {"model.keras", FAIL_UNSUPPORTED, "keras.models.load_model"},
        {".", FAIL_SYSTEM, "it is a folder; name the file in it"},
    };

    CHECK(*state, refusals);
}

static void no_pickle_was_executed(void **state)
{
    const struct fixture *f = *state;
    char path[FIXTURE_PATH];

    fixture_path(path, f, "executed");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access("executed", F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

static void damaged_streams_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"storage_count_stream.pth", FAIL_FORMAT, "storage '0' has 109 elements instead of 108"},
        {"storage_unlisted_stream.pth", FAIL_FORMAT, "list of storages"},
        {"storage_twice_stream.pth", FAIL_FORMAT, "item 21 of the list of storages"},
        {"storage_number_stream.pth", FAIL_FORMAT, "item 21 of the list of storages"},
        {"storage_list_stream.pth", FAIL_FORMAT, "list of storages"},
        {"storage_differs_stream.pth", FAIL_FORMAT, "two storages of one key"},
        {"storage_view_stream.pth", FAIL_UNSUPPORTED, "view of another"},
        {"big_endian_stream.pth", FAIL_UNSUPPORTED, "little-endian"},
        {"version_stream.pth", FAIL_UNSUPPORTED, "version 1001"},
    };

    CHECK(*state, refusals);
}

static void damaged_archives_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"zip_missing.pth", FAIL_FORMAT, "is missing in the archive"},
        {"zip_short.pth", FAIL_FORMAT, "bytes instead of"},
        {"zip_compressed.pth", FAIL_UNSUPPORTED, "compressed"},
        {"zip_no_pickle.pth", FAIL_UNSUPPORTED, "without NAME/data.pkl"},
        {"zip_big_endian.pth", FAIL_UNSUPPORTED, "little-endian"},
        {"zip_pickle_huge.pth", FAIL_LIMIT, "data.pkl has 16777217"},
        {"zip_pickle_empty.pth", FAIL_FORMAT, "in the middle of an object"},
        {"zip_key_slash.pth", FAIL_FORMAT, "storage '/' is missing"},
        {"zip_checksum.pth", FAIL_FORMAT, "CRC"},
    };

    CHECK(*state, refusals);
}

static void archive_written_by_another_program_is_read(void **state)
{
    char path[FIXTURE_PATH];
    struct error err = {0};
    float *floats = NULL;

    fixture_path(path, *state, "zip_rewritten.pth");
    if (fixture_load(&floats, path, &err) != OK)
        fail_msg("%s", err.message);
    free(floats);
}

static void keras_files_that_lead_elsewhere_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"external_link.h5", FAIL_UNSUPPORTED, "block2_conv1/kernel:0"},
        {"external_group.h5", FAIL_UNSUPPORTED, "external or soft links"},
        {"soft_link.h5", FAIL_UNSUPPORTED, "block2_conv1/kernel:0"},
        {"newest_kind.h5", FAIL_UNSUPPORTED, "newer kind"},
        {"virtual.h5", FAIL_UNSUPPORTED, "block2_conv1/kernel:0"},
        {"external_file.h5", FAIL_UNSUPPORTED, "block2_conv1/kernel:0"},
        {"filter_lzf.h5", FAIL_UNSUPPORTED, "filter"},
        {"filter_scaleoffset.h5", FAIL_UNSUPPORTED, "filter"},
    };

    CHECK(*state, refusals);
}

static void keras_files_that_are_no_network_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"missing.h5", FAIL_FORMAT, "block2_conv1/kernel:0"},
        {"missing_group.h5", FAIL_FORMAT, "fc2"},
        {"no_numbers.h5", FAIL_FORMAT, "its numbers were never written"},
        {"shape_huge.h5", FAIL_LIMIT, "block2_conv1/bias:0"},
        {"chunk_huge.h5", FAIL_LIMIT, "block2_conv1/bias:0"},
        {"integers.h5", FAIL_UNSUPPORTED, "block2_conv1/bias:0': its numbers are not"},
        {"long_double.h5", FAIL_UNSUPPORTED, "block2_conv1/bias:0': its numbers are not"},
        {"strings.h5", FAIL_UNSUPPORTED, "block2_conv1/bias:0': its numbers are not"},
        {"scalar.h5", FAIL_FORMAT, "block2_conv1/bias:0': it is not an array"},
        {"bias_length.h5", FAIL_FORMAT, "block2_conv1/bias:0': its shape"},
        {"kernel_order.h5", FAIL_FORMAT, "block2_conv1/kernel:0': its kernel is not 3x3"},
        {"flatten.h5", FAIL_FORMAT, "fc1/fc1/kernel:0': its 96 inputs are not a square map of the 32"},
        {"some_chunks.h5", FAIL_FORMAT, "fc1/fc1/kernel:0': some of its numbers were never"},
        {"chunk_checksum.h5", FAIL_FORMAT, "fc1/fc1/kernel:0': a chunk cannot be decoded"},
        {"chunk_deflate.h5", FAIL_FORMAT, "fc1/fc1/kernel:0': a chunk cannot be decoded"},
        {"complex.h5", FAIL_UNSUPPORTED, "block2_conv1/bias:0': its numbers are not"},
        {"group.h5", FAIL_FORMAT, "block2_conv1/bias:0"},
        {"no_layer_names.h5", FAIL_UNSUPPORTED, "layer_names"},
        {"no_weight_names.h5", FAIL_FORMAT, "'fc1': its attribute 'weight_names'"},
        {"layer_numbers.h5", FAIL_FORMAT, "layer_names"},
        {"layer_twice.h5", FAIL_FORMAT, "two tensors named 'fc1/fc1/bias:0'"},
        {"name_long.h5", FAIL_FORMAT, "layer_names"},
        {"name_root.h5", FAIL_FORMAT, "no such object"},
        {"name_dots.h5", FAIL_FORMAT, "../fc1"},
        {"other_layer.h5", FAIL_FORMAT, "fc1/embeddings:0': its name is not"},
        {"rescaling.h5", FAIL_UNSUPPORTED, "'rescaling': it changes pixels"},
        {"bn_unclear.h5", FAIL_UNSUPPORTED, "'block2_conv1': the file does not tell"},
        {"bn_numbered.h5", FAIL_UNSUPPORTED, "'layers/batch_normalization': the file does not tell"},
        {"config_text.h5", FAIL_FORMAT, "'model_config' is not JSON"},
        {"config_list.h5", FAIL_FORMAT, "'model_config' is not a list"},
        {"config_number.h5", FAIL_FORMAT, "the attribute is not a text"},
        {"config_add.h5", FAIL_UNSUPPORTED, "'add_1': a VGG has no layer of class Add"},
        {"config_elu.h5", FAIL_UNSUPPORTED, "'block2_conv1': its activation is elu"},
        {"config_linear.h5", FAIL_UNSUPPORTED, "no ReLU lies between it and 'block2_conv1'"},
        {"config_valid.h5", FAIL_UNSUPPORTED, "'block2_conv1': its padding is \"valid\""},
        {"config_strides.h5", FAIL_UNSUPPORTED, "'block2_conv1': its strides are not 1"},
        {"config_first.h5", FAIL_UNSUPPORTED, "'block2_conv1': its data_format is channels_first"},
        {"config_bn_late.h5", FAIL_UNSUPPORTED, "'bn': this BatchNormalization follows a ReLU"},
        {"config_rescaling.h5", FAIL_UNSUPPORTED, "'scale': it changes pixels"},
    };

    CHECK(*state, refusals);
}

/* Any end before the last byte is noticed, whatever the format. */
static void truncated_files_are_refused(void **state)
{
    static const char *const files[] = {"small.safetensors", "small.pth", "small_stream.pth", "small.h5"};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char from[FIXTURE_PATH], path[FIXTURE_PATH];
        size_t nbytes;
        fixture_path(from, *state, files[i]);
        fixture_path(path, *state, "truncated");
        unsigned char *bytes = fixture_bytes(&nbytes, from);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, nbytes, file), nbytes);
        fclose(file);
        for (size_t n = nbytes - 1;; n = n > 64 ? n - 1 - n / 40 : n - 1) {
            struct error err = {0};
            float *floats = NULL;
            assert_int_equal(truncate(path, (off_t)n), 0);
            if (fixture_load(&floats, path, &err) == OK)
                fail_msg("%s: %zu of %zu bytes are taken for a whole file", files[i], n, nbytes);
            check_message(&err, path, ": ");
            if (n == 0)
                break;
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest hostile[] = {
        cmocka_unit_test(damaged_safetensors_headers_are_refused),
        cmocka_unit_test(tensors_that_are_no_network_are_refused),
        cmocka_unit_test(numbers_that_are_not_finite_are_named),
        cmocka_unit_test(pickles_that_are_no_state_dicts_are_refused),
        cmocka_unit_test(files_that_are_taken_for_weights_are_named),
        cmocka_unit_test(no_pickle_was_executed),
        cmocka_unit_test(damaged_streams_are_refused),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(archive_written_by_another_program_is_read),
        cmocka_unit_test(keras_files_that_lead_elsewhere_are_refused),
        cmocka_unit_test(keras_files_that_are_no_network_are_refused),
    };
    const struct CMUnitTest valid[] = {cmocka_unit_test(truncated_files_are_refused)};
    int failed = cmocka_run_group_tests(hostile, setup, fixture_teardown);

    return failed + cmocka_run_group_tests(valid, setup_valid, fixture_teardown);
}
