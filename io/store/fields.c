#include "io/store/internal.h"

#include <stdio.h>
#include <string.h>

/* float32 for values per image and channel or per class and pair, because they decide the size of a store of ImageNet.
 * */
static const struct store_field fields[] = {
    {"image", STORE_I32, "image", "Number of an image: its row, as in top_image", "index"},
    {"variable", STORE_TEXT, "variable", "Names of the variables, from the input to the logits", "text"},
    {"class", STORE_TEXT, "class", "Names of the classes", "text"},
    {"flow_class", STORE_I32, "flow_class", "Classes with flow matrices of their own", "class"},
    {"bin", STORE_I32, "bin", "Number of a histogram's bin: from the edge of this number to the next", "index"},
    {"edge", STORE_I32, "edge", "Number of an edge of the histograms", "index"},
    {"rank", STORE_I32, "rank", "Place in a list of images with the highest values; 0: the highest", "index"},
    {"outcome", STORE_TEXT, "outcome", "What an evaluation looks at: p of the target, its logit, its margin", "text"},
    {"likeness", STORE_TEXT, "likeness", "How alike two scores are: cosine, and Pearson's and Spearman's correlation",
     "text"},
    {"half", STORE_TEXT, "half", "All images of an evaluation, and the halves of them with smaller and larger p",
     "text"},

    {"images/path", STORE_TEXT, "image", "Path of the image in the dataset", "text"},
    {"images/label", STORE_I32, "image", "Class of the image; -1: unknown", "class"},
    {"images/predicted", STORE_I32, "image", "Class with the highest logit", "class"},
    {"images/target", STORE_I32, "image", "Class whose logit is explained", "class"},
    {"images/logit", STORE_F32, "image", "Logit of the target; for a contrast A-B the difference of the two", "1"},
    {"images/probability", STORE_F32, "image", "Softmax probability of the target; NaN for a contrast", "1"},
    {"images/status", STORE_STATUS, "image", "What became of the image", "code"},
    {"images/mass", STORE_F64, "image,variable",
     "Relevance of all neurons of a variable; mass + bypass + bias + absorbed = 1", "1"},
    {"images/bypass", STORE_F64, "image,variable",
     "Relevance that connections carry past a variable, in the order of the network; zero at cuts", "1"},
    {"images/variation", STORE_F64, "image,variable",
     "Total variation: sum of |relevance| over neurons, bypass, bias and absorbed", "1"},
    {"images/bias", STORE_F64, "image,variable", "Relevance of the bias neuron of a variable", "1"},
    {"images/absorbed", STORE_F64, "image,variable", "Relevance taken by stabilizers and empty denominators", "1"},
    {"images/margin", STORE_F32, "image", "Logit of the target less the largest other one", "1"},
    {"images/second", STORE_I32, "image", "Class with the highest logit besides the target", "class"},
    {"images/given_mass", STORE_F64, "image", "Relevance of the condition; 1 without one. Its mean divides the means",
     "1"},

    {"layers/*/channel", STORE_I32, "channel", "Channel number", "index"},
    {"layers/*/y", STORE_I32, "y", "Row of a map, from the top", "index"},
    {"layers/*/x", STORE_I32, "x", "Column of a map, from the left", "index"},
    {"layers/*/count", STORE_U64, "channel", "Images counted", "images"},
    {"layers/*/mean", STORE_F64, "channel", "Mean relevance of a channel over the images", "1"},
    {"layers/*/std", STORE_F64, "channel", "Standard deviation of the relevance over the images (n - 1)", "1"},
    {"layers/*/std_error", STORE_F64, "channel", "Standard error of the mean", "1"},
    {"layers/*/mean_positive", STORE_F64, "channel", "Mean of max(relevance, 0) over all images", "1"},
    {"layers/*/mean_negative", STORE_F64, "channel", "Mean of min(relevance, 0) over all images", "1"},
    {"layers/*/activation_mean", STORE_F64, "channel",
     "Mean activation of a channel over its positions and the images, whatever the condition", "1"},
    {"layers/*/min", STORE_F64, "channel", "Lowest relevance of an image, not divided by the condition", "1"},
    {"layers/*/max", STORE_F64, "channel", "Highest relevance of an image, not divided by the condition", "1"},
    {"layers/*/histogram", STORE_U64, "channel,bin", "Images by relevance, not divided by the condition", "images"},
    {"layers/*/histogram_edges", STORE_F64, "edge", "Edges of the histogram's bins, signed logarithmic", "1"},
    {"layers/*/class_mean", STORE_F64, "class,channel", "Mean relevance over the images of a class", "1"},
    {"layers/*/class_std_error", STORE_F64, "class,channel", "Standard error of a class's mean", "1"},
    {"layers/*/class_count", STORE_U64, "class", "Images of a class", "images"},
    {"layers/*/map_mean", STORE_F32, "channel,y,x", "Mean relevance of a neuron over the images", "1"},
    {"layers/*/relevance", STORE_F32, "image,channel", "Relevance of an image, not divided by the condition", "1"},
    {"layers/*/top_image", STORE_I64, "channel,rank", "Images with the channel's highest relevance; unused: -1",
     "image"},
    {"layers/*/top_value", STORE_F64, "channel,rank", "Relevance of the channel in these images", "1"},
    {"layers/*/top_position", STORE_I64, "channel,rank", "Position y*W+x of the channel's largest neuron in them",
     "index"},
    {"layers/*/active_image", STORE_I64, "channel,rank", "Images with the channel's highest activation; unused: -1",
     "image"},
    {"layers/*/active_value", STORE_F64, "channel,rank", "Activation of the channel's largest neuron in these images",
     "1"},
    {"layers/*/active_position", STORE_I64, "channel,rank", "Position y*W+x of that neuron", "index"},

    {"flows/*/upper_channel", STORE_I32, "upper_channel", "Channel number in the upper variable", "index"},
    {"flows/*/lower_channel", STORE_I32, "lower_channel", "Channel number in the lower variable", "index"},
    {"flows/*/mean", STORE_F64, "upper_channel,lower_channel", "Mean joint relevance of two channels over the images",
     "1"},
    {"flows/*/std_error", STORE_F64, "upper_channel,lower_channel", "Standard error of the mean", "1"},
    {"flows/*/to_bias", STORE_F64, "upper_channel", "Mean relevance that goes from a channel to the bias neuron", "1"},
    {"flows/*/absorbed", STORE_F64, "upper_channel", "Mean relevance of a channel that the link absorbs", "1"},
    {"flows/*/lost", STORE_F64, "upper_channel", "Mean relevance of a channel that never reaches the lower variable",
     "1"},
    {"flows/*/around", STORE_F64, "lower_channel",
     "Mean relevance of a lower channel that never passed the upper variable", "1"},
    {"flows/*/diagonal_mean", STORE_F64, "upper_channel",
     "Mean joint relevance of an upper channel and the one lower channel that it reads: add, average, depthwise", "1"},
    {"flows/*/diagonal_std_error", STORE_F64, "upper_channel", "Standard error of diagonal_mean", "1"},
    {"flows/*/diagonal_lower", STORE_I32, "upper_channel", "That lower channel; -1: none", "index"},
    {"flows/*/diagonal_class_mean", STORE_F32, "flow_class,upper_channel", "diagonal_mean over the images of a class",
     "1"},
    {"flows/*/diagonal_class_std_error", STORE_F32, "flow_class,upper_channel", "Standard error of diagonal_class_mean",
     "1"},
    {"flows/*/left_out", STORE_F64, "upper_channel", "Mean relevance of a channel in images without a row of it", "1"},
    {"flows/*/class_mean", STORE_F32, "flow_class,upper_channel,lower_channel",
     "Mean joint relevance over the images of a class", "1"},
    {"flows/*/class_std_error", STORE_F32, "flow_class,upper_channel,lower_channel", "Standard error of a class's mean",
     "1"},
    {"flows/*/sampling_error", STORE_F64, "upper_channel,lower_channel",
     "Standard error against the exact mean of these images", "1"},
    {"flows/*/draws", STORE_U64, "upper_channel", "Images whose row of a channel was computed", "images"},
    {"flows/*/chances", STORE_U64, "upper_channel", "Those of them that were drawn with a probability below one",
     "images"},

    {"network/links/name", STORE_TEXT, "link", "Name of the variable that the link writes", "text"},
    {"network/links/kind", STORE_TEXT, "link", "convolution, dense, pool, average, add, channels, gate or pass",
     "text"},
    {"network/links/activation", STORE_TEXT, "link",
     "none, relu, clip, leaky, sigmoid, hard_sigmoid, silu, hard_swish or gelu", "text"},
    {"network/links/activation_a", STORE_F32, "link", "First number of the activation", "1"},
    {"network/links/activation_b", STORE_F32, "link", "Second number of the activation", "1"},
    {"network/links/channels", STORE_I64, "link", "Channels of the variable", "1"},
    {"network/links/height", STORE_I64, "link", "Rows of its map", "1"},
    {"network/links/width", STORE_I64, "link", "Columns of its map", "1"},
    {"network/links/window_height", STORE_I64, "link", "Rows of a window of a convolution, pool or average", "1"},
    {"network/links/window_width", STORE_I64, "link", "Columns of a window", "1"},
    {"network/links/stride_down", STORE_I64, "link", "Rows from a window to the next", "1"},
    {"network/links/stride_across", STORE_I64, "link", "Columns from a window to the next", "1"},
    {"network/links/pad_top", STORE_I64, "link", "Rows of padding above the map", "1"},
    {"network/links/pad_left", STORE_I64, "link", "Columns of padding on its left", "1"},
    {"network/links/pad_bottom", STORE_I64, "link", "Rows of padding below", "1"},
    {"network/links/pad_right", STORE_I64, "link", "Columns of padding on its right", "1"},
    {"network/links/groups", STORE_I64, "link", "Groups of channels of a convolution", "1"},
    {"network/links/gate", STORE_I64, "link", "Number of the variable that multiplies, of a gate", "index"},
    {"network/links/count_padding", STORE_I64, "link", "1: an average divides by all of its window, padding included",
     "1"},
    {"network/links/weighted", STORE_I64, "link", "1: a pass has weights", "1"},
    {"network/links/link", STORE_I32, "link", "Number of the link, which writes the variable after it", "index"},
    {"network/edges/connection", STORE_I32, "connection", "Number of the edge", "index"},
    {"network/edges/link", STORE_I64, "connection", "Number of the link that reads", "index"},
    {"network/edges/reads", STORE_I64, "connection", "Number of the variable that it reads; 0: the input", "index"},
    {"network/edges/channel_from", STORE_I64, "connection", "First channel read, of a link of the kind channels",
     "index"},
    {"network/edges/channel_to", STORE_I64, "connection", "The channel that it becomes", "index"},
    {"network/edges/channel_step", STORE_I64, "connection", "Step from there to the next", "1"},
    {"network/edges/channel_count", STORE_I64, "connection", "Number of channels", "1"},

    {"queries/*/value", STORE_F64, "image", "Relevance of the query's numerator", "1"},
    {"queries/*/given", STORE_F64, "image", "Relevance of the query's condition; 1 without one", "1"},
    {"queries/*/mean", STORE_F64, "", "Ratio of the means of value and given", "1"},
    {"queries/*/std_error", STORE_F64, "", "Standard error of the mean", "1"},
    {"queries/*/channel", STORE_I32, "channel", "Channel number in the layer of the map", "index"},
    {"queries/*/y", STORE_I32, "y", "Row of the map, from the top", "index"},
    {"queries/*/x", STORE_I32, "x", "Column of the map, from the left", "index"},
    {"queries/*/map", STORE_F32, "image,channel,y,x", "Relevance of the query's walks through a neuron of a layer",
     "1"},

    {"evaluation/*/*/drawn", STORE_I32, "image,draw", "Channels of the place that were replaced, each alone", "index"},
    {"evaluation/*/*/damage", STORE_F32, "image,draw", "Logit that the target loses without the channel", "1"},
    {"evaluation/*/*/draw", STORE_I32, "draw", "Number of a draw", "index"},
    {"evaluation/*/*/*/fraction", STORE_F64, "fraction", "Share of the units that is replaced", "1"},
    {"evaluation/*/*/*/curve_morf", STORE_F32, "image,fraction,outcome", "With the first units of the order replaced",
     "1"},
    {"evaluation/*/*/*/curve_lerf", STORE_F32, "image,fraction,outcome", "With the last units of the order replaced",
     "1"},
    {"evaluation/*/*/*/gain", STORE_F64, "image,outcome", "Area of curve_lerf less that of curve_morf; 0 at random",
     "1"},
    {"evaluation/*/*/*/gain_mean", STORE_F64, "half,outcome", "Mean gain over the images", "1"},
    {"evaluation/*/*/*/gain_error", STORE_F64, "half,outcome", "Standard error of gain_mean", "1"},
    {"evaluation/*/*/*/gain_difference", STORE_F64, "half,outcome",
     "Mean gain less that of the order by relevance, paired by image", "1"},
    {"evaluation/*/*/*/gain_difference_error", STORE_F64, "half,outcome", "Standard error of gain_difference", "1"},
    {"evaluation/*/*/*/similarity", STORE_F64, "image,likeness",
     "How alike scores are: of order and damage, or for target and runner-up; of the cosine the magnitude", "1"},
    {"evaluation/*/*/*/similarity_mean", STORE_F64, "half,likeness", "Mean similarity over the images", "1"},
    {"evaluation/*/*/*/similarity_error", STORE_F64, "half,likeness", "Standard error of similarity_mean", "1"},
    {"evaluation/*/*/*/similarity_difference", STORE_F64, "half,likeness",
     "Mean similarity less that of relevance, paired by image", "1"},
    {"evaluation/*/*/*/similarity_difference_error", STORE_F64, "half,likeness",
     "Standard error of similarity_difference", "1"},
    {"evaluation/*/*/*/accuracy", STORE_F64, "fraction", "Share of the images that is classified as labelled", "1"},
    {"evaluation/*/*/*/accuracy_error", STORE_F64, "fraction", "Standard error of accuracy", "1"},
    {"evaluation/*/*/*/accuracy_difference", STORE_F64, "fraction",
     "Accuracy by the first order less that by this one, paired by image", "1"},
    {"evaluation/*/*/*/accuracy_difference_error", STORE_F64, "fraction", "Standard error of accuracy_difference", "1"},
    {"evaluation/*/*/*/agreement", STORE_F64, "fraction", "Share that is classified as by the whole network", "1"},
    {"evaluation/*/*/*/agreement_error", STORE_F64, "fraction", "Standard error of agreement", "1"},
    {"evaluation/*/*/*/outcome_mean", STORE_F64, "fraction,outcome", "Mean outcomes over the images", "1"},
    {"evaluation/*/*/*/outcome_error", STORE_F64, "fraction,outcome", "Standard errors of outcome_mean", "1"},

    {"classes/name", STORE_TEXT, "class", "Name of the class, as in /class", "text"},
    {"classes/count", STORE_U64, "class", "Images of a class", "images"},
    {"classes/given_mass", STORE_F64, "class", "Mean relevance of the condition over the images of a class", "1"},
    {"classes/given_std_error", STORE_F64, "class", "Standard error of given_mass", "1"},

    {"state/sums", STORE_U64, "word", "Exact sums over the finished blocks, from which the run goes on", "code"},
    {"state/layers", STORE_I64, "weighted,size",
     "Outputs and inputs of the weighted layers; of early versions, without /network", "1"},
    {"state/rows", STORE_F32, "image,word", "What an unfinished evaluation knows of the images; NaN: not yet computed",
     "code"},
    {"state/answers", STORE_F64, "answer,word",
     "What networks without some edges or channels have answered so far: outcomes, predicted class, target, read",
     "code"},
    {"state/activation_mean", STORE_F64, "size", "Mean activation of every channel of the network", "1"},
    {"state/word", STORE_I32, "word", "The dimension of the sums, without numbers of its own", "index"},
    {"state/answer", STORE_I32, "answer", "The dimension of the answers, without numbers of its own", "index"},
    {"state/weighted", STORE_I32, "weighted", "Number of a weighted layer", "index"},
    {"state/size", STORE_I32, "size", "0: outputs; 1: inputs", "index"},
    {"state/file_bytes", STORE_I64, "image", "Size of the image's file when the run began; -1: it could not be opened",
     "bytes"},
    {"state/file_time", STORE_I64, "image", "Time of the file's last change, since 1970; -1: it could not be opened",
     "ns"},
    {"state/part", STORE_I32, "part", "Number of a file", "index"},
    {"state/parts", STORE_TEXT, "part", "Files with the rows of the finished blocks, beside an unfinished store",
     "text"},
};

