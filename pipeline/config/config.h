/* The configuration of a run: an INI file, changed by --set section.key=value.
 *
 * One table (config/table.c) defines each key: section, name, type, default, range and help. It drives the parser, the
 * help (config/help.h), the checks and the text in the store (config/text.h). After config_parse the struct is
 * const, but for config_set.
 *
 * Paths are relative to the folder of the INI file, or with --set to the working folder; `~` and variables of the
 * environment are expanded. A # behind a blank begins a comment, but not in --set. An empty value means "not
 * given" if the type allows it. An indented line continues the value of the line before.
 *
 * Not collective: rank 0 reads the file, all ranks parse the same text.
 */
#ifndef NRMFLOW_PIPELINE_CONFIG_CONFIG_H
#define NRMFLOW_PIPELINE_CONFIG_CONFIG_H

#include "io/base/error.h"
#include "kernels/measure/measure.h"
#include "pipeline/util/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_MAX_KEYS = 48, CONFIG_MAX_REALS = 16, CONFIG_MAX_BYTES = 1 << 20 };

enum config_format {
    CONFIG_FORMAT_AUTO,
    CONFIG_FORMAT_FOLDER,
    CONFIG_FORMAT_LIST,
    CONFIG_FORMAT_IDX,
    CONFIG_FORMAT_HDF5,
    CONFIG_FORMAT_TAR
};

enum config_preprocessing {
    CONFIG_PREPROCESSING_AUTO,
    CONFIG_PREPROCESSING_TORCHVISION,
    CONFIG_PREPROCESSING_TORCHVISION_V2,
    CONFIG_PREPROCESSING_TIMM,
    CONFIG_PREPROCESSING_TIMM_INCEPTION,
    CONFIG_PREPROCESSING_KERAS_CAFFE,
    CONFIG_PREPROCESSING_KERAS_TF,
    CONFIG_PREPROCESSING_KERAS_TORCH
};

enum config_interpolation { CONFIG_INTERPOLATION_AUTO, CONFIG_INTERPOLATION_BILINEAR, CONFIG_INTERPOLATION_BICUBIC };

enum config_scale { CONFIG_SCALE_AUTO, CONFIG_SCALE_1, CONFIG_SCALE_255 };

enum config_order { CONFIG_ORDER_AUTO, CONFIG_ORDER_RGB, CONFIG_ORDER_BGR };

enum config_lock { CONFIG_LOCK_AUTO, CONFIG_LOCK_FILE, CONFIG_LOCK_NONE };

enum config_target_kind {
    CONFIG_TARGET_PREDICTED,
    CONFIG_TARGET_LABEL,
    CONFIG_TARGET_CLASS,   /* class a */
    CONFIG_TARGET_CONTRAST /* z_a - z_b */
};

enum config_class_by { CONFIG_BY_TARGET, CONFIG_BY_LABEL };

enum {
    CONFIG_FLOWS_ADJACENT = 1,
    CONFIG_FLOWS_DENSE = 2,
    CONFIG_FLOWS_ALL = 4,
    CONFIG_FLOWS_CUTS = 8,
    CONFIG_FLOWS_AUTO = 16
};

struct config_target {
    enum config_target_kind kind;
    size_t a, b;
};

/* A path, both "" if not given. If the value is not a path, such as the name of a dataset in an HDF5 file, use
 * `given`. */
struct config_path {
    char *given; /* as written */
    char *file;  /* ready to open */
};

/* A whole number that need not be set. */
struct config_size {
    bool set;
    size_t value;
};

/* A real number that need not be set. */
struct config_real {
    bool set;
    double value;
};

struct config_reals {
    size_t count; /* 0: not given */
    double values[CONFIG_MAX_REALS];
};

/* Part `index` of `count`, 1 <= index <= count. */
struct config_shard {
    size_t index, count;
};

/* Names, or all names. */
struct config_words {
    bool all;
    size_t count;
    char **items;
};

/* Flow matrices: groups of pairs, and single pairs "conv3_3-conv5_3", "conv3_3-conv5_3:16" in ascending order. */
struct config_flows {
    unsigned groups; /* CONFIG_FLOWS_... */
    struct config_words pairs;
};

