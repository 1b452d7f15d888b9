/* link/scribe.h - tells the board (link/board) which streams of this worker are open. On the
 * worker's loop.
 *
 * Streams are noted as they open, change and end, at the cost of a list's node; twice a second
 * what was noted goes to the steward in one message. Who opens and ends in between was never there.
 */
#ifndef LINK_SCRIBE_H
#define LINK_SCRIBE_H

#include "link/board.h"

/* In one message, twice a second: 10,000 streams that come at once must not hold up a worker. */
#define SCRIBE_ROWS_MAX 1000
#define SCRIBE_EVERY_MS 500

struct scribe;
struct link;

/* `board` NULL: there is none, since no other node is; the scribe does nothing. */
struct scribe *scribe_open(struct loop *worker, struct board *board);
/* It opened, or what it shows changed. */
void scribe_note(struct scribe *s, struct link *l);
/* It is gone. */
void scribe_strike(struct scribe *s, struct link *l);
/* After all links. */
void scribe_close(struct scribe *s);

#endif