static double positive_part(double relevance)
{
    return relevance > 0 ? relevance : 0;
}

static double negative_part(double relevance)
{
    return relevance < 0 ? relevance : 0;
}

static const struct store_function functions[] = {
    {"mean_positive", positive_part},
    {"mean_negative", negative_part},
};

/* Datasets that may be missing although their group exists: they depend on options or on the kind of flow, or belong to
 * an axis that no dataset has. */
static const char *const optional[] = {
    "image",
    "flow_class",
    "bin",
    "edge",
    "rank",
    "layers/*/y",
    "layers/*/x",
    "layers/*/activation_mean",
    "layers/*/histogram",
    "layers/*/histogram_edges",
    "layers/*/class_mean",
    "layers/*/class_std_error",
    "layers/*/class_count",
    "layers/*/map_mean",
    "layers/*/relevance",
    "flows/*/to_bias",
    "flows/*/absorbed",
    "flows/*/lost",
    "flows/*/left_out",
    "flows/*/class_mean",
    "flows/*/class_std_error",
    "flows/*/sampling_error",
    "flows/*/draws",
    "flows/*/chances",
    "queries/*/channel",
    "queries/*/y",
    "queries/*/x",
    "flows/*/mean",
    "flows/*/std_error",
    "flows/*/lower_channel",
    "flows/*/around",
    "flows/*/diagonal_mean",
    "flows/*/diagonal_std_error",
    "flows/*/diagonal_lower",
    "flows/*/diagonal_class_mean",
    "flows/*/diagonal_class_std_error",
    "images/bypass",
    "outcome",
    "likeness",
    "half",
    "images/margin",
    "images/second",
    "state/rows",
    "state/answers",
    "state/activation_mean",
    "evaluation/*/*/drawn",
    "evaluation/*/*/damage",
    "evaluation/*/*/draw",
    "evaluation/*/*/*/fraction",
    "evaluation/*/*/*/curve_morf",
    "evaluation/*/*/*/curve_lerf",
    "evaluation/*/*/*/gain",
    "evaluation/*/*/*/gain_mean",
    "evaluation/*/*/*/gain_error",
    "evaluation/*/*/*/gain_difference",
    "evaluation/*/*/*/gain_difference_error",
    "evaluation/*/*/*/similarity",
    "evaluation/*/*/*/similarity_mean",
    "evaluation/*/*/*/similarity_error",
    "evaluation/*/*/*/similarity_difference",
    "evaluation/*/*/*/similarity_difference_error",
    "evaluation/*/*/*/accuracy",
    "evaluation/*/*/*/accuracy_error",
    "evaluation/*/*/*/accuracy_difference",
    "evaluation/*/*/*/accuracy_difference_error",
    "evaluation/*/*/*/agreement",
    "evaluation/*/*/*/agreement_error",
    "evaluation/*/*/*/outcome_mean",
    "evaluation/*/*/*/outcome_error",
    "state/layers",
    "queries/*/map",
    "classes/name",
    "classes/count",
    "classes/given_mass",
    "classes/given_std_error",
    "state/word",
    "state/answer",
    "state/weighted",
    "state/size",
    "state/part",
    "state/file_bytes",
    "state/file_time",
};

