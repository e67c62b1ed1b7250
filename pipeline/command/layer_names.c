#include "pipeline/command/layer_names.h"

#include "io/store/store.h"
#include "pipeline/config/config.h"
#include "pipeline/results/layers.h"
#include "pipeline/run/model_file.h"

#include <stdlib.h>
#include <string.h>

/* Of images whose size a file leaves open; the names do not depend on it. */
enum { USUAL_SIDE = 224 };

static enum status of_store(FILE *out, const char *path, struct error *err)
{
    struct store_reader *reader = NULL;
    struct layers layers = {.count = 0};
    enum status rc;

    TRY(store_open_read(&reader, path, err));
    TRY(layers_read(&layers, reader, path, err));
    for (size_t k = 0; k < layers.count; k++)
        fprintf(out, "%s\n", layers.items[k].name);
done:
    layers_free(&layers);
    store_close(reader);
    return rc;
}

static enum status of_model(FILE *out, const char *path, size_t side, struct error *err)
{
    struct model_description *d = calloc(1, sizeof *d);
    struct model_file file = {NULL, NULL};
    enum status rc;

    if (!d)
        return error_set(err, FAIL_SYSTEM, "no memory for the description of %s", path);
    TRY(model_file_open(&file, d, path, side, err));
    for (size_t k = 0; k <= d->net.nlinks; k++)
        fprintf(out, "%s\n", network_variable(&d->net, k));
done:
    model_file_close(&file);
    free(d);
    return rc;
}

static enum status of_configuration(FILE *out, const char *path, struct error *err)
{
    struct config config = {.name = NULL};
    char *text = NULL;
    enum status rc;

    TRY(config_read(&text, path, err));
    TRY(config_parse(&config, text, path, NULL, 0, err));
    TRY(of_model(out, config.model.weights.file, config.data.crop.set ? config.data.crop.value : USUAL_SIDE, err));
done:
    config_free(&config);
    free(text);
    return rc;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

enum status layer_names_print(FILE *out, const char *path, struct error *err)
{
    struct error not_a_store = {0};

    if (ends_with(path, ".ini"))
        return of_configuration(out, path, err);
    return of_store(out, path, &not_a_store) == OK ? OK : of_model(out, path, USUAL_SIDE, err);
}
