#include "io/export/virelay.h"
#include "kernels/base/number.h"
#include "pipeline/analysis/embedding.h"
#include "pipeline/analysis/export_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NCLUSTERINGS = EXPORT_MOST_CLUSTERS - EXPORT_LEAST_CLUSTERS + 1, NAME = 32 };

/* The analysis of a layer, with memory for all categories: their images lie one after another. */
struct analysis {
    const struct export_source *source;
    float *rows;                            /* [images][channels] of the store */
    double *x;                              /* [images][channels] of one category */
    size_t channels, dims;                  /* dims: of embeddings */
    uint32_t *index;                        /* [images] */
    float *pca, *spectral;                  /* [images][dims] */
    float *eigenvalues;                     /* [classes][2][dims] */
    int32_t *clusters;                      /* [NCLUSTERINGS][images] */
    size_t used;                            /* images in the categories so far */
    struct virelay_category *categories;    /* [classes] */
    struct virelay_embedding *embeddings;   /* [classes][2] */
    struct virelay_clustering *clusterings; /* [classes][NCLUSTERINGS] */
    char (*names)[NAME];                    /* [classes] */
    size_t count;
};

static const char *const clustering_names[NCLUSTERINGS] = {"kmeans-02", "kmeans-03", "kmeans-04", "kmeans-05",
                                                           "kmeans-06", "kmeans-07", "kmeans-08"};

void export_category_name(char *name, size_t nbytes, const struct export_source *source, size_t class)
{
    const char *known = source->names[class];

    if (known[0] == 'n' && strlen(known) == 9 && strspn(known + 1, "0123456789") == 8)
        snprintf(name, nbytes, "%s", known);
    else
        snprintf(name, nbytes, "class%05zu", class);
}