static const struct store_attribute attributes[] = {
    {"", "format", STORE_ATTRIBUTE_TEXT, true},
    {"", "format_version", STORE_ATTRIBUTE_INT, true},
    {"", "program_version", STORE_ATTRIBUTE_TEXT, true},
    {"", "config", STORE_ATTRIBUTE_TEXT, true},
    {"", "network", STORE_ATTRIBUTE_TEXT, true},
    {"", "composite", STORE_ATTRIBUTE_TEXT, true},
    {"", "bias", STORE_ATTRIBUTE_TEXT, true},
    {"", "pool", STORE_ATTRIBUTE_TEXT, true},
    {"", "given", STORE_ATTRIBUTE_TEXT, true},
    {"", "target", STORE_ATTRIBUTE_TEXT, true},
    {"", "model_sha256", STORE_ATTRIBUTE_TEXT, true},
    {"", "dataset", STORE_ATTRIBUTE_TEXT, true},
    {"", "dataset_sha256", STORE_ATTRIBUTE_TEXT, true},
    {"", "dataset_count", STORE_ATTRIBUTE_INT, true},
    {"", "first_image", STORE_ATTRIBUTE_INT, true},
    {"", "pixel_preprocessing", STORE_ATTRIBUTE_TEXT, false},
    {"", "pixel_scale", STORE_ATTRIBUTE_INT, false},
    {"", "pixel_order", STORE_ATTRIBUTE_TEXT, false},
    {"", "pixel_mean", STORE_ATTRIBUTE_TEXT, false},
    {"", "pixel_std", STORE_ATTRIBUTE_TEXT, false},
    {"", "pixel_resize", STORE_ATTRIBUTE_INT, false},
    {"", "pixel_resampling", STORE_ATTRIBUTE_TEXT, false},
    {"", "pixel_crop", STORE_ATTRIBUTE_INT, false},
    {"", "pixel_pad", STORE_ATTRIBUTE_INT, false},
    {"", "isa", STORE_ATTRIBUTE_TEXT, true},
    {"", "blas_core", STORE_ATTRIBUTE_TEXT, true},
    {"", "seed", STORE_ATTRIBUTE_INT, true},
    {"", "shard", STORE_ATTRIBUTE_TEXT, false},
    {"", "complete", STORE_ATTRIBUTE_INT, true},
    {"", "finished", STORE_ATTRIBUTE_INT, false},
    {"", "given_mean", STORE_ATTRIBUTE_REAL, true},
    {"", "given_std_error", STORE_ATTRIBUTE_REAL, true},
    {"", "weak_condition", STORE_ATTRIBUTE_INT, false},
    {"", "condition_warning", STORE_ATTRIBUTE_TEXT, false},
    {"evaluation", "settings", STORE_ATTRIBUTE_TEXT, true},
    {"evaluation", "verdicts", STORE_ATTRIBUTE_TEXT, false},
    {"evaluation/*/*/*", "units", STORE_ATTRIBUTE_INT, false},
    {"layers/*", "cut", STORE_ATTRIBUTE_INT, false},
    {"layers/*", "kind", STORE_ATTRIBUTE_TEXT, false},
    {"layers/*", "rule", STORE_ATTRIBUTE_TEXT, false},
    {"network", "input_channels", STORE_ATTRIBUTE_INT, true},
    {"network", "input_height", STORE_ATTRIBUTE_INT, true},
    {"network", "input_width", STORE_ATTRIBUTE_INT, true},
    {"flows/*", "method", STORE_ATTRIBUTE_TEXT, true},
    {"queries/*", "expression", STORE_ATTRIBUTE_TEXT, true},
    {"queries/*", "given_mean", STORE_ATTRIBUTE_REAL, true},
    {"queries/*", "given_std_error", STORE_ATTRIBUTE_REAL, true},
    {"queries/*", "weak_condition", STORE_ATTRIBUTE_INT, false},
};

