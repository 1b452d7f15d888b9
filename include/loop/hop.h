/* loop/hop.h - messages from any thread to one loop: intrusive MPSC queue, one wake a batch.
 *
 * Order is kept per sending thread. Messages are owned by the queue from post to delivery.
 */
#ifndef LOOP_HOP_H
#define LOOP_HOP_H

#include "loop/loop.h"

struct hop;

struct hop_msg {
    _Atomic(struct hop_msg *) next;
    void (*deliver)(struct hop_msg *m, void *arg); /* on the consumer's loop; owns `m` then */
};

/* On the consumer's loop; `arg` goes to each deliver. */
struct hop *hop_open(struct loop *consumer, void *arg);
/* Any thread. */
void hop_post(struct hop *h, struct hop_msg *m);
/* On the consumer's loop, when no sender is left; delivers what is there first. */
void hop_close(struct hop *h);

#endif
