#include "pipeline/run/state.h"

#include "kernels/base/network_vgg.h"
#include "pipeline/run/graph.h"

#include <stdbool.h>
#include <stdlib.h>

/* Outputs or inputs of a layer. */
enum { MAX_NEURONS = 1 << 26 };

/* ---- network --------------------------------------------------------------------------------------------------- */

/* Stores of early versions have the outputs and inputs of a VGG network's weighted layers. */
static enum status load_vgg(struct network *net, const struct store_reader *store, const char *path, struct error *err)
{
    struct network_layer layers[NETWORK_MAX_LINKS];
    size_t dims[] = {STORE_ANY, 2};
    int64_t *sizes = NULL;
    char message[256];
    enum status rc = OK;

    TRY(store_read_int(&sizes, store, "state/layers", 2, dims, err));
    bool good = dims[0] <= NETWORK_MAX_LINKS;
    for (size_t i = 0; good && i < dims[0]; i++) {
        const int64_t *s = sizes + 2 * i;
        good = s[0] > 0 && s[0] <= MAX_NEURONS && s[1] > 0 && s[1] <= MAX_NEURONS;
        layers[i] = (struct network_layer){i + 3 < dims[0], (size_t)s[0], (size_t)s[1], 0, 0};
    }
    if (!good || !network_vgg_init(net, message, sizeof message, layers, dims[0]))
        rc = error_set(err, FAIL_FORMAT, "%s: /state/layers is damaged", path);
done:
    free(sizes);
    return rc;
}

enum status state_load_network(struct network *net, const struct store_reader *store, const char *path,
                               struct error *err)
{
    return graph_is_stored(store) ? graph_load(net, store, path, err) : load_vgg(net, store, path, err);
}

/* ---- sums and parts -------------------------------------------------------------------------------------------- */

enum status state_save(struct store *store, const struct sums *sums, const char *const *parts, size_t nparts,
                       size_t finished, struct error *err)
{
    size_t nwords = sums_bytes(sums->plan) / sizeof(uint64_t);
    enum status rc = OK;

    TRY(store_write(store, "state/sums", sums->memory, 1, &nwords, err));
    TRY(store_write_text(store, "state/parts", parts, nparts, err));
    TRY(store_set_int(store, "", "finished", (int64_t)finished, err));
done:
    return rc;
}

enum status state_load_sums(struct sums *sums, bool *has, size_t section, const struct store_reader *store,
                            size_t images, struct error *err)
{
    size_t whole = sums_bytes(sums->plan), without = whole - sums_section_bytes(sums->plan, section);
    size_t ndim, dims[STORE_MAX_DIMS];
    enum status rc = OK;

    TRY(store_shape(&ndim, dims, store, "state/sums", err));
    *has = ndim != 1 || dims[0] != without / sizeof(uint64_t);
    TRY(store_read_words(sums->memory, store, "state/sums", (*has ? whole : without) / sizeof(uint64_t), err));
    if (!*has)
        sums_insert(sums, section);
    TRY(sums_accept(sums, images, err));
done:
    return rc;
}

enum status state_load(struct sums *sums, char ***names, size_t *count, size_t section, const char *output,
                       size_t images, struct error *err)
{
    struct store_reader *store = NULL;
    bool has = false;
    enum status rc = OK;

    TRY(store_open_read(&store, output, err));
    TRY(state_load_sums(sums, &has, section, store, images, err));
    if (!has)
        TRY(error_set(err, FAIL_MISMATCH,
                      "%s: was begun by another version of the program, which does not keep the sums of \"%s\"; finish "
                      "it with that one, or start again with --restart",
                      output, sums->plan->sections[section].name));
    *count = STORE_ANY;
    TRY(store_read_text(names, store, "state/parts", count, err));
done:
    store_close(store);
    return rc;
}