static const struct store_axis axes[] = {
    {"image", true, STORE_SCALE_NUMBERS},
    {"variable", true, STORE_SCALE_WRITTEN},
    {"class", true, STORE_SCALE_WRITTEN},
    {"flow_class", true, STORE_SCALE_WRITTEN},
    {"bin", true, STORE_SCALE_NUMBERS},
    {"edge", true, STORE_SCALE_NUMBERS},
    {"rank", true, STORE_SCALE_NUMBERS},
    {"outcome", true, STORE_SCALE_WRITTEN},
    {"likeness", true, STORE_SCALE_WRITTEN},
    {"half", true, STORE_SCALE_WRITTEN},
    {"fraction", false, STORE_SCALE_WRITTEN},
    {"draw", false, STORE_SCALE_NUMBERS},
    {"channel", false, STORE_SCALE_NUMBERS},
    {"y", false, STORE_SCALE_NUMBERS},
    {"x", false, STORE_SCALE_NUMBERS},
    {"upper_channel", false, STORE_SCALE_NUMBERS},
    {"lower_channel", false, STORE_SCALE_NUMBERS},
    {"link", false, STORE_SCALE_NUMBERS},
    {"connection", false, STORE_SCALE_NUMBERS},
    {"word", false, STORE_SCALE_BARE},
    {"answer", false, STORE_SCALE_BARE},
    {"weighted", false, STORE_SCALE_NUMBERS},
    {"size", false, STORE_SCALE_NUMBERS},
    {"part", false, STORE_SCALE_NUMBERS},
};

