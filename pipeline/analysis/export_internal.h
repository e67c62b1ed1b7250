/* Shared by the files of the export. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_EXPORT_INTERNAL_H
#define NRMFLOW_PIPELINE_ANALYSIS_EXPORT_INTERNAL_H

#include "pipeline/analysis/export_virelay.h"
#include "pipeline/results/origin.h"

enum { EXPORT_PATH = 4096 };

/* The exported store, and its columns. */
struct export_source {
    struct store_reader *reader;
    struct origin origin;
    const char *path;
    size_t images, classes;
    int64_t *status, *label, *target; /* [images] */
    char **names;                     /* [classes] */
    const char **layers;              /* [nlayers] to analyse; borrowed or static */
    size_t nlayers;
    char chosen[64]; /* the layer, if the user named none */
};

/* A class's category name and word_net_id in the label map: its name if that is like "n01440764", else "class00003". */
void export_category_name(char *name, size_t nbytes, const struct export_source *source, size_t class);

/* Write the analysis of a layer.
 *
 *   out  out  its contents
 * Errors: as store_read_*, embedding_* and virelay_write_analysis. */
enum status export_analyse(struct export_analysis *out, const struct export_source *source, const char *layer,
                           const char *folder, struct error *err);

/* Write label-map.json and project.yaml, the last of all files. */
enum status export_write_project(const struct export_source *source, const struct export_result *result,
                                 const char *folder, struct error *err);

/* Name of the analysis's file in the folder. */
void export_analysis_file(char *name, size_t nbytes, const char *layer);

#endif
