/* link/board.h - what this node shows of itself in the table, for people who look into Redis when
 * it does not answer: its state, its components, its streams. On the steward's loop.
 *
 * Workers report what opened, changed or ended (link/scribe), many at once. The board puts it into
 * the table (session/store), which gathers and writes once a second and puts everything back when
 * it was lost. Nobody waits for any of it, and no router reads it: what nodes need to know of each
 * other they tell over the mesh.
 *
 * Fields and values, each value behind the incarnation that wrote it; BOARD_FORMAT is their first
 * word and rises when the rest changes its meaning:
 *
 *   node  state      FORMAT WORD               as in `status`
 *         version    FORMAT VERSION
 *         links      FORMAT COUNT              open streams
 *   comp  DOMAIN     FORMAT COUNT              open streams of its component here
 *   sess  LINK       FORMAT KIND LOCAL REMOTE PEER METHOD TLS SINCE PAIRS
 *                                              LINK as in `links`; KIND component, s2s_in, s2s_out;
 *                                              SINCE in seconds since 1970; `-`: there is none
 */
#ifndef LINK_BOARD_H
#define LINK_BOARD_H

#include "base/arena.h"
#include "loop/hop.h"
#include "session/store.h"

#define BOARD_FORMAT "1"

struct board;

/* What a worker says of a stream. */
struct board_row {
    uint64_t link;
    bool first;             /* it was not shown yet */
    struct slice component; /* its domain; empty: a stream between servers */
    struct slice text;      /* empty: it ended */
};

/* Owned by whoever has it; the rows and their texts live in the arena. */
struct board_report {
    struct hop_msg msg;
    struct arena arena;
    struct board_row *rows;
    size_t row_count;
};

/* `store`: borrowed until board_shut. */
struct board *board_open(struct loop *l, struct store *store);
/* lease_state_word */
void board_state(struct board *b, const char *word);
/* From any thread; takes it. */
void board_tell(struct board *b, struct board_report *r);
/* The table is closed; what comes now is forgotten. */
void board_shut(struct board *b);
/* No scribe speaks any more. */
void board_close(struct board *b);

#endif