/* Where version 1 had a dataset that has moved since. */
static const struct {
    const char *path, *old;
} moved[] = {
    {"variable", "images/variable"},
    {"class", "classes/name"},
    {"flow_class", "classes/flow_class"},
};

static const struct store_group groups[] = {
    {"", "NXroot", NULL, {NULL}},
    {"images", "NXdata", "probability", {"."}},
    {"layers", "NXentry", NULL, {NULL}},
    {"layers/*", "NXdata", "mean", {"channel"}},
    {"flows", "NXentry", NULL, {NULL}},
    {"flows/*", "NXdata", "mean", {"upper_channel", "lower_channel"}},
    {"network", "NXcollection", NULL, {NULL}},
    {"evaluation", "NXcollection", NULL, {NULL}},
    {"evaluation/*", "NXcollection", NULL, {NULL}},
    {"evaluation/*/*", "NXcollection", NULL, {NULL}},
    {"evaluation/*/*/*", "NXcollection", NULL, {NULL}},
    {"network/links", "NXcollection", NULL, {NULL}},
    {"network/edges", "NXcollection", NULL, {NULL}},
    {"queries", "NXentry", NULL, {NULL}},
    {"queries/*", "NXdata", "value", {"."}},
    {"classes", "NXdata", "count", {"."}},
    {"state", "NXcollection", NULL, {NULL}},
};

