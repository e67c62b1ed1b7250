/* The HTML of a report in two parts, before and after its numbers. pipeline/analysis/page/build.mjs makes it if npm is
 * available at build time; otherwise both parts are empty. */
#ifndef NRMFLOW_PIPELINE_ANALYSIS_REPORT_PAGE_H
#define NRMFLOW_PIPELINE_ANALYSIS_REPORT_PAGE_H

#include <stddef.h>

extern const unsigned char report_page_head[], report_page_tail[];
extern const size_t report_page_nhead, report_page_ntail;

#endif
