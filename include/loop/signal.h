/* loop/signal.h - signals as events of one loop. libuv only. */
#ifndef LOOP_SIGNAL_H
#define LOOP_SIGNAL_H

#include "loop/loop.h"

struct sigwatch;

struct sigwatch *sigwatch_open(struct loop *l, int signo, void (*got)(void *arg, int signo),
                               void *arg);
void sigwatch_close(struct sigwatch *s);

#endif
