/* A page: one HTML file that contains its data.
 *
 * The file consists of head, data and tail. Head and tail are a document cut in two; the data are two script elements,
 * which browsers do not run:
 *
 *   <script id="page-data" type="application/octet-stream">   base64 of a zlib stream of all arrays, one after another
 *   <script id="page-json" type="application/json">           the caller's description of them
 *
 * An array of 4-byte elements is stored byte by byte (first the lowest byte of every element, then the next), because
 * it compresses better that way. The data goes to a temporary file that html_page_commit renames into place. No
 * function here prints.
 */
#ifndef NRMFLOW_IO_EXPORT_HTML_PAGE_H
#define NRMFLOW_IO_EXPORT_HTML_PAGE_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct html_page;

/* Bits of a float's fraction; with fewer, arrays compress better. */
enum { PAGE_ALL_BITS = 23 };

/* Begin a page that is to be at `path`.
 *
 *   out   out  caller ends it with html_page_commit or html_page_discard, which both free it
 *   head  in   [nhead] bytes of the document before the data
 * Errors: FAIL_SYSTEM, FAIL_RESOURCE; FAIL_CONFIG if `path` exists and is not a regular file. */
enum status html_page_create(struct html_page **out, const char *path, const unsigned char *head, size_t nhead,
                             struct error *err);

/* Add an array; *offset is its position in the decompressed stream, in bytes. Real numbers become float32 with `bits`
 * bits of fraction, rounded to nearest; integers become int32. Errors: FAIL_LIMIT if an integer does not fit. */
enum status html_page_add_real(size_t *offset, struct html_page *page, const double *values, size_t count, int bits,
                               struct error *err);
enum status html_page_add_int(size_t *offset, struct html_page *page, const int64_t *values, size_t count,
                              struct error *err);
enum status html_page_add_bytes(size_t *offset, struct html_page *page, const unsigned char *bytes, size_t count,
                                struct error *err);

/* Write the JSON text and the tail, sync the file to disk and rename it over the path; *nbytes is its size. Always
 * frees `page`. On failure the temporary file is removed, and an old file at the path is unchanged. */
enum status html_page_commit(size_t *nbytes, struct html_page *page, const char *json, const unsigned char *tail,
                             size_t ntail, struct error *err);

/* Drop the page and remove its temporary file; NULL is fine. */
void html_page_discard(struct html_page *page);

#endif