const struct store_field *store_fields(size_t *count)
{
    *count = sizeof fields / sizeof fields[0];
    return fields;
}

const struct store_function *store_functions(size_t *count)
{
    *count = sizeof functions / sizeof functions[0];
    return functions;
}

/* Whether a star may stand for this name. */
static bool good_name(const char *name, size_t length)
{
    return length > 0 && length < STORE_NAME && !(name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')));
}

static bool matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t npattern = strcspn(pattern, "/"), npath = strcspn(path, "/");
        bool star = npattern == 1 && pattern[0] == '*';

        if (star ? !good_name(path, npath) : npattern != npath || strncmp(pattern, path, npath) != 0)
            return false;
        if (pattern[npattern] != path[npath])
            return false;
        if (!pattern[npattern])
            return true;
        pattern += npattern + 1;
        path += npath + 1;
    }
}

const struct store_field *store_field(const char *path)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (matches(fields[i].path, path))
            return &fields[i];
    return NULL;
}

bool store_field_optional(const struct store_field *field)
{
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
        if (strcmp(optional[i], field->path) == 0)
            return true;
    return false;
}

const char *store_path_in(const char *path, int64_t version)
{
    for (size_t i = 0; version == 1 && i < sizeof moved / sizeof moved[0]; i++)
        if (strcmp(moved[i].path, path) == 0)
            return moved[i].old;
    return path;
}

