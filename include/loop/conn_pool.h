/* loop/conn_pool.h - what the connections of one loop share. Embedded in each of the two loops;
 * used by loop/conn only.
 *
 * Bytes are read and decrypted into buffers of the loop, so that an idle connection holds none.
 */
#ifndef LOOP_CONN_POOL_H
#define LOOP_CONN_POOL_H

#include "base/byteq.h"
#include "loop/timer.h"

/* One event of one connection reads this much at most: the others wait no longer than that. */
#define CONN_READ_BYTES 65536
/* After each readable connection had its share, those with more are read on by turns, as long and
 * as much as this: what is read in one turn goes out together, and a hundred streams fed by one
 * component would else get two stanzas each in a record and a write of their own. Less when an
 * output is full: it takes no more in this turn. */
#define CONN_MORE_BYTES 524288
#define CONN_MORE_US    1000
/* Storage of output queues that ran empty, for the next one that fills: a busy loop turns without
 * asking the allocator, which would give such sizes back to the system each time. */
#define CONN_SPARES          8
#define CONN_SPARE_BYTES_MAX 262144

/* Steps of handshakes in one turn, at most half a millisecond each: when thousands of peers come
 * back at once, established streams go on between them. */
#define CONN_SHAKES_A_TURN 8

struct conn_pool {
    struct loop *loop;
    struct list watched; /* connections with unacknowledged bytes, or kept back by a deadline */
    struct timer sweep;  /* runs while somebody is watched */
    struct list shaking; /* TLS handshakes that wait for a turn with time for them */
    struct task shake;   /* deferred while somebody shakes: the next turn begins anew */
    unsigned shakes;     /* in this turn */
    struct list plenty;  /* connections that filled their share and may have more */
    struct task more;    /* posted while there are such: reads one share */
    struct task turn;    /* deferred: the end of that for this turn */
    size_t more_bytes;   /* in this turn */
    uint64_t more_from_us;
    bool crowded;       /* an output became full in this turn */
    size_t moved_bytes; /* read and written, see conn_pool_moved */
    char *cipher;       /* CONN_READ_BYTES, as read from the socket; allocated at first use */
    char *plain;        /* CONN_READ_BYTES, decrypted */
    struct byteq spare[CONN_SPARES];
    size_t spare_count;
};

/* For the two loops only: after the timers are there, before they go. */
void conn_pool_init(struct conn_pool *p, struct loop *l);
/* No connection is left. */
void conn_pool_fini(struct conn_pool *p);
/* Bytes that its sockets read and wrote since the last call. */
size_t conn_pool_moved(struct conn_pool *p);
struct conn_pool *loop_conns(struct loop *l);

#endif
