#include "pipeline/config/table.h"

#include <string.h>

#define FIELD(member) offsetof(struct config, member)

#define COMPOSITES                                                                                                     \
    "epsilon_gamma_box|epsilon_plus|epsilon_plus_flat|epsilon_alpha2_beta1|epsilon_alpha2_beta1_flat|zero|epsilon|"    \
    "gamma|zplus"

static const int bias_modes[] = {BIAS_NEURON, BIAS_SPREAD};
static const int pool_modes[] = {POOL_WINNER, POOL_FIRST, POOL_PROPORTIONAL};

static const struct config_key keys[] = {
    {"data", "path", CONFIG_TYPE_PATH, FIELD(data.path), "",
     .help = "folder of class folders, list, IDX, HDF5 or tar file(s)", .required = true, .may_differ = true},
    {"data", "format", CONFIG_TYPE_CHOICE, FIELD(data.format), "auto",
     .help = "format of the dataset; auto decides from the path", .allowed = "auto|folder|list|idx|hdf5|tar",
     .may_differ = true},
    {"data", "labels", CONFIG_TYPE_PATH, FIELD(data.labels), "",
     .help = "separate labels: an IDX file, or the name of an HDF5 dataset", .may_differ = true},
    {"data", "images", CONFIG_TYPE_RANGE, FIELD(data.images), "", .help = "use only images A <= i < B; empty: all"},
    {"data", "shard", CONFIG_TYPE_SHARD, FIELD(data.shard), "1/1",
     .help = "use part K of N of the images, in whole blocks"},
    {"data", "preprocessing", CONFIG_TYPE_CHOICE, FIELD(data.preprocessing), "auto",
     .help =
         "whose preprocessing the network was trained with, which gives the defaults of the keys up to order; auto: "
         "keras-caffe for Keras' files, else torchvision, and images only resized where the input is not 224 pixels "
         "wide",
     .allowed = "auto|torchvision|torchvision-v2|timm|timm-inception|keras-caffe|keras-tf|keras-torch"},
    {"data", "interpolation", CONFIG_TYPE_CHOICE, FIELD(data.interpolation), "auto",
     .help = "how images are resized; auto: as for the model's training", .allowed = "auto|bilinear|bicubic"},
    {"data", "resize", CONFIG_TYPE_OPTIONAL, FIELD(data.resize), "",
     .help = "length of the shorter side after resizing, in pixels; empty: as for the model's training", .low = 1,
     .high = 16384},
    {"data", "crop", CONFIG_TYPE_OPTIONAL, FIELD(data.crop), "",
     .help = "side of the square cropped from the centre, in pixels; empty: the network's input size", .low = 1,
     .high = 16384},
    {"data", "pad", CONFIG_TYPE_OPTIONAL, FIELD(data.pad), "",
     .help = "width of the zero padding on every side, in pixels; empty: none", .low = 0, .high = 4096},
    {"data", "mean", CONFIG_TYPE_REALS, FIELD(data.mean), "",
     .help = "subtracted from each channel, red first; empty: as for the model's training", .low = -1e6, .high = 1e6},
    {"data", "std", CONFIG_TYPE_REALS, FIELD(data.std), "",
     .help = "divisor of each channel, red first; empty: as for the model's training", .low = 1e-6, .high = 1e6},
    {"data", "scale", CONFIG_TYPE_CHOICE, FIELD(data.scale), "auto",
     .help = "mean and std are of pixels from 0 to 1 or from 0 to 255; auto: to 255 for Keras' files, else to 1",
     .allowed = "auto|1|255"},
    {"data", "order", CONFIG_TYPE_CHOICE, FIELD(data.order), "auto",
     .help = "order of colours that the network was trained on, whereas mean and std are always red, green, blue; "
             "auto: bgr for Keras' files, else rgb",
     .allowed = "auto|rgb|bgr"},
    {"data", "max_failed", CONFIG_TYPE_SHARE, FIELD(data.max_failed), "0.01",
     .help = "fraction of the images that may fail before the run counts as failed", .high = 1, .may_differ = true,
     .unclear = "1", .question = "1 can be read as one image or as all: write 100 % for all, or a share such as 0.1 %"},

    {"model", "network", CONFIG_TYPE_NAME, FIELD(model.network), "auto",
     .help = "architecture of a VGG; auto: recognised from the weights", .allowed = "auto|vgg11|vgg13|vgg16|vgg19",
     .may_differ = true},
    {"model", "weights", CONFIG_TYPE_PATH, FIELD(model.weights), "",
     .help = "ONNX file of any network; safetensors, Keras .h5 or PyTorch file of a VGG", .required = true,
     .may_differ = true},
    {"model", "classes", CONFIG_TYPE_PATH, FIELD(model.classes), "",
     .help = "names of the network's outputs, one for each: text with a name on each line, or JSON",
     .may_differ = true},
    {"model", "batchnorm_eps", CONFIG_TYPE_ANY_REAL, FIELD(model.batchnorm_eps), "",
     .help = "epsilon of every BatchNorm; empty: as in the file, else 1e-5 for PyTorch and 1e-3 for Keras",
     .low = 1e-12, .high = 1},

    {"measure", "composite", CONFIG_TYPE_NAME, FIELD(measure.composite), "epsilon_gamma_box",
     .help = "relevance rules for all layers", .allowed = COMPOSITES},
    {"measure", "add", CONFIG_TYPE_NAME, FIELD(measure.add), "composite",
     .help = "rule of adds and averages; composite: that of dense layers", .allowed = "composite|epsilon|zplus|gamma"},
    {"measure", "rule", CONFIG_TYPE_PAIRS, FIELD(measure.rules), "",
     .help = "rule for one layer, or for all that fit a pattern such as layer1.*, of which the last counts: zero, "
             "epsilon E, gamma G, zplus, alphabeta A B, zbox LOW HIGH, wsquare, flat",
     .allowed = "<layer>"},
    {"measure", "bias", CONFIG_TYPE_CHOICE, FIELD(measure.bias), "neuron",
     .help = "treat a bias as a neuron of its own, or spread it over the others", .allowed = "neuron|spread",
     .values = bias_modes},
    {"measure", "pool", CONFIG_TYPE_CHOICE, FIELD(measure.pool), "winner",
     .help = "how max pooling distributes relevance", .allowed = "winner|first|proportional", .values = pool_modes},
    {"measure", "given", CONFIG_TYPE_EXPRESSION, FIELD(measure.given), "none",
     .help = "condition: count all walks (none), only those that reach the pixels (input: every layer then has the "
             "shares of what reaches them), or only those through sets of one or more layers joined by `and`"},
    {"measure", "target", CONFIG_TYPE_TARGET, FIELD(measure.target), "predicted",
     .help = "output to explain: one class, or one class against another"},
    {"measure", "flows", CONFIG_TYPE_FLOWS, FIELD(measure.flows), "auto",
     .help =
         "adjacent: flows between neighbouring layers, without those from one dense layer to the next; dense: these, "
         "too; cuts: between neighbouring layers that no connection jumps over; auto: adjacent, or cuts if that is "
         "more "
         "than 8 million numbers; all: every pair of input and convolutions, far pairs sampled; conv3_3-conv5_3: one "
         "pair, exact; "
         "conv3_3-conv5_3:K: only the K most relevant upper channels of each image",
     .allowed = "none|adjacent|dense|all|cuts|auto", .note = "or a pair of layers such as conv3_3-conv5_3"},
    {"measure", "sweeps", CONFIG_TYPE_REAL, FIELD(measure.sweeps), "1",
     .help = "sampled flows: average number of sweeps from each layer for an image", .low = 1e-3, .high = 1e6},
    {"measure", "query", CONFIG_TYPE_PAIRS, FIELD(measure.queries), "",
     .help = "a set expression, such as conv5_3[155] and conv4_3[7,20:24] given conv5_1[12]@(0:6,0:6)",
     .allowed = "<name>"},

    {"store", "layers", CONFIG_TYPE_WORDS, FIELD(store.layers), "auto",
     .help = "layers whose statistics are stored; auto: those with weights, and those that no connection jumps over"},
    {"store", "per_image", CONFIG_TYPE_WORDS, FIELD(store.per_image), "none",
     .help = "layers whose channel relevance is stored for every image"},
    {"store", "top", CONFIG_TYPE_WHOLE, FIELD(store.top), "16",
     .help = "number of images in each channel's list of highest values", .low = 0, .high = 1000},
    {"store", "class_by", CONFIG_TYPE_CHOICE, FIELD(store.class_by), "target",
     .help = "what determines the class of an image", .allowed = "target|label"},
    {"store", "classes", CONFIG_TYPE_CLASSES, FIELD(store.classes), "all", .help = "classes with separate means"},
    {"store", "class_flows", CONFIG_TYPE_CLASSES, FIELD(store.class_flows), "none",
     .help = "classes with separate flow matrices"},
    {"store", "maps", CONFIG_TYPE_WORDS, FIELD(store.maps), "none",
     .help = "layers whose mean relevance is stored for every neuron"},
    {"store", "histogram_bins", CONFIG_TYPE_WHOLE, FIELD(store.histogram_bins), "64",
     .help = "number of bins of each channel's histogram; 0: none", .low = 0, .high = 4096},
    {"store", "compression", CONFIG_TYPE_WHOLE, FIELD(store.compression), "4", .help = "deflate level; 0: none",
     .low = 0, .high = 9, .may_differ = true},

    {"run", "block", CONFIG_TYPE_WHOLE, FIELD(run.block), "16", .help = "number of images computed together", .low = 1,
     .high = 4096},
    {"run", "epoch", CONFIG_TYPE_SECONDS, FIELD(run.epoch), "10m",
     .help = "time between two durable states; 0: after every block", .low = 0, .high = 1e7, .may_differ = true},
    {"run", "seed", CONFIG_TYPE_WHOLE, FIELD(run.seed), "0", .help = "seed of all random draws", .high = 0x1p64},
    {"run", "memory", CONFIG_TYPE_BYTES, FIELD(run.memory), "",
     .help = "limit on the memory planned for the ranks of one node; empty: no limit", .low = 1, .high = 0x1p60,
     .may_differ = true},
    {"run", "variation_limit", CONFIG_TYPE_REAL, FIELD(run.variation_limit), "1000",
     .help = "an image counts as exploded if a layer's total variation exceeds this", .low = 1, .high = 0x1p23},
    {"run", "lock", CONFIG_TYPE_CHOICE, FIELD(run.lock), "auto",
     .help = "what keeps two runs off one store: the file system's lock, or where it has none a file that the run "
             "renews (auto); always such a file (file); nothing (none)",
     .allowed = "auto|file|none", .may_differ = true},
};

enum { NKEYS = sizeof keys / sizeof keys[0] };

_Static_assert((int)NKEYS <= (int)CONFIG_MAX_KEYS, "config.lines has a place for every key");

const struct config_key *config_table_key(size_t i)
{
    return i < NKEYS ? &keys[i] : NULL;
}

size_t config_table_find(const char *section, const char *name)
{
    for (size_t i = 0; i < NKEYS; i++) {
        size_t n = strlen(keys[i].name);
        if (strcmp(section, keys[i].section) != 0 || strncmp(name, keys[i].name, n) != 0)
            continue;
        if (keys[i].type == CONFIG_TYPE_PAIRS ? name[n] == '.' && name[n + 1] != '\0' : name[n] == '\0')
            return i;
    }
    return NKEYS;
}