const struct store_field *store_field_at(const char *path, int64_t version)
{
    for (size_t i = 0; version == 1 && i < sizeof moved / sizeof moved[0]; i++)
        if (strcmp(moved[i].old, path) == 0)
            return store_field(moved[i].path);
    return store_field(path);
}

bool store_field_in(const struct store_field *field, const char *group, int64_t version)
{
    const char *path = store_path_in(field->path, version), *slash = strrchr(path, '/');
    char pattern[STORE_NAME];

    snprintf(pattern, sizeof pattern, "%.*s", slash ? (int)(slash - path) : 0, path);
    return matches(pattern, group);
}

const struct store_attribute *store_next_attribute(const struct store_attribute *after, const char *object)
{
    const struct store_attribute *end = attributes + sizeof attributes / sizeof attributes[0];

    for (after = after ? after + 1 : attributes; after < end; after++)
        if (matches(after->object, object))
            return after;
    return NULL;
}

const struct store_axis *store_find_axis(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++)
        if (strlen(axes[i].name) == length && strncmp(axes[i].name, name, length) == 0)
            return &axes[i];
    return NULL;
}

const struct store_group *store_find_group(const char *path)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (matches(groups[i].path, path))
            return &groups[i];
    return NULL;
}

size_t store_count_axes(const struct store_field *field)
{
    size_t count = field->axes[0] != '\0';

    for (const char *at = field->axes; (at = strchr(at, ',')); at++)
        count++;
    return count;
}

