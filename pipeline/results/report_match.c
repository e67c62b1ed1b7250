#include "pipeline/results/report_match.h"

#include "pipeline/config/text.h"
#include "pipeline/run/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *attribute_of(const struct summary *summary, const char *name)
{
    for (size_t i = 0; i < summary->nattributes; i++)
        if (strcmp(summary->attributes[i].name, name) == 0)
            return summary->attributes[i].text;
    return NULL;
}

static enum status must_be(const char *mine, const struct summary *summary, const char *name, struct error *err)
{
    const char *theirs = attribute_of(summary, name);

    if (mine && theirs && strcmp(mine, theirs) == 0)
        return OK;
    return error_set(err, FAIL_MISMATCH,
                     "--images: %s is %.80s, but %.80s in the store: give the configuration of its run, and with --set "
                     "what its command line changed",
                     name, mine ? mine : "missing", theirs ? theirs : "missing");
}

/* Rules of single layers, which the store has in its configuration's text. */
static enum status check_rules(const struct config_pairs *rules, const char *config, struct error *err)
{
    size_t stored = 0, same = 0;
    char line[1024];

    for (const char *at = config; at && (at = strstr(at, "\nrule.")) != NULL; at++)
        stored++;
    for (size_t i = 0; i < rules->count; i++) {
        snprintf(line, sizeof line, "\nrule.%s = %s\n", rules->items[i].name, rules->items[i].text);
        same += config && strstr(config, line) != NULL;
    }
    if (stored == rules->count && same == stored)
        return OK;
    return error_set(err, FAIL_MISMATCH, "--images: the rules of single layers (measure.rule) are not the store's");
}

enum status report_match(const struct probe *probe, const struct summary *summary, struct error *err)
{
    static const char *const keys[] = {"composite", "bias", "pool", "target"};
    const struct run *run = probe->run;
    char sha[2 * DATASET_SHA256 + 1];
    enum status rc = OK;

    write_dataset_sha256(sha, run->listing.memory);
    TRY(must_be(run->model.sha256, summary, "model_sha256", err));
    TRY(must_be(sha, summary, "dataset_sha256", err));
    for (size_t i = 0; rc == OK && i < sizeof keys / sizeof keys[0]; i++) {
        char *text = config_text_value(&probe->config, "measure", keys[i]);
        rc = must_be(text, summary, keys[i], err);
        free(text);
    }
    TRY(rc);
    TRY(check_rules(&probe->config.measure.rules, summary->config, err));
done:
    return rc;
}
