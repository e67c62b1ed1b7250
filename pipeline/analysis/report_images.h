/* Images for a report: for the most relevant channels of every layer, the images in which these are most relevant
 * (RelMax) and most active (ActMax), each with the channel's relevance at the pixels. The images are computed again.
 * Not collective: one rank.
 *
 * Arrays of the page: images/pixels [image][y][x][channel] after preprocessing; for every layer images/<layer>/maps
 * [channel][list][rank][y][x], list 0 RelMax and 1 ActMax: 32 + 31 sign(v) sqrt(|v| / scale), 0 where there is no map,
 * and images/<layer>/scale [channel][list][rank].
 */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_IMAGES_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_IMAGES_H

#include "pipeline/analysis/report_arrays.h"
#include "pipeline/config/load.h"
#include "pipeline/mpi/node.h"
#include "pipeline/util/log.h"

enum { REPORT_IMAGES_CHANNELS = 16, REPORT_IMAGES_DEPTH = 4 };

/* Add the images to the page, and their description to `json`.
 *
 *   source  in  of the run's configuration
 * Errors: FAIL_MISMATCH if the configuration's model, data or measure is not the store's; as probe_begin, probe_run. */
enum status report_images_add(const struct report_arrays *arrays, json_t *json, const struct summary *summary,
                              const struct config_source *source, const struct node *node, struct log *log,
                              struct error *err);

#endif