const char *store_axis_name(const struct store_field *field, size_t axis, size_t *length)
{
    const char *name = field->axes;

    for (; axis; axis--)
        name = strchr(name, ',') + 1;
    *length = strcspn(name, ",");
    return name;
}

const char *store_status_name(int64_t status)
{
    static const char *const names[] = {"ok", "unread", "unsupported", "exploded", "undefined"};

    return status >= 0 && status < STORE_NSTATUS ? names[status] : "invalid";
}

const char *store_type_name(enum store_type type)
{
    static const char *const names[] = {"float32", "float64", "int32", "int64", "uint64", "uint8", "text"};

    return names[type];
}

void store_scale_path(char *path, size_t nbytes, const struct store_axis *axis, const char *dataset)
{
    const char *slash = strrchr(dataset, '/');
    int folder = slash && !axis->shared ? (int)(slash + 1 - dataset) : 0;

    snprintf(path, nbytes, "%.*s%s", folder, dataset, axis->name);
}

bool store_scale_linked(const struct store_axis *axis)
{
    return axis->shared && axis->scale == STORE_SCALE_WRITTEN;
}

bool store_is_link(const char *path)
{
    const char *slash = strrchr(path, '/');
    const struct store_axis *axis = slash ? store_find_axis(slash + 1, strlen(slash + 1)) : NULL;

    return axis && store_scale_linked(axis);
}
