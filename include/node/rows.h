/* node/rows.h - what there is on one worker, as rows of JSON: taken on its own thread.
 *
 * A row is an object; each has `node` and `worker`. Texts are valid UTF-8, times are milliseconds
 * unless they are dates. No stanza content, local part or resource stands in any of them.
 */
#ifndef NODE_ROWS_H
#define NODE_ROWS_H

#include "base/byteq.h"
#include "link/site.h"
#include "wire/jid.h"

/* A worker's streams wait while it writes its rows: 10 ms or so for these. Who has more asks for
 * a domain. */
#define ROWS_MAX 5000

struct rows_filter {
    char domain[DOMAIN_BYTES_MAX + 1]; /* normal form; only rows of it, ours or theirs; "": all */
    uint64_t link_id;                  /* only that link's; 0: all */
};

struct rows {
    struct byteq text; /* objects with commas between them */
    size_t count;
    size_t left_out_count; /* that there are besides */
};

/* workers_part_fn: `arg` is a struct rows_filter, the part is the caller's (rows_free). */
void *rows_links(struct site *s, const void *arg);
void *rows_pairs(struct site *s, const void *arg);
void *rows_components(struct site *s, const void *arg);
/* Only queues that hold something. */
void *rows_queues(struct site *s, const void *arg);
void rows_free(struct rows *r);

#endif
