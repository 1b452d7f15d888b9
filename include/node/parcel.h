/* node/parcel.h - rows of JSON on their way to another node, in parcels that fit a frame. Pure.
 *
 * A parcel is some whole rows, with ",\n" between them; a row has no line end inside. The last word
 * is a slip instead: {"parcels":3,"left_out":0}, or {"error":"one sentence"}. What arrives is
 * another node's: it is checked before it stands beside our own rows. Spec: RFC 8259.
 */
#ifndef NODE_PARCEL_H
#define NODE_PARCEL_H

#include "base/byteq.h"
#include "base/err.h"

/* News about lanes and promises wait behind one parcel at most. */
#define PARCEL_BYTES_MAX (32u << 10)
/* A row that is larger than that goes alone; one over this is left out. */
#define PARCEL_ROW_BYTES_MAX (192u << 10)
#define PARCEL_DEPTH_MAX     8
#define PARCEL_ERROR_BYTES   256
#define PARCEL_SLIP_BYTES    1024

/* Cuts the next parcel off `rows`; empty: there is no more. */
struct slice parcel_cut(struct slice *rows, size_t *left_out_count);
/* Rows in it. */
size_t parcel_count(struct slice rows);

struct parcel_slip {
    uint64_t parcel_count; /* that were sent before */
    uint64_t left_out_count;
    char error[PARCEL_ERROR_BYTES]; /* empty: it went well */
};
void parcel_write_slip(const struct parcel_slip *s, struct byteq *out);
enum err parcel_read_slip(struct slice text, struct parcel_slip *ret_slip) MUST_USE;

/* Whole rows, each an object that begins with "node" and this name; any JSON parser takes them. */
enum err parcel_check(struct slice rows, struct slice node, size_t *ret_count) MUST_USE;

#endif
