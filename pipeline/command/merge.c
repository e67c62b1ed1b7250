#include "pipeline/run/merge.h"

#include "io/base/target.h"
#include "pipeline/command/commands.h"
#include "pipeline/run/parts.h"
#include "pipeline/run/place.h"
#include "pipeline/stats/weak.h"
#include "pipeline/util/json_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
    const char *output;
    struct option_list shards;
    bool restart, mixed, json;
};

static const struct option_row rows[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "STORE", .help = "the store to write"},
    {"restart", 0, OPTION_FLAG, FIELD(restart), .help = "replace an existing store, whatever run it belongs to"},
    {"allow-mixed", 0, OPTION_FLAG, FIELD(mixed),
     .help = "merge shards of different instruction sets, OpenBLAS cores or versions of nrmflow; the store lists them"},
    {"json", 0, OPTION_FLAG, FIELD(json), .help = "print one JSON object: store, images, shards, mixed, written"},
};

static const char help[] =
    "Merges the stores of all shards of a run (data.shard = 1/N to N/N) into one. The result is the store of a "
    "single run over all images, to the last bit. Needs neither images nor weights.";

static enum status check(void *arguments, struct error *err)
{
    const struct arguments *a = arguments;

    return a->output ? OK : error_set(err, FAIL_CONFIG, "missing option: --output STORE, the store to write");
}

/* The output must not be one of the shards. */
static enum status check_place(const struct arguments *arguments, struct error *err)
{
    struct stat there, shard;

    if (stat(arguments->output, &there) != 0)
        return OK;
    for (size_t i = 0; i < arguments->shards.count; i++)
        if (stat(arguments->shards.items[i], &shard) == 0 && shard.st_dev == there.st_dev &&
            shard.st_ino == there.st_ino)
            return error_set(err, FAIL_CONFIG, "%s is one of the shards; choose another --output", arguments->output);
    return OK;
}

/* Does the output exist already, as this merge would write it? */
static enum status compare_output(bool *complete, const struct arguments *arguments, const struct merge_parts *parts,
                                  struct error *err)
{
    const struct merge_part *part = &parts->parts[0];
    const struct identity mine = {&parts->config, part->model_sha256, part->dataset_sha256, NULL, NULL, NULL, {0, 0}};
    struct provenance provenance = parts->provenance;
    enum status rc = place_compare(complete, &provenance, arguments->output, &mine, true, err);

    if (rc == OK && !*complete)
        rc = error_set(err, FAIL_CONFIG, "%s belongs to an unfinished run; finish it, or choose another --output",
                       arguments->output);
    return rc;
}

/* `written`: false if the output existed already. */
static void print(const struct arguments *arguments, const struct merge_parts *parts, bool written)
{
    size_t images = parts->whole.end - parts->whole.first;
    bool mixed = provenance_mixed(&parts->provenance);

    if (arguments->json)
        json_output_print(json_pack("{s:o,s:I,s:I,s:b,s:b}", "store", json_output_text(arguments->output), "images",
                                    (json_int_t)images, "shards", (json_int_t)parts->count, "mixed", mixed, "written",
                                    written));
    else if (written)
        printf("%s: %zu images of %zu shards%s\n", arguments->output, images, parts->count,
               mixed ? ", computed on different machines" : "");
    else
        printf("%s is complete, nothing to do; --restart merges again\n", arguments->output);
}

/* Merge, holding the lock of the output, unless its store exists already. */
static enum status merge_into(const struct arguments *arguments, const struct merge_parts *parts, struct error *err)
{
    struct save_summary summary;
    char weak[WEAK_TEXT];
    bool exists = false, complete = false;
    enum status rc = OK;

    TRY(place_check(&exists, arguments->output, &parts->config, arguments->restart, err));
    if (exists && !arguments->restart)
        TRY(compare_output(&complete, arguments, parts, err));
    if (!complete)
        TRY(merge_stores(&summary, parts, arguments->output, err));
    print(arguments, parts, !complete);
    if (!complete && summary.given.weak) {
        weak_text(weak, summary.given.mean, summary.given.std_error);
        fprintf(stderr, "nrmflow: warning: weak_condition: %s\n", weak);
    }
    if (!complete)
        TRY(save_check_failed(&summary, &parts->config, arguments->output, err));
done:
    return rc;
}

static enum status merge(const struct arguments *arguments, struct error *err)
{
    struct merge_parts parts = {0};
    struct parts place = {0};
    char host[NODE_HOST] = "", *output = target_path(arguments->output);
    size_t removed;
    enum status rc = OK;

    if (!output)
        return error_system(err, "%s: this link leads nowhere", arguments->output);
    gethostname(host, sizeof host - 1);
    TRY(check_place(arguments, err));
    TRY(merge_parts_read(&parts, arguments->shards.items, arguments->shards.count, arguments->mixed, err));
    TRY(parts_enter(&place, output, host, parts.config.run.lock, NULL, err));
    TRY(merge_into(arguments, &parts, err));
    TRY(parts_keep(&place, &removed, output, NULL, 0, err)); /* remove what killed runs and merges left behind */
done:
    parts_free(&place);
    merge_parts_free(&parts);
    free(output);
    return rc;
}

static int run(const void *arguments)
{
    struct error err = {0};

    return command_end(merge(arguments, &err), &err);
}

const struct command command_merge = {
    .summary = "merge the shards of a run into one store",
    .table = {.command = "merge",
              .operands = {"SHARD ...", 1, OPTION_MAX_ITEMS, OPTION_LIST, {FIELD(shards)}},
              .help = help,
              OPTION_ROWS(rows)},
    .size = sizeof(struct arguments),
    .check = check,
    .run = run,
};