void export_analysis_file(char *name, size_t nbytes, const char *layer)
{
    snprintf(name, nbytes, "analysis-%s.h5", layer);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static enum status begin(struct analysis *a, const char *layer, struct error *err)
{
    size_t n = a->source->images, classes = a->source->classes, dims[] = {n, STORE_ANY};
    char path[EXPORT_PATH];
    enum status rc = OK;

    snprintf(path, sizeof path, "layers/%s/relevance", layer);
    TRY(store_read_float(&a->rows, a->source->reader, path, 2, dims, err));
    a->channels = dims[1];
    a->dims = smaller(a->channels, EXPORT_DIMENSIONS);
    a->x = calloc(n * a->channels, sizeof *a->x);
    a->index = calloc(n, sizeof *a->index);
    a->pca = calloc(n * a->dims, sizeof *a->pca);
    a->spectral = calloc(n * a->dims, sizeof *a->spectral);
    a->eigenvalues = calloc(classes * 2 * a->dims, sizeof *a->eigenvalues);
    a->clusters = calloc(NCLUSTERINGS * n, sizeof *a->clusters);
    a->categories = calloc(classes, sizeof *a->categories);
    a->embeddings = calloc(classes * 2, sizeof *a->embeddings);
    a->clusterings = calloc(classes * NCLUSTERINGS, sizeof *a->clusterings);
    a->names = calloc(classes, sizeof *a->names);
    if (!a->x || !a->index || !a->pca || !a->spectral || !a->eigenvalues || !a->clusters || !a->categories ||
        !a->embeddings || !a->clusterings || !a->names)
        TRY(error_set(err, FAIL_RESOURCE, "no memory to analyse %zu images", n));
done:
    return rc;
}

static void end(struct analysis *a)
{
    free(a->rows);
    free(a->x);
    free(a->index);
    free(a->pca);
    free(a->spectral);
    free(a->eigenvalues);
    free(a->clusters);
    free(a->categories);
    free(a->embeddings);
    free(a->clusterings);
    free(a->names);
}

/* ---- one class --------------------------------------------------------------------------------------------------- */

/* Images of a class, and their channels' shares of the layer's total variation: x is what the store has, whatever the
 * mass of the condition was. Returns their number. */
static size_t gather(struct analysis *a, size_t class)
{
    const struct export_source *s = a->source;
    const int64_t *classes = s->origin.config.store.class_by == CONFIG_BY_LABEL ? s->label : s->target;
    size_t n = 0;

    for (size_t i = 0; i < s->images; i++) {
        const float *row = a->rows + i * a->channels;
        double *x = a->x + n * a->channels, size = 0;
        if (s->status[i] != STORE_IMAGE_OK || classes[i] != (int64_t) class)
            continue;
        for (size_t c = 0; c < a->channels; c++)
            size += fabs((double)row[c]);
        for (size_t c = 0; c < a->channels; c++)
            x[c] = size > 0 ? (double)row[c] / size : 0;
        a->index[a->used + n++] = (uint32_t)i;
    }
    return n;
}

/* Clusters of the spectral embedding, whose numbers go through `x`. */
static enum status cluster(struct analysis *a, size_t n, struct virelay_clustering *out, struct error *err)
{
    const float *embedded = a->spectral + a->used * a->dims;
    enum status rc = OK;

    for (size_t i = 0; i < n * a->dims; i++)
        a->x[i] = (double)embedded[i];
    for (size_t k = 0; k < NCLUSTERINGS; k++) {
        int32_t *numbers = a->clusters + k * a->source->images + a->used;
        TRY(embedding_clusters(numbers, (struct embedding_points){a->x, n, a->dims}, k + EXPORT_LEAST_CLUSTERS, err));
        out[k] =
            (struct virelay_clustering){clustering_names[k], "spectral", numbers, (int64_t)k + EXPORT_LEAST_CLUSTERS};
    }
done:
    return rc;
}

static enum status embed(struct analysis *a, size_t class, size_t n, struct error *err)
{
    struct virelay_embedding *embeddings = a->embeddings + 2 * a->count;
    struct virelay_clustering *clusterings = a->clusterings + NCLUSTERINGS * a->count;
    float *pca = a->pca + a->used * a->dims, *spectral = a->spectral + a->used * a->dims;
    float *eigenvalues = a->eigenvalues + 2 * a->count * a->dims;
    struct embedding_points points = {a->x, n, a->channels};
    enum status rc = OK;

    TRY(embedding_pca(pca, eigenvalues, points, a->dims, err));
    TRY(embedding_spectral(spectral, eigenvalues + a->dims, points, a->dims, err));
    TRY(cluster(a, n, clusterings, err));
    embeddings[0] = (struct virelay_embedding){"pca", pca, eigenvalues, a->dims};
    embeddings[1] = (struct virelay_embedding){"spectral", spectral, eigenvalues + a->dims, a->dims};
    export_category_name(a->names[a->count], NAME, a->source, class);
    a->categories[a->count] =
        (struct virelay_category){a->names[a->count], a->index + a->used, n, embeddings, 2, clusterings, NCLUSTERINGS};
    a->count++;
    a->used += n;
done:
    return rc;
}

enum status export_analyse(struct export_analysis *out, const struct export_source *source, const char *layer,
                           const char *folder, struct error *err)
{
    struct analysis a = {.source = source};
    char path[EXPORT_PATH], file[EXPORT_PATH / 2];
    enum status rc = OK;

    snprintf(out->layer, sizeof out->layer, "%s", layer);
    TRY(begin(&a, layer, err));
    for (size_t class = 0; class < source->classes; class ++) {
        size_t n = gather(&a, class);
        if (n >= EXPORT_LEAST_IMAGES)
            TRY(embed(&a, class, n, err));
        else
            out->small++;
    }
    out->categories = a.count;
    export_analysis_file(file, sizeof file, layer);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    TRY(virelay_write_analysis(path, a.categories, a.count, err));
done:
    end(&a);
    return rc;
}
