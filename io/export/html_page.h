/* A page: one HTML file that carries its numbers with it.
 *
 * The file is  head, data, tail.  Head and tail are a document that is cut in two; the data are two script elements
 * that no browser runs:
 *
 *   <script id="page-data" type="application/octet-stream">   base64 of a zlib stream of all arrays, one after the other
 *   <script id="page-json" type="application/json">           whatever the caller says of them
 *
 * An array of 4-byte elements is stored byte by byte (first the lowest byte of every element, then the next), which
 * makes it compress well. The file is written aside and becomes visible by html_page_commit. No function here prints.
 */
#ifndef NRMFLOW_IO_EXPORT_HTML_PAGE_H
#define NRMFLOW_IO_EXPORT_HTML_PAGE_H

#include "io/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct html_page;

/* Bits of a float's fraction; fewer take less room. */
enum { PAGE_ALL_BITS = 23 };

/* Begin a page that will be at `path`.
 *
 *   out   out  caller ends it with html_page_commit or html_page_discard, which both free it
 *   head  in   [nhead] bytes of the document before the data
 * Errors: FAIL_SYSTEM, FAIL_RESOURCE; FAIL_CONFIG if there is something at `path` that is no regular file. */
enum status html_page_create(struct html_page **out, const char *path, const unsigned char *head, size_t nhead,
                             struct error *err);

/* Add an array; *offset is its place in the inflated stream, in bytes. Numbers become float32 with the given bits of
 * fraction, rounded to nearest; integers become int32, and FAIL_LIMIT is what they get where they do not fit. */
enum status html_page_add_real(size_t *offset, struct html_page *page, const double *values, size_t count, int bits,
                               struct error *err);
enum status html_page_add_int(size_t *offset, struct html_page *page, const int64_t *values, size_t count,
                              struct error *err);
enum status html_page_add_bytes(size_t *offset, struct html_page *page, const unsigned char *bytes, size_t count,
                                struct error *err);

/* Write the JSON text and the tail, make the file durable and rename it over the path; *nbytes is its size. Frees `page`
 * whatever happens. On failure the temporary file is removed, and a file that was there is whole. */
enum status html_page_commit(size_t *nbytes, struct html_page *page, const char *json, const unsigned char *tail,
                             size_t ntail, struct error *err);

/* Drop the page and remove its temporary file; NULL is fine. */
void html_page_discard(struct html_page *page);

#endif