/* Numbers in ascending order without repetition, or all numbers. */
struct config_classes {
    bool all;
    size_t count;
    size_t *items;
};

/* Keys whose names the user chooses, such as rule.<layer>: in ascending order of their names, or as they were given if
 * one of the names is a pattern, such as layer1.*. */
struct config_pair {
    char *name, *text;
    size_t line; /* as config.lines */
};

struct config_pairs {
    size_t count;
    struct config_pair *items;
};

struct config_data {
    struct config_path path, labels;
    enum config_format format;
    struct range images;
    struct config_shard shard;
    enum config_preprocessing preprocessing; /* what the other keys' defaults are taken from */
    enum config_interpolation interpolation; /* of resizing */
    struct config_size resize, crop, pad;
    struct config_reals mean, std;
    enum config_scale scale; /* of mean and std */
    enum config_order order;
    double max_failed; /* share of the images, 0 to 1 */
};

struct config_model {
    char *network; /* "auto" or "vgg16", ... */
    struct config_path weights, classes;
    struct config_real batchnorm_eps;
};

struct config_measure {
    char *composite;
    char *add; /* "composite", or the rule of adds and averages */
    struct config_pairs rules;
    enum bias_mode bias;
    enum pool_mode pool;
    char *given; /* none, input, or a set expression */
    struct config_target target;
    struct config_flows flows;
    double sweeps; /* of sampled flows: mean number for each layer and image */
    struct config_pairs queries;
};

struct config_store {
    struct config_words layers; /* one item "auto": cuts and layers with weights */
    struct config_words per_image;
    size_t top;
    enum config_class_by class_by;
    struct config_classes classes, class_flows;
    struct config_words maps;
    size_t histogram_bins;
    size_t compression;
};

struct config_run {
    size_t block;
    double epoch; /* seconds */
    uint64_t seed;
    struct config_size memory; /* bytes */
    double variation_limit;
    enum config_lock lock;
};

struct config {
    struct config_data data;
    struct config_model model;
    struct config_measure measure;
    struct config_store store;
    struct config_run run;
    char *name;                    /* of the INI file, for messages */
    size_t lines[CONFIG_MAX_KEYS]; /* where each key of the table was set: CONFIG_DEFAULT, CONFIG_SET or a line */
};

enum { CONFIG_DEFAULT = 0 };

#define CONFIG_SET SIZE_MAX

/* Read a whole INI file. The caller frees *text. Errors: FAIL_SYSTEM if it cannot be read, FAIL_CONFIG if it is not
 * text or is larger than CONFIG_MAX_BYTES. */
enum status config_read(char **text, const char *path, struct error *err);

/* Parse an INI text and the assignments of --set, "section.key=value".
 *
 *   out    out  to be freed with config_free, also after a failure
 *   text   in   contents of the file
 *   path   in   its path, for messages; its folder is the base of relative paths
 *   sets   in   [nsets] applied last
 * Errors: FAIL_CONFIG with file, line, key and the nearest valid name; FAIL_SYSTEM without memory. */
enum status config_parse(struct config *out, const char *text, const char *path, const char *const *sets, size_t nsets,
                         struct error *err);

/* Parse the text that a store keeps, in which a # is part of a value, paths stay as they were written, and nothing is
 * unclear. Errors as config_parse. */
enum status config_parse_stored(struct config *out, const char *text, const char *path, struct error *err);

/* Set a key after config_parse, whatever it was before: as by --set, and so do messages call it. Not for keys whose
 * names the user chooses (config_pairs_set does that). Errors as config_parse. */
enum status config_set(struct config *config, const char *section, const char *key, const char *value,
                       struct error *err);

void config_free(struct config *config);

/* Fail because of a key's value. The message begins with the place where it was set: "demo.ini:12:
 * measure.rule.conv9_9: there is no such layer". `key` is "section.key". Returns FAIL_CONFIG. */
enum status config_fail(const struct config *config, struct error *err, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
